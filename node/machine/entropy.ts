/**
 * The machine's random bytes: the generator sfc32 (Chris Doty-Humphrey, PractRand). Its state is device state and comes from the
 * boot entry alone, so equal entries draw equal bytes. Not for secrets.
 */
import { invariant } from "../core/invariant.ts";

export const SEED_BYTES = 32;
/** Rounds after which each bit of a seed's word reached every word of the state. */
const MIXING_ROUNDS = 16;

export interface Entropy {
  seed(bytes: Uint8Array): void;
  fill(target: Uint8Array): void;
  /** Four unsigned 32-bit words. */
  state(): readonly number[];
}

export function createEntropy(): Entropy {
  let [a, b, c, counter] = [0, 0, 0, 1];

  function next(): number {
    const drawn = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + drawn) | 0;
    return drawn;
  }

  return {
    seed(bytes) {
      invariant(bytes.length === SEED_BYTES, "a seed has 32 bytes");
      const words = new DataView(bytes.buffer, bytes.byteOffset, SEED_BYTES);
      [a, b, c, counter] = [0, 0, 0, 1];
      for (let at = 0; at < SEED_BYTES; at += 8) {
        a ^= words.getUint32(at, true);
        b ^= words.getUint32(at + 4, true);
        for (let round = 0; round < MIXING_ROUNDS; round += 1) next();
      }
    },
    fill(target) {
      for (let at = 0; at < target.length; at += 4) {
        const drawn = next();
        const count = Math.min(4, target.length - at);
        for (let byte = 0; byte < count; byte += 1) target[at + byte] = drawn >>> (8 * byte);
      }
    },
    state: () => [a >>> 0, b >>> 0, c >>> 0, counter >>> 0],
  };
}
