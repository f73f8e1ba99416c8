/**
 * Compares the copies on two disks, block by block. A block that differs is *known* when a side says so (the dirty map of a host that is
 * `sole`, the intent log of either, a copy that holds nothing valid) and *silent* otherwise: both sides claim agreement, and one is wrong.
 */
import { crc32 } from "node:zlib";
import type { CheckResult, Divergence } from "../record/types.ts";
import {
  BLOCK_BYTES,
  badDisk,
  type DiskBytes,
  type DiskImage,
  readBytes,
  readDisk,
  type VmImage,
  type VolumeImage,
} from "./disk-image.ts";

export interface AuditOptions {
  /** After convergence, where the pair is duplex again, known differences fail too. Default false. */
  readonly mustBeEqual?: boolean;
  /** Name of the check. Default `divergence`. */
  readonly name?: string;
}

export interface BlockAddress {
  readonly vm: string;
  readonly volume: number;
  readonly lba: number;
}

export interface BadBlock extends BlockAddress {
  readonly side: "left" | "right";
  readonly why: string;
  /** Its intent bit is set: a power failure may have torn it. */
  readonly isTorn: boolean;
}

export interface DivergenceFigures {
  readonly check: CheckResult;
  readonly divergence: Divergence;
  readonly left: DiskImage;
  readonly right: DiskImage;
  /** Blocks that were compared: written on either side. */
  readonly compared: number;
  /** The first ones, at most `LISTED_MAX`. */
  readonly silent: readonly BlockAddress[];
  readonly bad: readonly BadBlock[];
  readonly badBlocks: { readonly torn: number; readonly other: number };
}

const LISTED_MAX = 100;
const SUM_BYTES = 16;
const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

interface Tally {
  compared: number;
  known: number;
  isLeftAhead: boolean;
  isRightAhead: boolean;
  silentCount: number;
  readonly silent: BlockAddress[];
  readonly bad: BadBlock[];
  readonly badBlocks: { torn: number; other: number };
}

interface Side {
  readonly name: "left" | "right";
  readonly disk: DiskBytes;
  readonly vm: VmImage;
  readonly volume: VolumeImage;
  readonly isSole: boolean;
  /** The copy claims to hold nothing: all that it lacks is known. */
  readonly isVoid: boolean;
}

/** @throws HarnessError BAD_DISK when a disk is unreadable or the two do not belong together */
export function auditDisks(
  left: DiskBytes,
  right: DiskBytes,
  options: AuditOptions = {},
): DivergenceFigures {
  const images = { left: readDisk(left), right: readDisk(right) };
  const tally: Tally = {
    compared: 0,
    known: 0,
    isLeftAhead: false,
    isRightAhead: false,
    silentCount: 0,
    silent: [],
    bad: [],
    badBlocks: { torn: 0, other: 0 },
  };
  if (images.left.kind === "formatted" && images.right.kind === "formatted") {
    compareFormatted(
      { disk: left, image: images.left },
      { disk: right, image: images.right },
      tally,
    );
  } else {
    countAgainstBlank({ disk: left, image: images.left }, tally, "left");
    countAgainstBlank({ disk: right, image: images.right }, tally, "right");
  }
  const divergence: Divergence = {
    knownBlocks: tally.known,
    silentBlocks: tally.silentCount,
    way: wayOf(tally),
  };
  const { compared, silent, bad, badBlocks } = tally;
  const check = summarize(divergence, tally, options);
  return { check, divergence, ...images, compared, silent, bad, badBlocks };
}

type Formatted = Extract<DiskImage, { kind: "formatted" }>;

function compareFormatted(
  left: { readonly disk: DiskBytes; readonly image: Formatted },
  right: { readonly disk: DiskBytes; readonly image: Formatted },
  tally: Tally,
): void {
  checkSameShape(left.image, right.image);
  for (const [index, leftVm] of left.image.vms.entries()) {
    const rightVm = right.image.vms[index];
    if (rightVm === undefined) continue;
    for (const [number, leftVolume] of leftVm.volumes.entries()) {
      const rightVolume = rightVm.volumes[number];
      if (rightVolume === undefined) continue;
      compareVolume(
        sideOf("left", left.disk, leftVm, leftVolume),
        sideOf("right", right.disk, rightVm, rightVolume),
        left.image.blocksPerExtent,
        tally,
      );
    }
  }
}

