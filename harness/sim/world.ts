/** What every simulated part is given. */
import type { Micros } from "../record/types.ts";
import type { SimClock } from "./clock.ts";
import { type Draws, forkDraws } from "./draws.ts";
import type { Parcel } from "./lane.ts";
import type { RunLog } from "./run-log.ts";

export interface World {
  readonly seed: number;
  readonly clock: SimClock;
  readonly log: RunLog;
  readonly cluster: string;
  readonly vm: string;
  /** Frames pass through their codecs; else as the objects that they are. */
  readonly isEncoded: boolean;
  /** Runs what only a bug of ours makes throw: then the process that it belongs to ends, with the status for it. */
  guarded(process: string, act: () => void): void;
}

/** Whatever can be killed. */
export interface SimProcess {
  readonly name: string;
  readonly source: string;
  isAlive(): boolean;
  start(): void;
  kill(): void;
  /** Takes in no work any more, ends what is under way; `isQuiet` then tells when that is done. */
  quiesce(): void;
  isQuiet(): boolean;
}

/** A process lives again, and takes in connections. `deaths`: how many lives it had before. */
export function reportStart({ log }: World, process: string, deaths: number): void {
  log.report("harness", "started", { process, life: deaths + 1 });
}

export function drawsOf(world: World, purpose: string): Draws {
  return forkDraws(world.seed, purpose);
}

/** A frame as it travels: through the codec, as between real processes, or as it is. */
export function parcelOf<Frame extends object>(
  world: World,
  frame: Frame,
  codec: {
    readonly encode: (frame: Frame) => Uint8Array;
    readonly parse: (bytes: Uint8Array) => { ok: true; value: Frame } | { ok: false; why: string };
  },
): Parcel<Frame> {
  if (!world.isEncoded) return () => frame;
  const bytes = codec.encode(frame);
  return () => {
    const parsed = codec.parse(bytes);
    return parsed.ok ? parsed.value : null;
  };
}

export const millis = (ms: number): Micros => Math.round(ms * 1_000);
