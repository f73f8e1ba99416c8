/**
 * Searches one order of a key's operations that respects real time and the model: Wing and Gong's search with Lowe's memory of
 * configurations, on a linked list of begins and ends, with a stack of its own instead of recursion.
 *
 * Only writes branch. A read that matches the state can be placed at once: it changes nothing, and no later place suits the rest better.
 * A *mute* write (nobody saw its value) can be placed right before the next write that forgets the state anyway, or at once where the
 * state is already unseen. The search ends when every read is placed: the writes left over fit in any order.
 */
import type { Model, Step } from "./linear-models.ts";
import { UNSEEN } from "./linear-models.ts";

export type SearchResult =
  | { readonly kind: "linearizable" }
  /** `blocked`: the operation whose end no order got past, in the attempt that got furthest. */
  | { readonly kind: "violation"; readonly blocked: Step | null }
  | { readonly kind: "gave-up" };

interface Frame {
  /** Placed steps up to here belong to this configuration. */
  readonly placed: number;
  readonly state: number;
  readonly candidates: readonly number[];
  tried: number;
}

/** `mayGoOn` is asked at every new configuration. */
export function search(model: Model, mayGoOn: () => boolean): SearchResult {
  const list = new Timeline(model);
  const frames: Frame[] = [];
  const known = new Set<string>();
  let furthest = -1;
  let blocked: Step | null = null;

  const enter = (state: number): boolean => {
    list.settle(state);
    if (list.readsLeft === 0) return true;
    if (list.placedCount > furthest) {
      furthest = list.placedCount;
      blocked = list.firstToEnd();
    }
    const configuration = list.describe(state);
    if (!known.has(configuration)) {
      known.add(configuration);
      const candidates = list.candidates();
      frames.push({ placed: list.placedCount, state, candidates, tried: 0 });
    }
    return false;
  };

  if (enter(model.initial)) return { kind: "linearizable" };
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    list.undo(frame.placed);
    const index = frame.candidates[frame.tried];
    if (index === undefined) {
      frames.pop();
      continue;
    }
    frame.tried += 1;
    const next = list.place(index, frame.state);
    if (model.isDeadEnd(frame.state, next)) continue;
    if (!mayGoOn()) return { kind: "gave-up" };
    if (enter(next)) return { kind: "linearizable" };
  }
  return { kind: "violation", blocked };
}

/** Begins and ends of all steps in time order; placed steps are unlinked, and can be put back in reverse order. */
class Timeline {
  readsLeft = 0;
  private readonly model: Model;
  private readonly steps: readonly Step[];
  /** Per entry: index of its step; entry 0 is the list's head, the last one its tail. */
  private readonly stepOf: Int32Array;
  private readonly isEnd: Uint8Array;
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly beginOf: Int32Array;
  private readonly endOf: Int32Array;
  private readonly isPlaced: Uint8Array;
  /** Steps without an end: not linked, so that they do not hold the front of the list back. */
  private readonly endless: readonly number[];
  private readonly placed: number[] = [];
  private readonly tail: number;

  constructor(model: Model) {
    this.model = model;
    this.steps = model.steps;
    const entries = this.steps.flatMap((step, index) => [
      { at: step.invokedAt, isEnd: 0, index },
      ...(step.endedAt === Infinity ? [] : [{ at: step.endedAt, isEnd: 1, index }]),
    ]);
    // Intervals are closed: of two entries with one time stamp the begin comes first, so that they count as overlapping.
    entries.sort((a, b) => a.at - b.at || a.isEnd - b.isEnd || a.index - b.index);
    this.tail = entries.length + 1;
    this.stepOf = new Int32Array(this.tail + 1).fill(-1);
    this.isEnd = new Uint8Array(this.tail + 1);
    this.isEnd[this.tail] = 1;
    this.next = new Int32Array(this.tail + 1);
    this.previous = new Int32Array(this.tail + 1);
    this.beginOf = new Int32Array(this.steps.length);
    this.endOf = new Int32Array(this.steps.length);
    this.isPlaced = new Uint8Array(this.steps.length);
    let last = 0;
    for (const [position, { isEnd, index }] of entries.entries()) {
      const entry = position + 1;
      this.stepOf[entry] = index;
      this.isEnd[entry] = isEnd;
      (isEnd === 1 ? this.endOf : this.beginOf)[index] = entry;
      if (this.steps[index]?.endedAt === Infinity) continue;
      this.next[last] = entry;
      this.previous[entry] = last;
      last = entry;
    }
    this.next[last] = this.tail;
    this.previous[this.tail] = last;
    this.endless = this.steps
      .flatMap((step, index) => (step.endedAt === Infinity ? [index] : []))
      .sort((left, right) => at(this.beginOf, left) - at(this.beginOf, right));
    this.readsLeft = this.steps.filter((step) => step.isRead).length;
  }