function checkSameShape(left: Formatted, right: Formatted): void {
  if (left.cluster !== right.cluster) {
    throw badDisk(
      `the disks belong to clusters ${left.cluster} and ${right.cluster}`,
      "Name the disks of two hosts of one cluster.",
    );
  }
  if (shapeOf(left) !== shapeOf(right)) {
    throw badDisk(
      "the disks hold different VMs or volumes",
      "Name the disks of two hosts that protect the same VMs.",
    );
  }
}

function shapeOf(image: Formatted): string {
  const vms = image.vms.map(({ vm, volumes }) => [
    vm,
    volumes.map(({ volume, blocks }) => [volume, blocks]),
  ]);
  return JSON.stringify([image.blocksPerExtent, vms]);
}

function sideOf(name: "left" | "right", disk: DiskBytes, vm: VmImage, volume: VolumeImage): Side {
  const isSole = vm.page?.right === "sole";
  const isVoid = vm.page === null || vm.page.right === "none" || vm.page.copy === "blank";
  return { name, disk, vm, volume, isSole, isVoid };
}

function compareVolume(left: Side, right: Side, perExtent: number, tally: Tally): void {
  for (let first = 0; first < left.volume.blocks; first += perExtent) {
    const count = Math.min(perExtent, left.volume.blocks - first);
    const leftExtent = readExtent(left, first, count);
    const rightExtent = readExtent(right, first, count);
    if (leftExtent.isUnwritten && rightExtent.isUnwritten) continue;
    leftExtent.data = readData(left, first, count);
    rightExtent.data = readData(right, first, count);
    const hasIntent = {
      left: left.volume.intentBits.has(first / perExtent),
      right: right.volume.intentBits.has(first / perExtent),
    };
    for (let index = 0; index < count; index += 1) {
      const lba = first + index;
      const mine = readBlock(left, leftExtent, index, lba);
      const theirs = readBlock(right, rightExtent, index, lba);
      if (!mine.isWritten && !theirs.isWritten) continue;
      tally.compared += 1;
      noteBad(left, lba, { why: mine.bad, isTorn: hasIntent.left }, tally);
      noteBad(right, lba, { why: theirs.bad, isTorn: hasIntent.right }, tally);
      if (mine.bytes.equals(theirs.bytes)) continue;
      noteDifference({ left, right, lba, hasIntent, mine, theirs }, tally);
    }
  }
}

interface Extent {
  readonly sums: Buffer;
  readonly isUnwritten: boolean;
  data: Buffer;
}

function readExtent(side: Side, first: number, count: number): Extent {
  const sums = readBytes(side.disk, side.volume.sums + SUM_BYTES * first, SUM_BYTES * count);
  return { sums, isUnwritten: sums.equals(Buffer.alloc(sums.length)), data: ZERO_BLOCK };
}

function readData(side: Side, first: number, count: number): Buffer {
  return readBytes(side.disk, side.volume.data + BLOCK_BYTES * first, BLOCK_BYTES * count);
}

interface Block {
  readonly isWritten: boolean;
  /** What a reader gets: zeros where nothing was ever written. */
  readonly bytes: Buffer;
  readonly bad: string | null;
}

