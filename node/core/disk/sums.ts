/** The checksum table (docs/disk-format.md, "Checksum table"): apart from the blocks, so that a lost or misdirected write is seen. */
import type { VolumeId } from "../identity.ts";
import { invariant } from "../invariant.ts";
import { type Lba, SECTOR_SIZE } from "../units.ts";
import { type TouchedSector, takeAscending } from "./bitmap.ts";
import { type Crc32, viewOf } from "./slots.ts";

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

/** What the table on the disk says of a block. */
export type SumEntry =
  | { readonly kind: "never-written" }
  /** Does not match itself or its address. */
  | { readonly kind: "bad" }
  | { readonly kind: "written"; readonly sum: number };

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

/** Reads entries of a table as it is on the disk. Most of a young volume was never written, so that is told apart first and cheaply. */
export function readSums(
  crc32: Crc32,
  table: Uint8Array,
  volume: VolumeId,
): (lba: Lba) => SumEntry {
  const view = viewOf(table);
  return (lba) => {
    const at = lba * SUM_SIZE;
    const sum = view.getUint32(at, true);
    const address = view.getUint32(at + 4, true);
    const state = view.getUint32(at + 8, true);
    const check = view.getUint32(at + SUMMED_SIZE, true);
    if ((sum | address | state | check) === 0) return NEVER_WRITTEN;
    const isWhole = check === crc32(table.subarray(at, at + SUMMED_SIZE));
    const isOwn =
      address === lba &&
      view.getUint16(at + 8, true) === volume &&
      view.getUint16(at + 10, true) === WRITTEN;
    return isWhole && isOwn ? { kind: "written", sum } : { kind: "bad" };
  };
}

const NEVER_WRITTEN: SumEntry = { kind: "never-written" };
