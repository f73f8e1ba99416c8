/**
 * The load of the block rows: `inFlight` writes at a time, each followed at once by the next, the same over the product's block port and over
 * the bare loop. Times are those of the process that writes.
 */
import { randomFillSync } from "node:crypto";
import { crc32 } from "node:zlib";
import { BLOCK_SIZE } from "../../node/core/units.ts";

export interface Block {
  readonly lba: number;
  /** Owned by whoever takes it. */
  readonly data: Uint8Array;
  /** CRC-32 of `data`. */
  readonly sum: number;
}

/** Takes blocks; each is durable on both hosts when its `done` is called. */
export interface BlockPort {
  write(block: Block, done: () => void): void;
}

export interface LoadSpec {
  readonly count: number;
  readonly inFlight: number;
  readonly order: "random" | "sequential";
  /** Addresses are below it. */
  readonly blocks: number;
  readonly seed: number;
  /** Writes before `count` that are not counted. */
  readonly warmUp?: number;
}

export interface LoadResult {
  /** From the call of `write` to `done`, in the order of their ends. Unit: microseconds. */
  readonly latenciesUs: readonly number[];
  /** From the last end of the warm-up to the last end of all. Unit: microseconds. */
  readonly elapsedUs: number;
}

const SAMPLES = 16;
const samples = Array.from({ length: SAMPLES }, () => randomFillSync(new Uint8Array(BLOCK_SIZE)));

/** A block that was never written before: its first bytes are `number`. */
export function blockOf(lba: number, number: number): Block {
  const data = new Uint8Array(BLOCK_SIZE);
  data.set(samples[number % SAMPLES] ?? data);
  new DataView(data.buffer).setUint32(0, number, true);
  return { lba, data, sum: crc32(data) };
}

export function runLoad(port: BlockPort, spec: LoadSpec): Promise<LoadResult> {
  const { count, inFlight, blocks, warmUp = 0 } = spec;
  const nextLba = addresses(spec);
  const latenciesUs: number[] = [];
  let issued = 0;
  return new Promise((resolve) => {
    let startedAt = performance.now();
    let ended = 0;
    const issue = (): void => {
      const block = blockOf(nextLba(), issued);
      issued += 1;
      const issuedAt = performance.now();
      port.write(block, () => {
        const now = performance.now();
        ended += 1;
        if (ended === warmUp) startedAt = now;
        if (ended > warmUp) latenciesUs.push((now - issuedAt) * 1_000);
        if (ended === warmUp + count) {
          resolve({ latenciesUs, elapsedUs: (now - startedAt) * 1_000 });
        } else if (issued < warmUp + count) issue();
      });
    };
    for (let nth = 0; nth < Math.min(inFlight, count, blocks); nth += 1) issue();
  });
}

function addresses({ order, blocks, seed }: LoadSpec): () => number {
  let state = seed >>> 0;
  if (order === "sequential") {
    return () => {
      state = (state + 1) % blocks;
      return state;
    };
  }
  // Mulberry32: equal seeds give equal addresses to both sides of a comparison.
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % blocks;
  };
}
