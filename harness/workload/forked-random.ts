import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { invariant } from "../../node/core/invariant.ts";

/** One stream of draws. */
export interface Random {
  /** Uniform integer from 0 to `count` − 1. */
  below(count: number): number;
}

/** The stream of one purpose: a draw added to another purpose does not move it. */
export function forkRandom(seed: number, purpose: string): Random {
  const source = xoroshiro128plus(hash(`${seed}/${purpose}`));
  return {
    below(count) {
      invariant(count >= 1, "a draw has at least one possible value");
      return uniformInt(source, 0, count - 1);
    },
  };
}

/** FNV-1a with 32 bits. */
function hash(text: string): number {
  let sum = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    sum = Math.imul(sum ^ text.charCodeAt(index), 0x01000193);
  }
  return sum | 0;
}
