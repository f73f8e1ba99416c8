import { forkRandom, type Random } from "../workload/forked-random.ts";

/** One purpose's stream of draws. Another purpose's draws do not move it. */
export interface Draws extends Random {
  /** Uniform whole number; both bounds are possible. */
  between(min: number, max: number): number;
  /** True in `perMille` of 1,000 draws. */
  chance(perMille: number): boolean;
  /** 32 hexadecimal digits. */
  id(): string;
}

export function forkDraws(seed: number, purpose: string): Draws {
  const random = forkRandom(seed, `sim/${purpose}`);
  const below = (count: number): number => random.below(count);
  return {
    below,
    between: (min, max) => min + below(max - min + 1),
    chance: (perMille) => below(1_000) < perMille,
    id() {
      let text = "";
      for (let part = 0; part < 4; part += 1) {
        text += below(0x1_0000_0000).toString(16).padStart(8, "0");
      }
      return text;
    },
  };
}
