/** The checksum table (docs/disk-format.md, "Checksum table"): apart from the blocks, so that a lost or misdirected write is seen. */
import type { VolumeId } from "../identity.ts";
import { invariant } from "../invariant.ts";
import { type Lba, SECTOR_SIZE } from "../units.ts";
import { type TouchedSector, takeAscending } from "./bitmap.ts";
import { type Crc32, isBlank, viewOf } from "./slots.ts";

/** Size of one entry. Unit: bytes. */
export const SUM_SIZE = 16;
const SUMMED_SIZE = 12;
const WRITTEN = 1;

/** The table of one volume, held in memory whole: 4 KiB for a mebibyte of volume. */
export interface SumTable {
  set(lba: Lba, sum: number): void;
  /** Sectors changed since the last call, ascending. */
  takeTouched(): readonly TouchedSector[];
}

/** What the table on the disk says of a block that was written. */
export type WrittenEntry =
  /** Does not match itself or its address. */
  { readonly kind: "bad" } | { readonly kind: "written"; readonly sum: number };

/** Bytes of a table, up to the end of its last sector. */
export function sumTableSize(blocks: number): number {
  return Math.ceil((blocks * SUM_SIZE) / SECTOR_SIZE) * SECTOR_SIZE;
}

/** @param stored the table as it is on the disk, whole sectors; ownership passes */
export function openSums(
  crc32: Crc32,
  stored: Uint8Array,
  of: { readonly volume: VolumeId; readonly blocks: number },
): SumTable {
  const touched = new Set<number>();
  const view = viewOf(stored);
  return {
    set: (lba, sum) => {
      invariant(Number.isInteger(lba) && lba >= 0 && lba < of.blocks, "a block lies in its volume");
      const at = lba * SUM_SIZE;
      view.setUint32(at, sum, true);
      view.setUint32(at + 4, lba, true);
      view.setUint16(at + 8, of.volume, true);
      view.setUint16(at + 10, WRITTEN, true);
      view.setUint32(at + SUMMED_SIZE, crc32(stored.subarray(at, at + SUMMED_SIZE)), true);
      touched.add(Math.floor(at / SECTOR_SIZE));
    },
    takeTouched: () =>
      takeAscending(touched).map((sector) => {
        const offset = sector * SECTOR_SIZE;
        return { offset, bytes: stored.subarray(offset, offset + SECTOR_SIZE) };
      }),
  };
}

/**
 * Visits the blocks that were ever written, ascending. Most of a young volume was not, which is told apart by whole sectors.
 *
 * @param table as it is on the disk
 */
export function eachWritten(
  crc32: Crc32,
  table: Uint8Array,
  of: { readonly volume: VolumeId; readonly blocks: number },
  visit: (lba: Lba, entry: WrittenEntry) => void,
): void {
  const perSector = SECTOR_SIZE / SUM_SIZE;
  for (let first = 0; first < of.blocks; first += perSector) {
    const sector = table.subarray(first * SUM_SIZE, (first + perSector) * SUM_SIZE);
    if (isBlank(sector)) continue;
    const end = Math.min(of.blocks, first + perSector);
    for (let lba = first; lba < end; lba += 1) {
      const at = (lba - first) * SUM_SIZE;
      const entry = readEntry(crc32, sector.subarray(at, at + SUM_SIZE), of.volume, lba);
      if (entry !== null) visit(lba, entry);
    }
  }
}

/** @returns what the 16 bytes on the disk say of their block; null: it was never written */
export function readEntry(
  crc32: Crc32,
  bytes: Uint8Array,
  volume: VolumeId,
  lba: Lba,
): WrittenEntry | null {
  if (isBlank(bytes)) return null;
  const view = viewOf(bytes);
  const isWhole = view.getUint32(SUMMED_SIZE, true) === crc32(bytes.subarray(0, SUMMED_SIZE));
  const isOwn =
    view.getUint32(4, true) === lba &&
    view.getUint16(8, true) === volume &&
    view.getUint16(10, true) === WRITTEN;
  return isWhole && isOwn ? { kind: "written", sum: view.getUint32(0, true) } : { kind: "bad" };
}
