/** A bitmap on the disk (docs/disk-format.md, "Bitmaps"): held in memory whole, written by touched sector. */
import { invariant } from "../invariant.ts";
import { SECTOR_SIZE } from "../units.ts";
import { type Crc32, isBlank, viewOf } from "./slots.ts";

export interface Bitmap {
  set(index: number): void;
  clear(index: number): void;
  /** Set bits, ascending. */
  indices(): ReadonlySet<number>;
  /** Sectors changed since the last call, ascending. */
  takeTouched(): readonly TouchedSector[];
}

export interface TouchedSector {
  /** In the bitmap or table. Unit: bytes. */
  readonly offset: number;
  /** A view: it is written before the next change. */
  readonly bytes: Uint8Array;
}

const BITS_SIZE = 504;
const BITS_PER_SECTOR = 8 * BITS_SIZE;
const INDEX_OFFSET = 504;
const SUM_OFFSET = 508;

export function bitmapSectors(count: number): number {
  return Math.ceil(count / BITS_PER_SECTOR);
}

/**
 * @param stored the bitmap's sectors as they are on the disk; not kept
 * @param count number of bits; stored bits beyond it are ignored
 */
export function openBitmap(crc32: Crc32, stored: Uint8Array, count: number): Bitmap {
  const bytes = stored.slice();
  const touched = new Set<number>();
  for (let sector = 0; sector < bitmapSectors(count); sector += 1) {
    const own = sectorOf(bytes, sector);
    // What an unreadable sector said is unknown: "may differ" and "is lacking" are the answers that lose nothing.
    if (!isBlank(own) && !isValid(crc32, own, sector)) own.fill(0xff, 0, BITS_SIZE);
  }
  const change = (index: number, isSet: boolean): void => {
    invariant(Number.isInteger(index) && index >= 0 && index < count, "a bit lies in its bitmap");
    const { at, mask, sector } = placeOf(index);
    const old = bytes[at] ?? 0;
    const changed = isSet ? old | mask : old & ~mask;
    if (changed === old) return;
    bytes[at] = changed;
    touched.add(sector);
  };
  return {
    set: (index) => change(index, true),
    clear: (index) => change(index, false),
    indices: () => setBits(bytes, count),
    takeTouched: () =>
      takeAscending(touched).map((sector) => {
        const own = sectorOf(bytes, sector);
        seal(crc32, own, sector);
        return { offset: sector * SECTOR_SIZE, bytes: own };
      }),
  };
}

/** Empties the set. */
export function takeAscending(touched: Set<number>): readonly number[] {
  if (touched.size === 0) return NOTHING;
  const sectors = [...touched].sort((left, right) => left - right);
  touched.clear();
  return sectors;
}

const NOTHING: readonly number[] = [];

function placeOf(index: number): { at: number; mask: number; sector: number } {
  const sector = Math.floor(index / BITS_PER_SECTOR);
  const at = sector * SECTOR_SIZE + ((index % BITS_PER_SECTOR) >> 3);
  return { at, mask: 1 << (index & 7), sector };
}

function setBits(bytes: Uint8Array, count: number): ReadonlySet<number> {
  const found = new Set<number>();
  for (let sector = 0; sector < bitmapSectors(count); sector += 1) {
    if (isBlank(sectorOf(bytes, sector))) continue;
    const end = Math.min(count, (sector + 1) * BITS_PER_SECTOR);
    for (let index = sector * BITS_PER_SECTOR; index < end; index += 1) {
      const { at, mask } = placeOf(index);
      if (((bytes[at] ?? 0) & mask) !== 0) found.add(index);
    }
  }
  return found;
}

/** Puts index and checksum into the sector. */
function seal(crc32: Crc32, sector: Uint8Array, index: number): void {
  const view = viewOf(sector);
  view.setUint32(INDEX_OFFSET, index, true);
  view.setUint32(SUM_OFFSET, crc32(sector.subarray(0, SUM_OFFSET)), true);
}

function isValid(crc32: Crc32, sector: Uint8Array, index: number): boolean {
  const view = viewOf(sector);
  const sum = crc32(sector.subarray(0, SUM_OFFSET));
  return view.getUint32(INDEX_OFFSET, true) === index && view.getUint32(SUM_OFFSET, true) === sum;
}

function sectorOf(bytes: Uint8Array, index: number): Uint8Array {
  return bytes.subarray(index * SECTOR_SIZE, (index + 1) * SECTOR_SIZE);
}