  get placedCount(): number {
    return this.placed.length;
  }

  /** The step that must be placed before any later one may be. */
  firstToEnd(): Step | null {
    return this.steps[at(this.stepOf, this.firstEnd())] ?? null;
  }

  /** Places every read that matches, and every mute write once nothing is lost by it. */
  settle(state: number): void {
    this.placeWhere((step) =>
      step.isRead ? step.argument === state : step.isMute && state === UNSEEN,
    );
  }

  /** Places a write, after the mute ones that it makes forgotten. Returns the state after it. */
  place(index: number, state: number): number {
    const step = this.steps[index];
    if (step === undefined) throw new RangeError(`no step ${index}`);
    if (step.isReset && !step.isMute) this.placeWhere((other) => other.isMute);
    this.unlink(index, step);
    return this.model.next(state, step);
  }

  /** Writes that may come next; of the mute ones only the first, because placing it places them all. */
  candidates(): readonly number[] {
    const found: number[] = [];
    let mute = -1;
    let entry = at(this.next, 0);
    while (at(this.isEnd, entry) === 0) {
      const index = at(this.stepOf, entry);
      const step = this.steps[index];
      if (step?.isMute === true) mute = mute < 0 ? index : mute;
      else if (step?.isRead === false) found.push(index);
      entry = at(this.next, entry);
    }
    if (mute >= 0) found.push(mute);
    // Endless writes of one value are interchangeable: the one that began first stands for all of them.
    const values = new Set<string>();
    for (const index of this.endless) {
      const step = this.steps[index];
      if (step === undefined || at(this.isPlaced, index) === 1) continue;
      if (at(this.beginOf, index) > entry) break;
      const value = `${step.operation.f} ${step.argument}`;
      if (!values.has(value)) found.push(index);
      values.add(value);
    }
    return found;
  }

  /** Text that is equal for equal (set of placed steps, state) and only then. */
  describe(state: number): string {
    const front = at(this.next, 0);
    const parts = [state, front];
    const end = this.firstEnd();
    for (let entry = front; entry < end; entry += 1) {
      const index = at(this.stepOf, entry);
      if (at(this.isEnd, entry) === 1 || at(this.isPlaced, index) === 0) continue;
      if (at(this.endOf, index) !== 0) parts.push(entry);
    }
    parts.push(-1);
    for (const index of this.endless) if (at(this.isPlaced, index) === 1) parts.push(index);
    return parts.join(",");
  }

  undo(toCount: number): void {
    while (this.placed.length > toCount) {
      const index = this.placed.pop();
      const step = index === undefined ? undefined : this.steps[index];
      if (index === undefined || step === undefined) return;
      this.isPlaced[index] = 0;
      this.model.count(step, 1);
      if (step.isRead) this.readsLeft += 1;
      if (step.endedAt === Infinity) continue;
      this.relinkEntry(at(this.endOf, index));
      this.relinkEntry(at(this.beginOf, index));
    }
  }

  private firstEnd(): number {
    let entry = at(this.next, 0);
    while (at(this.isEnd, entry) === 0) entry = at(this.next, entry);
    return entry;
  }

  private placeWhere(isWanted: (step: Step) => boolean): void {
    let entry = at(this.next, 0);
    while (at(this.isEnd, entry) === 0) {
      const index = at(this.stepOf, entry);
      const step = this.steps[index];
      const before = at(this.previous, entry);
      if (step !== undefined && isWanted(step)) {
        this.unlink(index, step);
        entry = at(this.next, before);
      } else {
        entry = at(this.next, entry);
      }
    }
  }

  private unlink(index: number, step: Step): void {
    this.placed.push(index);
    this.isPlaced[index] = 1;
    this.model.count(step, -1);
    if (step.isRead) this.readsLeft -= 1;
    if (step.endedAt === Infinity) return;
    this.unlinkEntry(at(this.beginOf, index));
    this.unlinkEntry(at(this.endOf, index));
  }

  private unlinkEntry(entry: number): void {
    this.next[at(this.previous, entry)] = at(this.next, entry);
    this.previous[at(this.next, entry)] = at(this.previous, entry);
  }

  private relinkEntry(entry: number): void {
    this.next[at(this.previous, entry)] = entry;
    this.previous[at(this.next, entry)] = entry;
  }
}

/** Indices here are computed, never given: one outside is a mistake of this file. */
function at(array: Int32Array | Uint8Array, index: number): number {
  const value = array[index];
  if (value === undefined) throw new RangeError(`no entry ${index} of ${array.length}`);
  return value;
}
