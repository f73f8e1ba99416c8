/** Compares two copies of one volume, block by block, each with its checksum table. */
import { crc32 } from "node:zlib";
import type { Divergence } from "../record/types.ts";
import {
  BLOCK_BYTES,
  type DiskBytes,
  readBytes,
  type VmImage,
  type VolumeImage,
} from "./disk-image.ts";

export interface BlockAddress {
  readonly vm: string;
  readonly volume: number;
  readonly lba: number;
}

export interface BadBlock extends BlockAddress {
  readonly side: "left" | "right";
  readonly why: string;
  /** A power failure may have torn it: its intent bit is set, or the copy is `inconsistent` and took blocks without intents. */
  readonly isTorn: boolean;
}

/** What was found in one volume. Unit: blocks. */
export interface VolumeFigures {
  readonly vm: string;
  readonly volume: number;
  /** Size of the volume. */
  readonly blocks: number;
  /** Written on either side. */
  readonly compared: number;
  /** Differing blocks that a side admits, by the first of these that names them. */
  readonly known: {
    /** In the dirty map of a host that is `sole`. */
    readonly dirty: number;
    /** In an extent of either intent log. */
    readonly intents: number;
    /** Beside a copy that holds nothing valid. */
    readonly void: number;
  };
  /** Differing blocks that nobody admits. */
  readonly silent: number;
  readonly way: Divergence["way"];
  /** Differing blocks that a side's own marks name: what it wrote that the other lacks. `both`: named by both sides. */
  readonly changed: { readonly left: number; readonly right: number; readonly both: number };
  /** The first ones, at most `LISTED_MAX`. */
  readonly silentBlocks: readonly BlockAddress[];
  readonly bad: readonly BadBlock[];
  readonly badBlocks: { readonly torn: number; readonly other: number };
}

/** One side's copy of the volume. */
export interface CopySide {
  readonly name: "left" | "right";
  readonly disk: DiskBytes;
  readonly vm: VmImage;
  readonly volume: VolumeImage;
}

/** Blocks that are named one by one, of each kind. */
export const LISTED_MAX = 100;

const SUM_BYTES = 16;
/** Entries of the checksum table that are read at once. */
const CHUNK_BLOCKS = 4_096;
const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);
const ZERO_SUMS = Buffer.alloc(SUM_BYTES * CHUNK_BLOCKS);

export function compareVolume(left: CopySide, right: CopySide, perExtent: number): VolumeFigures {
  const pair = { left: sideOf(left), right: sideOf(right) };
  const tally = new Tally(left);
  const { blocks } = left.volume;
  const perChunk = Math.max(perExtent, CHUNK_BLOCKS - (CHUNK_BLOCKS % perExtent));
  for (let chunk = 0; chunk < blocks; chunk += perChunk) {
    const count = Math.min(perChunk, blocks - chunk);
    const leftSums = readSums(left, chunk, count);
    const rightSums = readSums(right, chunk, count);
    if (isUnwritten(leftSums) && isUnwritten(rightSums)) continue;
    for (let from = 0; from < count; from += perExtent) {
      const to = Math.min(from + perExtent, count);
      const sums = { left: partOf(leftSums, from, to), right: partOf(rightSums, from, to) };
      if (isUnwritten(sums.left) && isUnwritten(sums.right)) continue;
      compareExtent(pair, { first: chunk + from, count: to - from, perExtent, sums }, tally);
    }
  }
  return tally.figures();
}

interface Side extends CopySide {
  readonly isSole: boolean;
  /** The copy claims to hold nothing: all that it lacks is known. */
  readonly isVoid: boolean;
  readonly isInResync: boolean;
}

interface Pair<Of> {
  readonly left: Of;
  readonly right: Of;
}

function sideOf(copy: CopySide): Side {
  const { page } = copy.vm;
  const isVoid = page === null || page.right === "none" || page.copy === "blank";
  const isInResync = page?.copy === "inconsistent";
  return { ...copy, isSole: page?.right === "sole", isVoid, isInResync };
}

function compareExtent(
  pair: Pair<Side>,
  extent: {
    readonly first: number;
    readonly count: number;
    readonly perExtent: number;
    readonly sums: Pair<Buffer>;
  },
  tally: Tally,
): void {
  const { left, right } = pair;
  const { first, count, perExtent, sums } = extent;
  const data = { left: readData(left, first, count), right: readData(right, first, count) };
  const number = Math.floor(first / perExtent);
  const hasIntent = {
    left: left.volume.intentBits.has(number),
    right: right.volume.intentBits.has(number),
  };
  for (let index = 0; index < count; index += 1) {
    const lba = first + index;
    const mine = readBlock(left, sums.left, data.left, { index, lba });
    const theirs = readBlock(right, sums.right, data.right, { index, lba });
    if (!mine.isWritten && !theirs.isWritten) continue;
    tally.compared += 1;
    tally.noteBad("left", lba, mine.bad, hasIntent.left || left.isInResync);
    tally.noteBad("right", lba, theirs.bad, hasIntent.right || right.isInResync);
    if (mine.bytes.equals(theirs.bytes)) continue;
    const isWritten = { left: mine.isWritten, right: theirs.isWritten };
    tally.noteDifference({ pair, lba, hasIntent, isWritten });
  }
}

interface Block {
  readonly isWritten: boolean;
  /** What a reader gets: zeros where nothing was ever written. */
  readonly bytes: Buffer;
  readonly bad: string | null;
}

