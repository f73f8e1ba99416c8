/** What two pages tell of a disk that was put back: an image of some time ago, or a clone. */
import { type Generation, sameGeneration } from "../identity.ts";
import { HISTORY_MAX, type Page } from "./page.ts";

/**
 * D4: the disk `seen` has started less often than `watcher` remembers, or other times. An image is older than what is remembered of it, so it cannot have left
 * the generation in which it was last heard: where it has, it is the watcher that remembers times long past. A peer that was blank then had none: there the
 * watcher's own counts.
 */
export function isOldImage(watcher: Page, seen: Page): boolean {
  const memory = watcher.peer;
  if (memory === null || seen.right === "none") return false;
  const isPast =
    memory.gen === null ? hasLeft(seen, watcher) : placeInPast(seen, memory.gen) !== null;
  if (isPast) return false;
  const { starts, startId, lastStartId } = seen;
  const isOlder = starts <= memory.starts && startId !== memory.startId;
  const isClone = starts === memory.starts + 1 && lastStartId !== memory.startId;
  return isOlder || isClone;
}

/** The other copy has been through a later generation that both hosts made durable, and `past` knows nothing of it: an old image. */
export function hasLeft(other: Page, past: Page): boolean {
  const at = placeInPast(other, past.gen);
  return at !== null && other.history.slice(0, at).some(({ kind }) => kind === "joint");
}

/**
 * How many generations the copy has left since it left this one: 0 for the last one. What is older than a full history counts as just behind its end, for
 * numbers only grow. Null: it was never there, as far as is known.
 */
export function placeInPast({ history }: Page, gen: Generation | null): number | null {
  const at = history.findIndex((left) => sameGeneration(left, gen));
  if (at !== -1) return at;
  const oldest = history[HISTORY_MAX - 1];
  return oldest !== undefined && gen !== null && gen.n < oldest.n ? HISTORY_MAX : null;
}
