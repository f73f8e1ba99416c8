/**
 * A disk in memory behind the port: reads see the cache, a power failure leaves what was flushed and a drawn part of what was not, in
 * sectors of 512 bytes.
 */
import { invariant } from "../../node/core/invariant.ts";
import { BLOCK_SIZE, SECTOR_SIZE } from "../../node/core/units.ts";
import type { RawDisk } from "../../node/ports/disk.ts";
import type { Micros } from "../record/types.ts";
import type { DiskSource } from "../rig/rig.ts";
import type { SimClock } from "./clock.ts";
import type { Draws } from "./draws.ts";
import { createBytes, type SparseBytes } from "./sparse-bytes.ts";
import type { LandedRange } from "./watch.ts";

export interface SimDisk extends RawDisk {
  /** Only what a power failure now would surely leave. */
  source(host: string): DiskSource;
  /** Loses the cache; some of its sectors may have reached the medium. The disk can be used again by the next life of its host. */
  powerOff(): void;
  /** Another disk in the place of this one, which has no power: its content, or null: a blank one. */
  replace(by: SparseBytes | null): void;
  /** A copy of what `source` shows. */
  save(): SparseBytes;
  /** Writes and flushes not yet durable. */
  isIdle(): boolean;
}

export interface DiskOptions {
  readonly clock: SimClock;
  readonly draws: Draws;
  readonly given?: (offset: number, length: number) => void;
  /** What one flush or one power failure has made durable, in order; of a torn write each of its pieces. */
  readonly landed?: (ranges: readonly LandedRange[]) => void;
  /** Another disk is in its place; all that it holds. */
  readonly replaced?: (ranges: readonly LandedRange[]) => void;
}

interface Waiting {
  /** Writes of this life that it covers: all up to this count. */
  readonly upTo: number;
  readonly done: (error: string | null) => void;
}

/** Each disk of a run has its own speed. */
const FLUSH_US = { baseMin: 100, baseMax: 500, jitter: 300 } as const;
const SLOW = { perMille: 10, maxUs: 3_000 } as const;

export function createDisk(options: DiskOptions): SimDisk {
  const { clock, draws, given: onGiven, landed, replaced } = options;
  const visible = createBytes();
  const durable = createBytes();
  const baseUs = draws.between(FLUSH_US.baseMin, FLUSH_US.baseMax);
  let cache: LandedRange[] = [];
  let waiting: Waiting[] = [];
  let given = 0;
  let flushed = 0;
  let isBusy = false;
  let life = 0;

  const latency = (): Micros => baseUs + jitterOf(draws);

  const land = (ranges: readonly LandedRange[]): void => {
    for (const { offset, bytes } of ranges) durable.write(offset, bytes);
    landed?.(ranges);
  };

  function beginFlush(): void {
    isBusy = true;
    const upTo = given;
    const ownLife = life;
    clock.after(latency(), () => {
      if (ownLife !== life) return;
      const count = upTo - flushed;
      land(cache.slice(0, count));
      cache = cache.slice(count);
      flushed = upTo;
      isBusy = false;
      const served = waiting.filter((one) => one.upTo <= upTo);
      waiting = waiting.filter((one) => one.upTo > upTo);
      if (waiting.length > 0) beginFlush();
      for (const one of served) if (ownLife === life) one.done(null);
    });
  }

  return {
    get size() {
      return visible.size;
    },
    read: (offset, length) => visible.read(offset, length),
    write(offset, bytes) {
      invariant(offset >= 0 && Number.isSafeInteger(offset), "a write begins on the disk");
      onGiven?.(offset, bytes.length);
      // Small copies come from the pool of buffers; an allocation of its own costs ten times that.
      const own = bytes.length < BLOCK_SIZE ? Buffer.from(bytes) : bytes.slice();
      visible.write(offset, own);
      cache.push({ offset, bytes: own });
      given += 1;
    },
    flush(done) {
      waiting.push({ upTo: given, done });
      if (!isBusy) beginFlush();
    },
    source: (host) => sourceOf(durable, host),
    powerOff() {
      life += 1;
      land(tornRemains(cache, draws));
      cache = [];
      waiting = [];
      flushed = given;
      isBusy = false;
      visible.become(durable);
    },
    replace(by) {
      invariant(cache.length === 0 && waiting.length === 0, "a disk is exchanged without power");
      durable.become(by ?? createBytes());
      visible.become(durable);
      replaced?.(durable.ranges());
    },
    save: () => copyOf(durable),
    isIdle: () => cache.length === 0 && waiting.length === 0,
  };
}

function jitterOf(draws: Draws): Micros {
  const jitter = draws.below(FLUSH_US.jitter);
  return jitter + (draws.chance(SLOW.perMille) ? draws.below(SLOW.maxUs) : 0);
}

function sourceOf(durable: SparseBytes, host: string): DiskSource {
  return {
    host,
    size: durable.size,
    read: (offset, length) => durable.read(offset, length),
    close: () => undefined,
  };
}

function copyOf(bytes: SparseBytes): SparseBytes {
  const copy = createBytes();
  copy.become(bytes);
  return copy;
}

/** In half of all power failures nothing of the cache reached the medium, else each of its sectors with one drawn probability. */
function tornRemains(cache: readonly LandedRange[], draws: Draws): readonly LandedRange[] {
  if (cache.length === 0 || draws.chance(500)) return [];
  const perMille = draws.between(0, 1_000);
  return cache.flatMap(({ offset, bytes }) => {
    const pieces: LandedRange[] = [];
    for (let from = 0; from < bytes.length; ) {
      const end = Math.min(bytes.length, from + SECTOR_SIZE - ((offset + from) % SECTOR_SIZE));
      if (draws.chance(perMille))
        pieces.push({ offset: offset + from, bytes: bytes.subarray(from, end) });
      from = end;
    }
    return pieces;
  });
}