function readBlock(
  side: Side,
  sums: Buffer,
  data: Buffer,
  { index, lba }: { readonly index: number; readonly lba: number },
): Block {
  const sum = partOf(sums, index, index + 1);
  const bytes = data.subarray(BLOCK_BYTES * index, BLOCK_BYTES * (index + 1));
  if (isUnwritten(sum)) {
    const bad = bytes.equals(ZERO_BLOCK) ? null : "data without a checksum entry";
    return { isWritten: false, bytes: ZERO_BLOCK, bad };
  }
  return { isWritten: true, bytes, bad: badnessOf(side, sum, bytes, lba) };
}

function badnessOf(side: Side, sum: Buffer, bytes: Buffer, lba: number): string | null {
  if (sum.readUInt32LE(12) !== crc32(sum.subarray(0, 12)) || sum.readUInt16LE(10) !== 1) {
    return "the checksum entry does not match itself";
  }
  if (sum.readUInt32LE(4) !== lba || sum.readUInt16LE(8) !== side.volume.volume) {
    return `the entry is one of block ${sum.readUInt32LE(4)} of volume ${sum.readUInt16LE(8)}`;
  }
  if (sum.readUInt32LE(0) !== crc32(bytes)) return "the checksum does not match the bytes";
  return null;
}

function readSums({ disk, volume }: CopySide, first: number, count: number): Buffer {
  return readBytes(disk, volume.sums + SUM_BYTES * first, SUM_BYTES * count);
}

function readData({ disk, volume }: CopySide, first: number, count: number): Buffer {
  return readBytes(disk, volume.data + BLOCK_BYTES * first, BLOCK_BYTES * count);
}

function partOf(sums: Buffer, from: number, to: number): Buffer {
  return sums.subarray(SUM_BYTES * from, SUM_BYTES * to);
}

function isUnwritten(sums: Buffer): boolean {
  return sums.equals(ZERO_SUMS.subarray(0, sums.length));
}

class Tally {
  compared = 0;
  readonly #copy: CopySide;
  readonly #known = { dirty: 0, intents: 0, void: 0 };
  readonly #changed = { left: 0, right: 0, both: 0 };
  readonly #isAhead = { left: false, right: false };
  readonly #silentBlocks: BlockAddress[] = [];
  readonly #bad: BadBlock[] = [];
  readonly #badBlocks = { torn: 0, other: 0 };
  #silent = 0;

  constructor(copy: CopySide) {
    this.#copy = copy;
  }

  noteBad(side: "left" | "right", lba: number, why: string | null, isTorn: boolean): void {
    if (why === null) return;
    this.#badBlocks[isTorn ? "torn" : "other"] += 1;
    if (this.#bad.length < LISTED_MAX)
      this.#bad.push({ ...this.#addressOf(lba), side, why, isTorn });
  }

  noteDifference(found: {
    readonly pair: Pair<Side>;
    readonly lba: number;
    readonly hasIntent: Pair<boolean>;
    readonly isWritten: Pair<boolean>;
  }): void {
    const { pair, lba, hasIntent, isWritten } = found;
    const { left, right } = pair;
    const isDirty = {
      left: left.isSole && left.volume.dirtyBits.has(lba),
      right: right.isSole && right.volume.dirtyBits.has(lba),
    };
    const isNamed = {
      left: isDirty.left || hasIntent.left,
      right: isDirty.right || hasIntent.right,
    };
    if (isNamed.left) this.#changed.left += 1;
    if (isNamed.right) this.#changed.right += 1;
    if (isNamed.left && isNamed.right) this.#changed.both += 1;
    const isSilent = !isNamed.left && !isNamed.right && !left.isVoid && !right.isVoid;
    if (isDirty.left || isDirty.right) this.#known.dirty += 1;
    else if (hasIntent.left || hasIntent.right) this.#known.intents += 1;
    else if (!isSilent) this.#known.void += 1;
    else this.#noteSilent(lba);
    const ahead = isSilent && !left.isSole && !right.isSole ? isWritten : aheadOf(pair, hasIntent);
    if (ahead.left) this.#isAhead.left = true;
    if (ahead.right) this.#isAhead.right = true;
  }

  figures(): VolumeFigures {
    const { vm, volume } = this.#copy;
    const { dirty, intents, void: beside } = this.#known;
    const isDifferent = dirty + intents + beside + this.#silent > 0;
    const isTwoWay = this.#isAhead.left && this.#isAhead.right;
    return {
      vm: vm.vm,
      volume: volume.volume,
      blocks: volume.blocks,
      compared: this.compared,
      known: this.#known,
      silent: this.#silent,
      way: isDifferent ? (isTwoWay ? "two" : "one") : "none",
      changed: this.#changed,
      silentBlocks: this.#silentBlocks,
      bad: this.#bad,
      badBlocks: this.#badBlocks,
    };
  }

  #noteSilent(lba: number): void {
    this.#silent += 1;
    if (this.#silentBlocks.length < LISTED_MAX) this.#silentBlocks.push(this.#addressOf(lba));
  }

  #addressOf(lba: number): BlockAddress {
    return { vm: this.#copy.vm.vm, volume: this.#copy.volume.volume, lba };
  }
}

/**
 * Who is ahead at a block that differs and that somebody admits: every side that is alone; else the side that is not void; else the one
 * whose intent log alone names it (when both do, it is a write under way, the same on both).
 */
function aheadOf({ left, right }: Pair<Side>, hasIntent: Pair<boolean>): Pair<boolean> {
  if (left.isSole || right.isSole) return { left: left.isSole, right: right.isSole };
  if (left.isVoid !== right.isVoid) return { left: right.isVoid, right: left.isVoid };
  return {
    left: hasIntent.left && !hasIntent.right,
    right: hasIntent.right && !hasIntent.left,
  };
}
