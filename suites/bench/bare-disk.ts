/** The bare loops' disk: a file, pwrite and fdatasync. */
import { fdatasync, openSync, writeSync } from "node:fs";
import { BLOCK_SIZE } from "../../node/core/units.ts";
import type { Block } from "./closed-loop.ts";

export interface Written {
  readonly number: number;
  readonly sum: number;
}

/** One file, and how often it was flushed. */
export interface BareDisk {
  readonly flushes: number;
  readonly put: (block: Block, number: number) => void;
  write(bytes: Uint8Array, offset: number): void;
  flush(done: () => void): void;
}

/** `put` writes at once; one fdatasync under way at a time, shared by what was put before it began. */
export function openBareDisk(
  path: string,
  durable: (written: readonly Written[]) => void,
): BareDisk {
  const file = openSync(path, "w+", 0o600);
  let waiting: Written[] = [];
  let isFlushing = false;
  let flushes = 0;

  function flush(done: () => void): void {
    flushes += 1;
    fdatasync(file, (error) => {
      if (error !== null) throw error;
      done();
    });
  }

  function flushPut(): void {
    const served = waiting;
    waiting = [];
    flush(() => {
      durable(served);
      isFlushing = false;
      if (waiting.length === 0) return;
      isFlushing = true;
      flushPut();
    });
  }

  return {
    get flushes() {
      return flushes;
    },
    put({ lba, data, sum }, number) {
      writeSync(file, data, 0, BLOCK_SIZE, lba * BLOCK_SIZE);
      waiting.push({ number, sum });
      if (isFlushing) return;
      isFlushing = true;
      setImmediate(flushPut);
    },
    write: (bytes, offset) => void writeSync(file, bytes, 0, bytes.length, offset),
    flush,
  };
}
