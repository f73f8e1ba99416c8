/**
 * The probe: one SET of a key never used before on each slot of a fixed timetable, whatever happened to the ones before. An open loop,
 * because a closed one goes quiet together with the system that it measures.
 */
import type { Micros } from "../record/types.ts";
import { type AgedQueue, createAgedQueue } from "./aged-queue.ts";
import { type Connection, createConnection, type Target } from "./connection.ts";
import { createSlotPool, type Recorder } from "./recorder.ts";

export interface Probe {
  /** Keys that may be there, oldest first; those whose write is under way or was refused are not in it. */
  readonly live: AgedQueue<string>;
  /** No slot comes after this one; what is under way ends by itself. */
  stop(): void;
  /** What is under way is lost at once. */
  close(): void;
}

export interface ProbeOptions {
  readonly target: Target;
  readonly recorder: Recorder;
  readonly now: () => Micros;
  /** Called for each wake-up with how late it was. */
  readonly late: (lateUs: number) => void;
  /** Begin of every key. Default: none. */
  readonly prefix?: string;
}

const CONNECTIONS = 4;
/** Unit: microseconds. */
export const PROBE_PERIOD_US = 2_000;
const VALUE_SIZE = 8;

/** The timetable begins when the first connection is open. */
export function startProbe(options: ProbeOptions): Probe {
  const { target, recorder, now, late, prefix = "" } = options;
  const live = createAgedQueue<string>();
  const slots = createSlotPool(recorder);
  let startedAt: Micros | null = null;
  let isStopped = false;
  let timer: NodeJS.Timeout | null = null;
  let slot = 0;
  const connections = Array.from({ length: CONNECTIONS }, () =>
    createConnection(target, { opened }),
  );

  function opened(): void {
    if (startedAt !== null || isStopped) return;
    startedAt = now();
    wake(startedAt);
  }

  function wake(from: Micros): void {
    const at = now();
    late(at - from - slot * PROBE_PERIOD_US);
    for (; from + slot * PROBE_PERIOD_US <= at; slot += 1) issue();
    // Rounded up: a timer that fires too early would only have to be set again.
    const waitMs = Math.ceil((from + slot * PROBE_PERIOD_US - at) / 1_000);
    timer = setTimeout(() => wake(from), waitMs);
  }

  function issue(): void {
    const key = `${prefix}p${slot}`;
    const value = String(slot % 10 ** VALUE_SIZE).padStart(VALUE_SIZE, "0");
    slots.start(
      { f: "write", key, value, role: "probe" },
      nextOpen(connections, slot),
      (ending) => {
        if (ending.kind !== "fail") live.push(key);
      },
    );
  }

  return {
    live,
    stop() {
      isStopped = true;
      if (timer !== null) clearTimeout(timer);
    },
    close() {
      for (const connection of connections) connection.close();
    },
  };
}

function nextOpen(connections: readonly Connection[], turn: number): Connection | null {
  for (let step = 0; step < connections.length; step += 1) {
    const connection = connections[(turn + step) % connections.length];
    if (connection?.isOpen() === true) return connection;
  }
  return null;
}