function readBlock(side: Side, extent: Extent, index: number, lba: number): Block {
  const sum = extent.sums.subarray(SUM_BYTES * index, SUM_BYTES * (index + 1));
  const bytes = extent.data.subarray(BLOCK_BYTES * index, BLOCK_BYTES * (index + 1));
  if (sum.every((byte) => byte === 0)) {
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

function noteBad(
  side: Side,
  lba: number,
  found: { readonly why: string | null; readonly isTorn: boolean },
  tally: Tally,
): void {
  if (found.why === null) return;
  tally.badBlocks[found.isTorn ? "torn" : "other"] += 1;
  if (tally.bad.length === LISTED_MAX) return;
  const address = { vm: side.vm.vm, volume: side.volume.volume, lba };
  tally.bad.push({ ...address, side: side.name, why: found.why, isTorn: found.isTorn });
}

function noteDifference(
  found: {
    readonly left: Side;
    readonly right: Side;
    readonly lba: number;
    readonly hasIntent: { readonly left: boolean; readonly right: boolean };
    readonly mine: Block;
    readonly theirs: Block;
  },
  tally: Tally,
): void {
  const { left, right, lba, hasIntent } = found;
  const isMarked =
    (left.isSole && left.volume.dirtyBits.has(lba)) ||
    (right.isSole && right.volume.dirtyBits.has(lba)) ||
    hasIntent.left ||
    hasIntent.right ||
    left.isVoid ||
    right.isVoid;
  if (isMarked) {
    tally.known += 1;
  } else {
    tally.silentCount += 1;
    const address = { vm: left.vm.vm, volume: left.volume.volume, lba };
    if (tally.silent.length < LISTED_MAX) tally.silent.push(address);
  }
  noteDirection(found, isMarked, tally);
}

/**
 * Who is ahead at a block that differs: every side that is alone; else the side that is not void; else the one whose intent log alone
 * names it (when both do, it is a write under way, the same on both); else, at a silent one, whoever wrote it.
 */
function noteDirection(
  found: Parameters<typeof noteDifference>[0],
  isMarked: boolean,
  tally: Tally,
): void {
  const { left, right, hasIntent, mine, theirs } = found;
  if (left.isSole || right.isSole) {
    if (left.isSole) tally.isLeftAhead = true;
    if (right.isSole) tally.isRightAhead = true;
  } else if (left.isVoid !== right.isVoid) {
    if (right.isVoid) tally.isLeftAhead = true;
    else tally.isRightAhead = true;
  } else if (isMarked) {
    if (hasIntent.left && !hasIntent.right) tally.isLeftAhead = true;
    if (hasIntent.right && !hasIntent.left) tally.isRightAhead = true;
  } else {
    if (mine.isWritten) tally.isLeftAhead = true;
    if (theirs.isWritten) tally.isRightAhead = true;
  }
}

function wayOf(tally: Tally): Divergence["way"] {
  if (tally.known + tally.silentCount === 0) return "none";
  return tally.isLeftAhead && tally.isRightAhead ? "two" : "one";
}

/** Beside a blank disk every written block of the other one is a known difference, unless it holds zeros. */
function countAgainstBlank(
  side: { readonly disk: DiskBytes; readonly image: DiskImage },
  tally: Tally,
  name: "left" | "right",
): void {
  const { image, disk } = side;
  if (image.kind === "blank") return;
  for (const vm of image.vms) {
    for (const volume of vm.volumes) {
      const blank: DiskBytes = { size: 0, read: (_offset, length) => new Uint8Array(length) };
      const other = sideOf(
        name === "left" ? "right" : "left",
        blank,
        { ...vm, page: null },
        volume,
      );
      const own = sideOf(name, disk, vm, volume);
      const [left, right] = name === "left" ? [own, other] : [other, own];
      compareVolume(left, right, image.blocksPerExtent, tally);
    }
  }
}

function summarize(divergence: Divergence, tally: Tally, options: AuditOptions): CheckResult {
  const name = options.name ?? "divergence";
  const { knownBlocks, silentBlocks } = divergence;
  const looked = `${tally.compared} written blocks compared`;
  const [silent] = tally.silent;
  if (silent !== undefined) {
    const first = `${silent.vm} volume ${silent.volume} block ${silent.lba}`;
    const why = `${looked}: ${silentBlocks} differ although both sides claim agreement, the first is ${first}`;
    return { name, verdict: "fail", why };
  }
  const bad = tally.bad.find((block) => !block.isTorn);
  if (tally.badBlocks.other > 0) {
    const first = bad === undefined ? "" : `, e.g. block ${bad.lba} on the ${bad.side}: ${bad.why}`;
    const why = `${looked}: ${tally.badBlocks.other} bad blocks outside the intent logs${first}`;
    return { name, verdict: "fail", why };
  }
  if (knownBlocks > 0 && options.mustBeEqual === true) {
    const why = `${looked}: ${knownBlocks} differ although the pair should be equal`;
    return { name, verdict: "fail", why };
  }
  if (tally.compared === 0) {
    return { name, verdict: "unknown", why: "neither disk holds a written block" };
  }
  const torn = tally.badBlocks.torn > 0 ? `, ${tally.badBlocks.torn} torn` : "";
  const why = `${looked}: ${knownBlocks} known to differ, 0 silent${torn}`;
  return { name, verdict: "pass", why };
}
