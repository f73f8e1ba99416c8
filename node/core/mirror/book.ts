/**
 * What each block of this copy holds, as CRC-32: the ground on which two copies are compared. Kept beside the disk's own table, so that a hello
 * and a resync ask no disk.
 */
import type { VolumeId } from "../identity.ts";
import { invariant } from "../invariant.ts";
import type { VolumeShape } from "../machine/entry.ts";
import { BLOCKS_PER_EXTENT, extentOf, type Lba, ZERO_BLOCK_SUM } from "../units.ts";

export interface VolumeSums {
  readonly sums: Uint32Array;
  /** Of each extent; stale where `stale` says so. */
  readonly digests: Uint32Array;
  readonly stale: Set<number>;
}

export type SumBook = ReadonlyMap<VolumeId, VolumeSums>;

/** @param known what the disk holds; a volume that is not named holds zeros */
export function openBook(
  shapes: readonly VolumeShape[],
  known: ReadonlyMap<VolumeId, Uint32Array>,
): SumBook {
  return new Map(
    shapes.map(({ id, blocks }) => {
      const sums = known.get(id) ?? new Uint32Array(blocks).fill(ZERO_BLOCK_SUM);
      invariant(sums.length === blocks, "a volume has one sum for each block");
      const digests = new Uint32Array(Math.ceil(blocks / BLOCKS_PER_EXTENT));
      return [id, { sums, digests, stale: new Set(digests.keys()) }] as const;
    }),
  );
}

export function noteSum(book: SumBook, volume: VolumeId, lba: Lba, sum: number): void {
  const own = book.get(volume);
  invariant(own !== undefined && lba < own.sums.length, "a block lies in its volume");
  if (own.sums[lba] === sum) return;
  own.sums[lba] = sum;
  own.stale.add(extentOf(lba));
}

export function sumOf(book: SumBook, volume: VolumeId, lba: Lba): number {
  return book.get(volume)?.sums[lba] ?? ZERO_BLOCK_SUM;
}

/** Sums of an extent's blocks, in their order. */
export function sumsOf(book: SumBook, volume: VolumeId, extent: number): readonly number[] {
  const first = extent * BLOCKS_PER_EXTENT;
  return [...(book.get(volume)?.sums.subarray(first, first + BLOCKS_PER_EXTENT) ?? [])];
}

/** One number per extent, volumes and extents in their order. Equal sums give equal digests; different ones differ but for 1 in 2^32. */
export function digestsOf(book: SumBook): readonly number[] {
  const all: number[] = [];
  for (const own of book.values()) {
    for (const extent of own.stale) own.digests[extent] = digest(own.sums, extent);
    own.stale.clear();
    for (const one of own.digests) all.push(one);
  }
  return all;
}

/** The mixing of MurmurHash3 (x86, 32 bits) over the sums as words, seed 0. */
function digest(sums: Uint32Array, extent: number): number {
  const first = extent * BLOCKS_PER_EXTENT;
  const end = Math.min(first + BLOCKS_PER_EXTENT, sums.length);
  let hash = 0;
  for (let at = first; at < end; at += 1) {
    let word = Math.imul(sums[at] ?? 0, 0xcc9e2d51);
    word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    hash ^= word;
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  hash ^= (end - first) * 4;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
