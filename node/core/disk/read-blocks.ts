/** Reads single blocks with their checksums. */
import { BLOCK_SIZE, type Lba, ZERO_BLOCK_SUM } from "../units.ts";
import type { VolumeLayout } from "./layout.ts";
import type { ReadBlock } from "./ops.ts";
import type { Crc32 } from "./slots.ts";
import { readEntry, SUM_SIZE } from "./sums.ts";

export interface VerifiedBlock extends ReadBlock {
  /** Its checksum, address or entry is wrong. */
  readonly isBad: boolean;
}

/** These blocks, in the order asked for. One that was never written is whole and all zero. */
export function readBlocks(
  disk: { readonly read: (offset: number, length: number) => Uint8Array; readonly crc32: Crc32 },
  { volume, sums, data: start }: VolumeLayout,
  lbas: readonly Lba[],
): readonly VerifiedBlock[] {
  const { read, crc32 } = disk;
  return runsOf(lbas).flatMap(({ first, count }) => {
    // A run is two reads, however long it is: in a resync reads are most of what a source does.
    const entries = read(sums + SUM_SIZE * first, SUM_SIZE * count);
    const run = read(start + BLOCK_SIZE * first, BLOCK_SIZE * count);
    return Array.from({ length: count }, (_, at): VerifiedBlock => {
      const lba = first + at;
      const entry = readEntry(
        crc32,
        entries.subarray(SUM_SIZE * at, SUM_SIZE * (at + 1)),
        volume,
        lba,
      );
      if (entry === null) {
        const data = new Uint8Array(BLOCK_SIZE);
        return { volume, lba, data, sum: ZERO_BLOCK_SUM, isBad: false };
      }
      const data = run.subarray(BLOCK_SIZE * at, BLOCK_SIZE * (at + 1));
      const sum = crc32(data);
      return { volume, lba, data, sum, isBad: entry.kind === "bad" || entry.sum !== sum };
    });
  });
}

/** Neighbours that stand one after the other. */
function runsOf(lbas: readonly Lba[]): readonly { readonly first: Lba; readonly count: number }[] {
  const runs: { first: Lba; count: number }[] = [];
  for (const lba of lbas) {
    const last = runs.at(-1);
    if (last !== undefined && lba === last.first + last.count) last.count += 1;
    else runs.push({ first: lba, count: 1 });
  }
  return runs;
}
