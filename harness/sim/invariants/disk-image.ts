/**
 * What a host's disk holds for good, kept up with every range that becomes durable: its page, its bitmaps, and the sum of each block's
 * content. The rules are judged by this and not by what the host believes.
 */
import { crc32 } from "node:zlib";
import {
  parseSuperblock,
  type VmLayout,
  type VolumeLayout,
} from "../../../node/core/disk/layout.ts";
import { parsePage } from "../../../node/core/disk/parse-page.ts";
import {
  decodeSlot,
  isBlank,
  newest,
  PAGE_MAGIC,
  SUPER_MAGIC,
} from "../../../node/core/disk/slots.ts";
import type { Page } from "../../../node/core/pair/page.ts";
import { BLOCK_SIZE, extentOf, SECTOR_SIZE } from "../../../node/core/units.ts";
import type { DiskSource } from "../../rig/rig.ts";
import type { LandedRange } from "../watch.ts";

/** A block of any volume as one number. */
export type BlockKey = number;

const VOLUME_FACTOR = 2 ** 32;
export const keyOf = (volume: number, lba: number): BlockKey => volume * VOLUME_FACTOR + lba;
export const nameOfKey = (key: BlockKey): string =>
  `block ${Math.floor(key / VOLUME_FACTOR)}/${key % VOLUME_FACTOR}`;

/** What of a disk changed at one instant. */
export interface Landing {
  readonly isPage: boolean;
  /** A bit of a bitmap that was set is not any more. */
  readonly isCleared: boolean;
  readonly blocks: readonly BlockKey[];
}

export interface DiskImage {
  /** Page in force; null before there is one, and when no slot can be read. */
  page(): Page | null;
  hasIntent(key: BlockKey): boolean;
  hasDirty(key: BlockKey): boolean;
  /** CRC-32 of the block's bytes; null: nothing was ever written there. */
  sum(key: BlockKey): number | null;
  /** Blocks of the data area that these bytes touch. */
  blocksIn(offset: number, length: number): readonly BlockKey[];
  land(ranges: readonly LandedRange[]): Landing;
}

const SECTOR_BITS = 4_032;
const BITS_SIZE = SECTOR_BITS / 8;
const NOTHING: readonly BlockKey[] = [];

interface Volume {
  readonly layout: VolumeLayout;
  readonly intents: Uint8Array;
  readonly dirty: Uint8Array;
}

export function createDiskImage(disk: DiskSource): DiskImage {
  return new Image(disk);
}

class Image implements DiskImage {
  readonly #disk: DiskSource;
  readonly #sums = new Map<BlockKey, number>();
  #layout: VmLayout | null = null;
  #volumes: readonly Volume[] = [];
  #page: Page | null = null;

  constructor(disk: DiskSource) {
    this.#disk = disk;
  }

  page(): Page | null {
    return this.#page;
  }

  hasIntent(key: BlockKey): boolean {
    return hasBit(this.#volumes, key, "intents");
  }

  hasDirty(key: BlockKey): boolean {
    return hasBit(this.#volumes, key, "dirty");
  }

  sum(key: BlockKey): number | null {
    return this.#sums.get(key) ?? null;
  }

  /** No write reaches over the border of two areas. */
  blocksIn(offset: number, length: number): readonly BlockKey[] {
    const volume = this.#volumeAt(offset);
    if (volume === null) return NOTHING;
    const { data, volume: id } = volume.layout;
    const first = keyOf(id, Math.floor((offset - data) / BLOCK_SIZE));
    const last = keyOf(id, Math.floor((offset + length - 1 - data) / BLOCK_SIZE));
    if (first === last) return [first];
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  }

  land(ranges: readonly LandedRange[]): Landing {
    if (this.#layout === null || ranges.some(({ offset }) => offset === 0)) this.#readLayout();
    const layout = this.#layout;
    if (layout === null) return { isPage: false, isCleared: false, blocks: NOTHING };
    const pageEnd = layout.page[0] + 2 * layout.pageSize;
    const blocks: BlockKey[] = [];
    let isPage = false;
    let isCleared = false;
    for (const range of ranges) {
      if (range.offset < pageEnd) isPage = true;
      if (this.#landBits(range)) isCleared = true;
      this.#landBlocks(range, blocks);
    }
    if (isPage) this.#readPage(layout);
    return { isPage, isCleared, blocks };
  }

  #readLayout(): void {
    const slot = decodeSlot(crc32, SUPER_MAGIC, this.#disk.read(0, BLOCK_SIZE));
    const parsed = slot === null ? null : parseSuperblock(slot.json);
    this.#layout = parsed?.ok === true ? (parsed.value.vms[0] ?? null) : null;
    this.#volumes = (this.#layout?.volumes ?? []).map((volume) => ({
      layout: volume,
      intents: new Uint8Array(bitmapBytes(extentOf(volume.blocks) + 1)),
      dirty: new Uint8Array(bitmapBytes(volume.blocks)),
    }));
  }

  #readPage({ page: slots, pageSize }: VmLayout): void {
    const read = (at: number): Uint8Array => this.#disk.read(at, pageSize);
    const slot = newest(slots.map((at) => decodeSlot(crc32, PAGE_MAGIC, read(at))));
    const parsed = slot === null ? null : parsePage(slot.json);
    this.#page = parsed?.ok === true ? parsed.value : null;
  }

