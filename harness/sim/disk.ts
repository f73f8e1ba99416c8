/**
 * A disk in memory behind the port. Reads see the cache. What a power failure leaves is what was flushed, sectors of 512 bytes that were
 * written back early (the choice is the one of a real host's disk), and of a flush under way a drawn part.
 */
import { destaged, type SectorRun } from "../../node/core/disk/destage.ts";
import { invariant } from "../../node/core/invariant.ts";
import { BLOCK_SIZE, SECTOR_SIZE } from "../../node/core/units.ts";
import type { DiskCall, DiskFault, RawDisk } from "../../node/ports/disk.ts";
import type { Micros } from "../record/types.ts";
import type { DiskSource } from "../rig/rig.ts";
import type { SimClock } from "./clock.ts";
import type { Draws } from "./draws.ts";
import { createBytes, type SparseBytes } from "./sparse-bytes.ts";
import type { LandedRange } from "./watch.ts";

export interface SimDisk extends RawDisk {
  /** Only what a power failure now would surely leave. */
  source(host: string): DiskSource;
  /** Loses the cache and what failed. The disk can be used again by the next life of its host. */
  powerOff(): void;
  /** Another disk in the place of this one, which has no power: its content, or null: a blank one. */
  replace(by: SparseBytes | null): void;
  /** A copy of what `source` shows. */
  save(): SparseBytes;
  /** From now on; replaces the fault before. What a stall held back ends as the new one has it. */
  setFault(fault: DiskFault): void;
  /** Calls that a fault has made fail or has held back so far, for the proof that it bit. */
  bitten(): number;
  /** Flips a bit of what the medium holds at this offset; nobody is told. */
  rot(offset: number): void;
  /** Writes and flushes not yet durable. */
  isIdle(): boolean;
}

export interface DiskOptions {
  readonly clock: SimClock;
  readonly draws: Draws;
  readonly given?: (offset: number, length: number) => void;
  /** What one write back, one flush or one power failure has made durable, in order; of a torn write each of its pieces. */
  readonly landed?: (ranges: readonly LandedRange[]) => void;
  /** Another disk is in its place; all that it holds. */
  readonly replaced?: (ranges: readonly LandedRange[]) => void;
}

interface Waiting {
  /** Writes that it covers: all up to this count. */
  readonly upTo: number;
  readonly done: (error: string | null) => void;
}

/** What of a write is in the cache alone. */
interface Cached extends LandedRange {
  /** Counts the writes. */
  readonly write: number;
}

/** Each disk of a run has its own speed. */
const FLUSH_US = { baseMin: 100, baseMax: 500, jitter: 300 } as const;
const SLOW = { perMille: 10, maxUs: 3_000 } as const;
const SEEDS = 1 << 30;

export function createDisk(options: DiskOptions): SimDisk {
  return new Disk(options);
}

class Disk implements SimDisk {
  readonly #options: DiskOptions;
  readonly #seed: number;
  readonly #baseUs: Micros;
  readonly #visible = createBytes();
  readonly #durable = createBytes();
  #cache: Cached[] = [];
  #waiting: Waiting[] = [];
  /** Writes so far, over all lives. */
  #given = 0;
  /** Writes that the flush under way makes durable; null: none is. */
  #flushing: number | null = null;
  #life = 0;
  #fault: DiskFault = { kind: "none" };
  #bitten = 0;
  /** First failure of this life. */
  #failure: string | null = null;
  /** End of the flush that a stall holds back. */
  #held: (() => void) | null = null;

  constructor(options: DiskOptions) {
    this.#options = options;
    const { draws } = options;
    this.#baseUs = draws.between(FLUSH_US.baseMin, FLUSH_US.baseMax);
    this.#seed = draws.below(SEEDS);
  }

  get size(): number {
    return this.#visible.size;
  }

  read(offset: number, length: number): Uint8Array {
    const code = this.#bite("read");
    if (code !== null) throw Object.assign(new Error(`the disk cannot be read: ${code}`), { code });
    return this.#visible.read(offset, length);
  }

