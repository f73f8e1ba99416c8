/** A block, or an extent, of any volume as one number. */
import type { BlockKey } from "../host/state.ts";
import type { VolumeId } from "../identity.ts";
import type { BlockRuns } from "../pair/frames.ts";
import { BLOCKS_PER_EXTENT, extentOf, type Lba } from "../units.ts";

const VOLUME_FACTOR = 2 ** 32;

export const blockKey = (volume: VolumeId, lba: Lba): BlockKey => volume * VOLUME_FACTOR + lba;
export const volumeOfKey = (key: BlockKey): VolumeId => Math.floor(key / VOLUME_FACTOR);
export const lbaOfKey = (key: BlockKey): Lba => key % VOLUME_FACTOR;

/** Numbers in a list of runs, at most: a map in finer pieces is told in whole extents, so that it fits into a frame. */
const RUNS_MAX = 4_000;

/**
 * At least these blocks.
 *
 * @param blocks in any order, each once
 */
export function runsOf(volume: VolumeId, blocks: ReadonlySet<Lba>): BlockRuns {
  const exact = exactRuns(volume, blocks);
  if (exact.runs.length <= RUNS_MAX) return exact;
  const extents = exactRuns(volume, new Set([...blocks].map(extentOf)));
  return { volume, runs: extents.runs.map((number) => number * BLOCKS_PER_EXTENT) };
}

function exactRuns(volume: VolumeId, blocks: Iterable<Lba>): BlockRuns {
  const runs: number[] = [];
  let end = -1;
  for (const lba of [...blocks].sort((left, right) => left - right)) {
    if (lba === end) runs[runs.length - 1] = (runs.at(-1) ?? 0) + 1;
    else runs.push(lba, 1);
    end = lba + 1;
  }
  return { volume, runs };
}

/** Blocks of runs, ascending; those at or beyond `blocks` are left out. */
export function blocksOfRuns({ runs }: BlockRuns, blocks: number): readonly Lba[] {
  const all: Lba[] = [];
  for (let at = 0; at + 1 < runs.length; at += 2) {
    const first = runs[at] ?? 0;
    const end = Math.min(first + (runs[at + 1] ?? 0), blocks);
    for (let lba = first; lba < end; lba += 1) all.push(lba);
  }
  return all;
}
