/** Virtual time: a heap of what happens when. Nothing else moves it, so a run depends on its seed alone. */
import { invariant } from "../../node/core/invariant.ts";
import type { Micros } from "../record/types.ts";
import type { Random } from "../workload/forked-random.ts";

export interface SimClock {
  now(): Micros;
  /** Runs `act` at `time`. What is due at one instant happens in a drawn order: real machines promise none. */
  at(time: Micros, act: () => void): void;
  after(span: Micros, act: () => void): void;
  /** Instant of what happens next; null when nothing is planned. */
  next(): Micros | null;
  /** Moves to what happens next and does it. */
  step(): void;
  /** Moves to `time`, before which nothing may be planned. */
  moveTo(time: Micros): void;
}

interface Planned {
  readonly at: Micros;
  readonly tie: number;
  /** Order of planning: decides between equal ties, so that equal seeds give equal orders. */
  readonly order: number;
  readonly act: () => void;
}

const TIES = 1 << 30;

export function createClock(ties: Random): SimClock {
  const heap: Planned[] = [];
  let now: Micros = 0;
  let planned = 0;
  const at = (time: Micros, act: () => void): void => {
    invariant(Number.isSafeInteger(time) && time >= now, "nothing is planned for the past");
    planned += 1;
    push(heap, { at: time, tie: ties.below(TIES), order: planned, act });
  };
  return {
    now: () => now,
    at,
    after: (span, act) => at(now + Math.max(0, Math.round(span)), act),
    next: () => heap[0]?.at ?? null,
    step() {
      const first = pop(heap);
      invariant(first !== undefined, "a step needs something planned");
      now = first.at;
      first.act();
    },
    moveTo(time) {
      invariant(time >= now && (heap[0]?.at ?? time) >= time, "time skips nothing that is planned");
      now = time;
    },
  };
}

function isBefore(left: Planned, right: Planned): boolean {
  if (left.at !== right.at) return left.at < right.at;
  if (left.tie !== right.tie) return left.tie < right.tie;
  return left.order < right.order;
}

function push(heap: Planned[], item: Planned): void {
  let index = heap.length;
  heap.push(item);
  while (index > 0) {
    const above = (index - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || !isBefore(item, parent)) break;
    heap[index] = parent;
    index = above;
  }
  heap[index] = item;
}

function pop(heap: Planned[]): Planned | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let index = 0;
  for (;;) {
    const child = smallerChild(heap, index);
    const below = heap[child];
    if (below === undefined || !isBefore(below, last)) break;
    heap[index] = below;
    index = child;
  }
  heap[index] = last;
  return first;
}

function smallerChild(heap: readonly Planned[], index: number): number {
  const left = 2 * index + 1;
  const one = heap[left];
  const two = heap[left + 1];
  return one !== undefined && two !== undefined && isBefore(two, one) ? left + 1 : left;
}