  write(offset: number, bytes: Uint8Array, isGiven = false): void {
    invariant(offset >= 0 && Number.isSafeInteger(offset), "a write begins on the disk");
    this.#options.given?.(offset, bytes.length);
    const own = isGiven ? bytes : copyOf(bytes);
    this.#visible.write(offset, own);
    this.#given += 1;
    const range: Cached = { offset, bytes: own, write: this.#given };
    const code = this.#bite("write");
    if (code !== null) {
      this.#failure ??= code;
      this.#cache.push(range);
      return;
    }
    const runs =
      this.#fault.kind === "stall" ? [] : destaged(this.#seed, this.#given, wholeSectors(range));
    if (runs.length === 0) this.#cache.push(range);
    else this.#writeBack(range, runs);
  }

  flush(done: (error: string | null) => void): void {
    this.#waiting.push({ upTo: this.#given, done });
    if (this.#flushing === null) this.#beginFlush();
  }

  source(host: string): DiskSource {
    const durable = this.#durable;
    return {
      host,
      size: durable.size,
      read: (offset, length) => durable.read(offset, length),
      close: () => undefined,
    };
  }

  powerOff(): void {
    this.#life += 1;
    const under = this.#flushing ?? 0;
    const { draws } = this.#options;
    const flushed = this.#cache.filter(({ write }) => write <= under);
    if (flushed.length > 0) this.#land(remainsOf(flushed, draws));
    this.#cache = [];
    this.#waiting = [];
    this.#flushing = null;
    this.#held = null;
    this.#failure = null;
    this.#visible.become(this.#durable);
  }

  replace(by: SparseBytes | null): void {
    invariant(this.isIdle(), "a disk is exchanged without power");
    this.#durable.become(by ?? createBytes());
    this.#visible.become(this.#durable);
    this.#options.replaced?.(this.#durable.ranges());
  }

  save(): SparseBytes {
    const copy = createBytes();
    copy.become(this.#durable);
    return copy;
  }

  setFault(fault: DiskFault): void {
    this.#fault = fault;
    if (fault.kind === "stall") return;
    const held = this.#held;
    this.#held = null;
    held?.();
  }

  bitten(): number {
    return this.#bitten;
  }

  rot(offset: number): void {
    const bit = 1 << this.#options.draws.below(8);
    const isCached = this.#cache.some(
      (range) => range.offset <= offset && offset < range.offset + range.bytes.length,
    );
    for (const bytes of isCached ? [this.#durable] : [this.#durable, this.#visible]) {
      const [old = 0] = bytes.read(offset, 1);
      bytes.write(offset, Uint8Array.of(old ^ bit));
    }
  }

  isIdle(): boolean {
    return this.#cache.length === 0 && this.#waiting.length === 0;
  }

  /** Code with which this call fails; null: it does not. */
  #bite(call: DiskCall): string | null {
    if (this.#fault.kind !== "error" || !this.#fault.on.includes(call)) return null;
    this.#bitten += 1;
    return this.#fault.code;
  }

  /** Some sectors reach the medium now. A cache holds a sector once: what older writes say of these is gone. */
  #writeBack(range: Cached, runs: readonly SectorRun[]): void {
    const pieces = piecesOf(range, runs);
    const [first] = pieces;
    if (first !== range) this.#cache.push(range);
    for (const piece of pieces) {
      if (this.#cache.some((older) => areOverlapping(older, piece)))
        this.#cache = this.#cache.flatMap((older) => without(older, piece));
    }
    this.#land(pieces);
  }

  #land(ranges: readonly LandedRange[]): void {
    for (const { offset, bytes } of ranges) this.#durable.write(offset, bytes);
    this.#options.landed?.(ranges);
  }

  #latency(): Micros {
    const { draws } = this.#options;
    const jitter = this.#baseUs + draws.below(FLUSH_US.jitter);
    const span = draws.chance(SLOW.perMille) ? jitter + draws.below(SLOW.maxUs) : jitter;
    if (this.#fault.kind !== "slow") return span;
    this.#bitten += 1;
    return span + Math.round(this.#fault.ms * 1_000);
  }

  #beginFlush(): void {
    this.#flushing = this.#given;
    const life = this.#life;
    this.#options.clock.after(this.#latency(), () => {
      if (life === this.#life) this.#endFlush(life);
    });
  }

  #endFlush(life: number): void {
    if (this.#fault.kind === "stall") {
      this.#bitten += 1;
      this.#held = () => this.#endFlush(life);
      return;
    }
    const upTo = this.#flushing ?? 0;
    const code = this.#bite("flush");
    if (code !== null) this.#failure ??= code;
    const failure = this.#failure;
    if (failure === null) {
      const ranges = this.#cache.filter(({ write }) => write <= upTo);
      this.#cache = this.#cache.filter(({ write }) => write > upTo);
      this.#land(ranges);
    }
    this.#flushing = null;
    const served = this.#waiting.filter((one) => one.upTo <= upTo);
    this.#waiting = this.#waiting.filter((one) => one.upTo > upTo);
    if (this.#waiting.length > 0) this.#beginFlush();
    for (const one of served) if (life === this.#life) one.done(failure);
  }
}

/** The range itself where it goes whole. */
function piecesOf(range: Cached, runs: readonly SectorRun[]): readonly Cached[] {
  const [first] = runs;
  if (first?.count === range.bytes.length / SECTOR_SIZE) return [range];
  return runs.map(({ from, count }): Cached => {
    const at = from * SECTOR_SIZE;
    const bytes = range.bytes.subarray(at, at + count * SECTOR_SIZE);
    return { offset: range.offset + at, bytes, write: range.write };
  });
}

function areOverlapping(one: LandedRange, other: LandedRange): boolean {
  return (
    one.offset < other.offset + other.bytes.length && other.offset < one.offset + one.bytes.length
  );
}

/** 0 for a write that does not begin at a sector border: it waits for its flush. */
function wholeSectors({ offset, bytes }: LandedRange): number {
  return offset % SECTOR_SIZE === 0 ? Math.floor(bytes.length / SECTOR_SIZE) : 0;
}

/** Small copies come from the pool of buffers; an allocation of its own costs ten times that. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return bytes.length < BLOCK_SIZE ? Buffer.from(bytes) : new Uint8Array(bytes);
}

/** What of a cached range a newer one leaves. */
function without(range: Cached, newer: LandedRange): readonly Cached[] {
  const { offset, bytes, write } = range;
  const end = offset + bytes.length;
  const newerEnd = newer.offset + newer.bytes.length;
  if (!areOverlapping(range, newer)) return [range];
  const left: Cached[] = [];
  if (newer.offset > offset)
    left.push({ offset, bytes: bytes.subarray(0, newer.offset - offset), write });
  if (newerEnd < end)
    left.push({ offset: newerEnd, bytes: bytes.subarray(newerEnd - offset), write });
  return left;
}

/** Of a flush that a power failure cut short nothing is there, or all, or each sector with one drawn probability. */
function remainsOf(flushed: readonly LandedRange[], draws: Draws): readonly LandedRange[] {
  const extent = draws.below(3);
  if (extent === 0) return [];
  if (extent === 1) return flushed;
  const perMille = draws.between(0, 1_000);
  return flushed.flatMap(({ offset, bytes }) => {
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
