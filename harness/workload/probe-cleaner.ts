/** Takes the probe's oldest keys away, so that a guest with little memory lives for hours: reads each back, then deletes it. */
import type { AgedQueue } from "./aged-queue.ts";
import { type Batch, type Bulk, createBulk } from "./bulk.ts";
import type { Choice } from "./choice.ts";
import type { Target } from "./connection.ts";
import type { Recorder } from "./recorder.ts";

export interface ProbeCleaner {
  /** Invokes nothing any more until `resume`; resolves when nothing is under way. */
  pause(): Promise<void>;
  resume(): void;
  /** What is under way is lost at once. */
  close(): void;
}

export interface ProbeCleanerOptions {
  readonly target: Target;
  readonly recorder: Recorder;
  /** The probe's keys; what could not be taken away comes back into it. */
  readonly live: AgedQueue<string>;
  /** Default 8,000. */
  readonly liveMax?: number;
}

const CLEAN_EVERY_MS = 20;
/**
 * Small batches, since a big one would delay what is measured; but a quarter of what is too much, since the probe adds 10 keys in the time
 * between two of them, and many more where the guest answers slowly.
 */
const BATCH = { min: 32, max: 256, share: 1 / 4 } as const;

export function startProbeCleaner(options: ProbeCleanerOptions): ProbeCleaner {
  const { live, liveMax = 8_000 } = options;
  let bulk: Bulk | null = null;
  let batch: Batch | null = null;
  let underWay: Promise<void> | null = null;
  let isPaused = false;

  async function clean(by: Bulk): Promise<void> {
    const excess = live.size() - liveMax;
    const size = Math.min(excess, BATCH.max, Math.max(BATCH.min, Math.ceil(excess * BATCH.share)));
    const keys = Array.from({ length: size }, () => live.shift() ?? "");
    const isGone = new Set<string>();
    batch = by.start(
      keys.map((key) => choose("read", key)),
      false,
    );
    const read = await batch.served;
    if (!isPaused) {
      batch = by.start(
        read.map(({ key }) => choose("delete", key)),
        false,
      );
      for (const { key } of await batch.served) isGone.add(key);
    }
    batch = null;
    for (const key of keys) if (!isGone.has(key)) live.push(key);
  }

  const timer = setInterval(() => {
    if (isPaused || underWay !== null || live.size() <= liveMax) return;
    // Made when first needed: a connection that is not needed takes part in every storm of reconnects.
    bulk ??= createBulk([options], 1);
    underWay = clean(bulk).finally(() => {
      underWay = null;
    });
  }, CLEAN_EVERY_MS);

  return {
    async pause() {
      isPaused = true;
      batch?.abandon();
      await underWay;
    },
    resume() {
      isPaused = false;
    },
    close() {
      isPaused = true;
      clearInterval(timer);
      batch?.abandon();
      bulk?.close();
    },
  };
}

function choose(f: "read" | "delete", key: string): Choice {
  return { f, key, value: null, role: "readback" };
}