  #volumeAt(offset: number): Volume | null {
    for (const volume of this.#volumes) {
      const { data, blocks } = volume.layout;
      if (offset >= data && offset < data + BLOCK_SIZE * blocks) return volume;
    }
    return null;
  }

  /** @returns whether a bit was cleared */
  #landBits(range: LandedRange): boolean {
    let isCleared = false;
    for (const { layout, intents, dirty } of this.#volumes) {
      if (range.offset >= layout.sums) continue;
      if (readBits(this.#disk, intents, layout.intents, range)) isCleared = true;
      if (readBits(this.#disk, dirty, layout.dirty, range)) isCleared = true;
    }
    return isCleared;
  }

  /** Of several ranges of one block the last one says what it is: it covers the block whole, or the disk is asked. */
  #landBlocks(range: LandedRange, blocks: BlockKey[]): void {
    const volume = this.#volumeAt(range.offset);
    if (volume === null) return;
    for (const key of this.blocksIn(range.offset, range.bytes.length)) {
      const start = volume.layout.data + BLOCK_SIZE * (key % VOLUME_FACTOR);
      const from = start - range.offset;
      const isWhole = from >= 0 && from + BLOCK_SIZE <= range.bytes.length;
      const bytes = isWhole
        ? range.bytes.subarray(from, from + BLOCK_SIZE)
        : this.#disk.read(start, BLOCK_SIZE);
      this.#sums.set(key, crc32(bytes));
      if (blocks.at(-1) !== key) blocks.push(key);
    }
  }
}

function bitmapBytes(count: number): number {
  return Math.ceil(count / SECTOR_BITS) * BITS_SIZE;
}

function hasBit(volumes: readonly Volume[], key: BlockKey, map: "intents" | "dirty"): boolean {
  const id = Math.floor(key / VOLUME_FACTOR);
  const lba = key - id * VOLUME_FACTOR;
  const bit = map === "intents" ? extentOf(lba) : lba;
  for (const volume of volumes) {
    if (volume.layout.volume === id) return (((volume[map][bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1;
  }
  return false;
}

/** Reads again the sectors of a bitmap that lie in the range. @returns whether that cleared a bit */
function readBits(disk: DiskSource, bits: Uint8Array, start: number, range: LandedRange): boolean {
  const sectors = bits.length / BITS_SIZE;
  const from = Math.max(0, Math.floor((range.offset - start) / SECTOR_SIZE));
  const end = Math.min(
    sectors,
    Math.ceil((range.offset + range.bytes.length - start) / SECTOR_SIZE),
  );
  let isCleared = false;
  for (let index = from; index < end; index += 1) {
    const sector = Buffer.from(disk.read(start + index * SECTOR_SIZE, SECTOR_SIZE));
    const isValid =
      sector.readUInt32LE(BITS_SIZE) === index &&
      sector.readUInt32LE(BITS_SIZE + 4) === crc32(sector.subarray(0, BITS_SIZE + 4));
    const fresh = sector.subarray(0, BITS_SIZE);
    if (!isValid && !isBlank(sector)) fresh.fill(0xff);
    const known = bits.subarray(index * BITS_SIZE, (index + 1) * BITS_SIZE);
    isCleared ||= hasCleared(known, fresh);
    known.set(fresh);
  }
  return isCleared;
}

/** A bit that was set before is not any more. */
function hasCleared(before: Uint8Array, after: Uint8Array): boolean {
  for (let at = 0; at < before.length; at += 1) {
    if (((before[at] ?? 0) & ~(after[at] ?? 0)) !== 0) return true;
  }
  return false;
}
