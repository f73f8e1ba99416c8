/**
 * Changes of lists as a command makes them and as a replay repeats them. A long list is saved in parts, from left to right, while it goes
 * on changing: `partial` names it, and `gap` counts the elements at its right that are not saved yet. A replay that begins with the
 * checkpoint knows of such a list only what is left of the gap, and counts the gap alike. So what is pushed on the right joins the gap,
 * and is saved with it.
 */
import { entryOf } from "./heap";
import { argumentAt, argumentBytes, header } from "./layout";
import { dropLeft, dropRight, elementSize, listAt, pushLeft, pushRight } from "./lists";

/** What arguments `first` to `end` - 1 take as elements. */
export function contentOf(first: u32, end: u32): u32 {
  let bytes: u32 = 0;
  for (let i = first; i < end; i++) bytes += elementSize(argumentBytes(i));
  return bytes;
}

/** Pushes arguments `first` to `end` - 1, one after the other; the caller has seen that they fit. */
export function pushAll(slot: usize, first: u32, end: u32, isRight: bool): void {
  if (isRight && isPartial(slot)) {
    header().gap += end - first;
    if (header().isGapMissing) return;
  }
  for (let i = first; i < end; i++) {
    if (isRight) pushRight(slot, argumentAt(i), argumentBytes(i));
    else pushLeft(slot, argumentAt(i), argumentBytes(i));
  }
}

/** Removes elements; not more than there are, those in the gap included. */
export function dropAll(slot: usize, elements: u32, isRight: bool): void {
  if (isPartial(slot)) {
    const isMissing = header().isGapMissing != 0;
    const known = listAt(slot).count;
    const saved = isMissing ? known : known - header().gap;
    const ofGap = isRight ? min(elements, header().gap) : elements - min(elements, saved);
    if (isMissing) elements -= ofGap;
    shrinkGap(ofGap);
  }
  if (isRight) dropRight(slot, elements);
  else dropLeft(slot, elements);
}

export function beginPartial(slot: usize, gap: u32, isMissing: bool): void {
  header().partial = <u32>entryOf(slot);
  header().gap = gap;
  header().isGapMissing = isMissing ? 1 : 0;
}

export function shrinkGap(elements: u32): void {
  header().gap -= elements;
  if (header().gap > 0) return;
  header().partial = 0;
  header().isGapMissing = 0;
}

@inline
export function isPartial(slot: usize): bool {
  return header().partial != 0 && header().partial == <u32>entryOf(slot);
}
