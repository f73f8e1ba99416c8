/** Where two copies differ, by what two hellos say. */
import { BLOCKS_PER_EXTENT } from "../units.ts";
import type { ExtentList, HelloView } from "./frames.ts";

export interface Difference {
  /** Extents that differ and that an intent log names. */
  readonly inside: number;
  /** Extents that differ although neither log says that they may. */
  readonly outside: readonly ExtentList[];
}

/** Hosts with the same volumes. */
export function differencesOf(one: HelloView, two: HelloView): Difference {
  let inside = 0;
  let at = 0;
  const outside: ExtentList[] = [];
  for (const { id, blocks } of one.page.volumes) {
    const named = new Set([...extentsIn(one.intents, id), ...extentsIn(two.intents, id)]);
    const found: number[] = [];
    const count = Math.ceil(blocks / BLOCKS_PER_EXTENT);
    for (let extent = 0; extent < count; extent += 1, at += 1) {
      if (one.digests[at] === two.digests[at]) continue;
      if (named.has(extent)) inside += 1;
      else found.push(extent);
    }
    if (found.length > 0) outside.push({ volume: id, extents: found });
  }
  return { inside, outside };
}

export function extentsIn(lists: readonly ExtentList[], volume: number): readonly number[] {
  return lists.find((list) => list.volume === volume)?.extents ?? [];
}

export function countExtents(lists: readonly ExtentList[]): number {
  return lists.reduce((sum, { extents }) => sum + extents.length, 0);
}
