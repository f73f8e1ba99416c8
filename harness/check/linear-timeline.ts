/**
 * Begins and ends of a key's steps in time order, as a linked list in arrays. Placed steps are unlinked and can be put back in reverse
 * order. The steps before the first end in the list are those that may come next.
 */
import type { Model } from "./linear-models.ts";
import { isOwed, type Step, UNSEEN } from "./linear-step.ts";

export class Timeline {
  /** Numbers of `describe`; overwritten by the next call. */
  readonly base: Int32Array;
  /** Placed steps without an end, by class: steps of one class are interchangeable, so the one that began first goes first. */
  readonly used: Int32Array;
  readonly #model: Model;
  readonly #steps: readonly Step[];
  /** Per entry: index of its step. Entry 0 is the list's head, the last one its tail. */
  readonly #stepOf: Int32Array;
  readonly #isEnd: Uint8Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #beginOf: Int32Array;
  readonly #endOf: Int32Array;
  /** Steps without an end, by class, in the order of their begins. */
  readonly #endless: readonly (readonly number[])[];
  readonly #classOf: Int32Array;
  readonly #placed: number[] = [];
  #owedLeft = 0;

  constructor(model: Model) {
    const { steps } = model;
    this.#model = model;
    this.#steps = steps;
    const entries = orderedEntries(steps);
    const tail = entries.length + 1;
    this.#stepOf = new Int32Array(tail + 1).fill(-1);
    this.#isEnd = new Uint8Array(tail + 1);
    this.#isEnd[tail] = 1;
    this.#next = new Int32Array(tail + 1);
    this.#previous = new Int32Array(tail + 1);
    this.#beginOf = new Int32Array(steps.length);
    this.#endOf = new Int32Array(steps.length);
    this.#classOf = new Int32Array(steps.length).fill(-1);
    const endless: number[][] = [];
    const classes = new Map<string, number>();
    let last = 0;
    for (let position = 0; position < entries.length; position += 1) {
      const code = at(entries, position);
      const entry = position + 1;
      const isEnd = code < 0;
      const index = isEnd ? -code - 1 : code;
      this.#stepOf[entry] = index;
      this.#isEnd[entry] = isEnd ? 1 : 0;
      (isEnd ? this.#endOf : this.#beginOf)[index] = entry;
      const step = stepAt(steps, index);
      if (step.endedAt === Number.POSITIVE_INFINITY) {
        // Not linked, so that it does not hold the front of the list back.
        this.#classOf[index] = classOf(step, classes);
        const members = endless[at(this.#classOf, index)] ?? [];
        members.push(index);
        endless[at(this.#classOf, index)] = members;
        continue;
      }
      this.#next[last] = entry;
      this.#previous[entry] = last;
      last = entry;
    }
    this.#next[last] = tail;
    this.#previous[tail] = last;
    this.#endless = endless;
    this.used = new Int32Array(endless.length);
    this.base = new Int32Array(tail + 1);
    for (const step of steps) if (isOwed(step)) this.#owedLeft += 1;
  }

  /** Steps that must be placed and are not. */
  owedLeft(): number {
    return this.#owedLeft;
  }

  placedCount(): number {
    return this.#placed.length;
  }

  /** The step that must be placed before any later one may be. */
  firstToEnd(): Step | null {
    let entry = at(this.#next, 0);
    while (at(this.#isEnd, entry) === 0) entry = at(this.#next, entry);
    return this.#steps[at(this.#stepOf, entry)] ?? null;
  }

  /** Places every read that matches, and every mute write once nothing is lost by it. */
  settle(state: number): void {
    let entry = at(this.#next, 0);
    while (at(this.#isEnd, entry) === 0) {
      const index = at(this.#stepOf, entry);
      const step = stepAt(this.#steps, index);
      entry = at(this.#next, entry);
      const isWanted = step.isRead ? step.needs === state : step.isMute && state === UNSEEN;
      if (!isWanted) continue;
      // Its end may be the very next entry.
      if (entry === at(this.#endOf, index)) entry = at(this.#next, entry);
      this.#unlink(index, step);
    }
  }

  /** Places a step, after the mute ones that it makes forgotten. Returns the state after it. */
  place(index: number, state: number): number {
    const step = stepAt(this.#steps, index);
    if (step.isReset && !step.isMute) this.#placeMute();
    this.#unlink(index, step);
    return this.#model.next(state, step);
  }

  /** Adds the writes that may come next, the most promising last; of the mute ones only the first, because placing it places them all. */
  addCandidates(choices: number[]): void {
    const from = choices.length;
    let mute = -1;
    let entry = at(this.#next, 0);
    for (; at(this.#isEnd, entry) === 0; entry = at(this.#next, entry)) {
      const index = at(this.#stepOf, entry);
      const step = stepAt(this.#steps, index);
      if (step.isMute) mute = mute < 0 ? index : mute;
      else if (!step.isRead) choices.push(index);
    }
    if (mute >= 0) choices.push(mute);
    for (let group = 0; group < this.#endless.length; group += 1) {
      const index = this.#endless[group]?.[at(this.used, group)];
      if (index !== undefined && at(this.#beginOf, index) < entry) choices.push(index);
    }
    reverse(choices, from);
    this.#raise(choices, from, at(this.#stepOf, entry));
  }

  /** Of the steps that lead to where the most urgent one can be placed, or are it, the one that ends first comes last, to be tried first. */
  #raise(choices: number[], from: number, urgent: number): void {
    const owed = this.#steps[urgent];
    let best = -1;
    let bestEnd = Number.POSITIVE_INFINITY;
    for (let place = from; place < choices.length; place += 1) {
      const index = choices[place] ?? 0;
      const step = stepAt(this.#steps, index);
      const isHelp = index === urgent || (owed !== undefined && this.#model.serves(step, owed));
      if (!isHelp || step.endedAt >= bestEnd) continue;
      best = place;
      bestEnd = step.endedAt;
    }
    if (best < 0) return;
    const index = choices[best] ?? 0;
    choices.splice(best, 1);
    choices.push(index);
  }

  /** Writes into `base` what, with `used`, is equal for equal (set of placed steps, state) and only then. Returns how many numbers. */
  describe(state: number): number {
    const { base } = this;
    base[0] = state - UNSEEN;
    let length = 1;
    let entry = at(this.#next, 0);
    for (; at(this.#isEnd, entry) === 0; entry = at(this.#next, entry)) {
      base[length] = entry;
      length += 1;
    }
    base[length] = entry;
    return length + 1;
  }

  /** Puts back the steps placed last, until `count` are left. */
  undo(count: number): void {
    while (this.#placed.length > count) {
      const index = this.#placed.pop() ?? 0;
      const step = stepAt(this.#steps, index);
      this.#model.putBack(index);
      if (isOwed(step)) this.#owedLeft += 1;
      if (step.endedAt === Number.POSITIVE_INFINITY) {
        const group = at(this.#classOf, index);
        this.used[group] = at(this.used, group) - 1;
        continue;
      }
      this.#relinkEntry(at(this.#endOf, index));
      this.#relinkEntry(at(this.#beginOf, index));
    }
  }

  #placeMute(): void {
    let entry = at(this.#next, 0);
    while (at(this.#isEnd, entry) === 0) {
      const index = at(this.#stepOf, entry);
      const step = stepAt(this.#steps, index);
      entry = at(this.#next, entry);
      if (!step.isMute) continue;
      if (entry === at(this.#endOf, index)) entry = at(this.#next, entry);
      this.#unlink(index, step);
    }
  }

  #unlink(index: number, step: Step): void {
    this.#placed.push(index);
    this.#model.place(index);
    if (isOwed(step)) this.#owedLeft -= 1;
    if (step.endedAt === Number.POSITIVE_INFINITY) {
      const group = at(this.#classOf, index);
      this.used[group] = at(this.used, group) + 1;
      return;
    }
    this.#unlinkEntry(at(this.#beginOf, index));
    this.#unlinkEntry(at(this.#endOf, index));
  }

  #unlinkEntry(entry: number): void {
    const before = at(this.#previous, entry);
    const after = at(this.#next, entry);
    this.#next[before] = after;
    this.#previous[after] = before;
  }

  #relinkEntry(entry: number): void {
    this.#next[at(this.#previous, entry)] = entry;
    this.#previous[at(this.#next, entry)] = entry;
  }
}

/** Begins as the step's index, ends as −1 − index. Intervals are closed: of one time stamp begins come first, so that they overlap. */
function orderedEntries(steps: readonly Step[]): Int32Array {
  const begins = sortedBy(steps, ({ invokedAt }) => invokedAt);
  const ends = sortedBy(steps, ({ endedAt }) => endedAt);
  const entries = new Int32Array(2 * steps.length);
  let length = 0;
  let begun = 0;
  for (const end of ends) {
    const { endedAt } = stepAt(steps, end);
    while (begun < begins.length) {
      const begin = begins[begun] ?? 0;
      if (stepAt(steps, begin).invokedAt > endedAt) break;
      entries[length] = begin;
      length += 1;
      begun += 1;
    }
    if (endedAt === Number.POSITIVE_INFINITY) break;
    entries[length] = -1 - end;
    length += 1;
  }
  return entries.subarray(0, length);
}

function sortedBy(steps: readonly Step[], keyOf: (step: Step) => number): readonly number[] {
  const order = steps.map((_step, index) => index);
  const keys = steps.map(keyOf);
  return order.sort((left, right) => (keys[left] ?? 0) - (keys[right] ?? 0) || left - right);
}

function classOf({ operation, needs, argument }: Step, classes: Map<string, number>): number {
  const name = `${operation.f} ${needs} ${argument}`;
  const known = classes.get(name) ?? classes.size;
  classes.set(name, known);
  return known;
}

function reverse(list: number[], from: number): void {
  for (let low = from, high = list.length - 1; low < high; low += 1, high -= 1) {
    const kept = list[low] ?? 0;
    list[low] = list[high] ?? 0;
    list[high] = kept;
  }
}

/** Indices here are computed, never given: one outside is a mistake of this file. */
function at(array: Int32Array | Uint8Array, index: number): number {
  const value = array[index];
  if (value === undefined) throw new RangeError(`no entry ${index} of ${array.length}`);
  return value;
}

function stepAt(steps: readonly Step[], index: number): Step {
  const step = steps[index];
  if (step === undefined) throw new RangeError(`no step ${index} of ${steps.length}`);
  return step;
}
