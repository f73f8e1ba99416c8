/** Steps that are not placed yet, by state, and of each state the one with the smallest key: cheap to place and to put back. */
import type { Step } from "./linear-step.ts";

export interface Pending {
  place(index: number): void;
  putBack(index: number): void;
  /** Infinity: none is left. */
  smallest(state: number): number;
}

/**
 * @param stateOf below 0: the step is none of these
 * @param keyOf a time
 */
export function createPending(
  steps: readonly Step[],
  stateOf: (step: Step) => number,
  keyOf: (step: Step) => number,
): Pending {
  const members = steps.flatMap((step, index) => {
    const state = stateOf(step);
    return state < 0 ? [] : [{ index, state, key: keyOf(step) }];
  });
  members.sort((left, right) => left.state - right.state || left.key - right.key);
  const states = (members.at(-1)?.state ?? -1) + 1;
  const keys = Float64Array.from(members, ({ key }) => key);
  const placeOf = new Int32Array(steps.length).fill(-1);
  const isPlaced = new Uint8Array(members.length);
  /** By state: its first member that is not placed, and where its members end. */
  const first = new Int32Array(states);
  const end = new Int32Array(states);
  for (let place = members.length - 1; place >= 0; place -= 1) {
    const member = members[place];
    if (member === undefined) continue;
    placeOf[member.index] = place;
    first[member.state] = place;
    if (end[member.state] === 0) end[member.state] = place + 1;
  }
  const stateAt = Int32Array.from(members, ({ state }) => state);
  return {
    place(index) {
      const place = placeOf[index] ?? -1;
      if (place < 0) return;
      isPlaced[place] = 1;
      const state = stateAt[place] ?? 0;
      let next = first[state] ?? 0;
      const last = end[state] ?? 0;
      while (next < last && isPlaced[next] === 1) next += 1;
      first[state] = next;
    },
    putBack(index) {
      const place = placeOf[index] ?? -1;
      if (place < 0) return;
      isPlaced[place] = 0;
      const state = stateAt[place] ?? 0;
      if (place < (first[state] ?? 0)) first[state] = place;
    },
    smallest(state) {
      const place = first[state];
      if (place === undefined || place >= (end[state] ?? 0)) return Number.POSITIVE_INFINITY;
      return keys[place] ?? Number.POSITIVE_INFINITY;
    },
  };
}
