import { forkRandom } from "../../harness/workload/forked-random.ts";

/** Draws for one purpose: a draw added to another purpose does not move these. */
export interface PlanDraws {
  /** Uniform whole number; both bounds are possible. */
  between(min: number, max: number): number;
  /** True in `perMille` of 1,000 draws. */
  chance(perMille: number): boolean;
  pick<T>(values: readonly [T, ...T[]]): T;
}

export function planDraws(seed: number, purpose: string): PlanDraws {
  const random = forkRandom(seed, `swarm/${purpose}`);
  return {
    between: (min, max) => min + random.below(max - min + 1),
    chance: (perMille) => random.below(1_000) < perMille,
    pick: (values) => values[random.below(values.length)] ?? values[0],
  };
}
