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
import { decodeSlot, newest, PAGE_MAGIC, SUPER_MAGIC } from "../../../node/core/disk/slots.ts";
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
  readonly isIntents: boolean;
  readonly isDirty: boolean;
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

interface Volume {
  readonly layout: VolumeLayout;
  readonly intents: Uint8Array;
  readonly dirty: Uint8Array;
}

export function createDiskImage(disk: DiskSource): DiskImage {
  const sums = new Map<BlockKey, number>();
  let layout: VmLayout | null = null;
  let volumes: readonly Volume[] = [];
  let page: Page | null = null;

  function readLayout(): void {
    const slot = decodeSlot(crc32, SUPER_MAGIC, disk.read(0, BLOCK_SIZE));
    const parsed = slot === null ? null : parseSuperblock(slot.json);
    layout = parsed?.ok === true ? (parsed.value.vms[0] ?? null) : null;
    volumes = (layout?.volumes ?? []).map((volume) => ({
      layout: volume,
      intents: new Uint8Array(bitmapBytes(extentOf(volume.blocks) + 1)),
      dirty: new Uint8Array(bitmapBytes(volume.blocks)),
    }));
  }

  function readPage({ page: slots, pageSize }: VmLayout): void {
    const slot = newest(slots.map((at) => decodeSlot(crc32, PAGE_MAGIC, disk.read(at, pageSize))));
    const parsed = slot === null ? null : parsePage(slot.json);
    page = parsed?.ok === true ? parsed.value : null;
  }

  function blocksIn(offset: number, length: number): readonly BlockKey[] {
    const keys: BlockKey[] = [];
    for (const { layout: volume } of volumes) {
      const from = Math.max(offset, volume.data);
      const end = Math.min(offset + length, volume.data + BLOCK_SIZE * volume.blocks);
      for (let at = from; at < end; at += BLOCK_SIZE) {
        keys.push(keyOf(volume.volume, Math.floor((at - volume.data) / BLOCK_SIZE)));
      }
    }
    return keys;
  }

  function sumBlock(key: BlockKey): void {
    const { volume, lba } = partsOf(key);
    const found = volumes.find((candidate) => candidate.layout.volume === volume);
    if (found === undefined) return;
    sums.set(key, crc32(disk.read(found.layout.data + BLOCK_SIZE * lba, BLOCK_SIZE)));
  }

  return {
    page: () => page,
    hasIntent: (key) => hasBit(volumes, key, "intents"),
    hasDirty: (key) => hasBit(volumes, key, "dirty"),
    sum: (key) => sums.get(key) ?? null,
    blocksIn,
    land(ranges) {
      if (layout === null || ranges.some(({ offset }) => offset === 0)) readLayout();
      const touched = { isPage: false, isIntents: false, isDirty: false };
      if (layout === null) return { ...touched, blocks: [] };
      const blocks = new Set<BlockKey>();
      const [pageStart] = layout.page;
      for (const range of ranges) {
        const { offset, bytes } = range;
        if (offset < pageStart + 2 * layout.pageSize) touched.isPage = true;
        for (const volume of volumes) {
          if (readBits(disk, volume.intents, volume.layout.intents, range))
            touched.isIntents = true;
          if (readBits(disk, volume.dirty, volume.layout.dirty, range)) touched.isDirty = true;
        }
        for (const key of blocksIn(offset, bytes.length)) blocks.add(key);
      }
      if (touched.isPage) readPage(layout);
      for (const key of blocks) sumBlock(key);
      return { ...touched, blocks: [...blocks] };
    },
  };
}

function partsOf(key: BlockKey): { readonly volume: number; readonly lba: number } {
  const volume = Math.floor(key / VOLUME_FACTOR);
  return { volume, lba: key - volume * VOLUME_FACTOR };
}

function bitmapBytes(count: number): number {
  return Math.ceil(count / SECTOR_BITS) * (SECTOR_BITS / 8);
}

function hasBit(volumes: readonly Volume[], key: BlockKey, map: "intents" | "dirty"): boolean {
  const { volume, lba } = partsOf(key);
  const found = volumes.find((candidate) => candidate.layout.volume === volume);
  const bit = map === "intents" ? extentOf(lba) : lba;
  return (((found?.[map][bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1;
}

/** Reads again the sectors of a bitmap that lie in the range. @returns whether there are any */
function readBits(disk: DiskSource, bits: Uint8Array, start: number, range: LandedRange): boolean {
  const sectors = bits.length / (SECTOR_BITS / 8);
  const from = Math.max(0, Math.floor((range.offset - start) / SECTOR_SIZE));
  const end = Math.min(
    sectors,
    Math.ceil((range.offset + range.bytes.length - start) / SECTOR_SIZE),
  );
  for (let index = from; index < end; index += 1) {
    const sector = Buffer.from(disk.read(start + index * SECTOR_SIZE, SECTOR_SIZE));
    const isBlank = sector.every((byte) => byte === 0);
    const isValid =
      sector.readUInt32LE(504) === index &&
      sector.readUInt32LE(508) === crc32(sector.subarray(0, 508));
    const target = bits.subarray((index * SECTOR_BITS) / 8, ((index + 1) * SECTOR_BITS) / 8);
    if (isBlank || isValid) target.set(sector.subarray(0, SECTOR_BITS / 8));
    else target.fill(0xff);
  }
  return end > from;
}
