/** The workload of one run: waits for the guest, loads it, and at the end reads every key that may be there. */
import type { Micros } from "../record/types.ts";
import type { WorkloadSpec } from "../rig/rig.ts";
import { createBulk } from "./bulk.ts";
import type { Choice } from "./choice.ts";
import { type ClosedLoopClient, startClient } from "./client.ts";
import { createConnection, type Target } from "./connection.ts";
import { createReferenceLoad, type ReferenceLoad } from "./generator.ts";
import { startLagMeter } from "./lag-meter.ts";
import { type Probe, startProbe } from "./probe.ts";
import { type ProbeCleaner, startProbeCleaner } from "./probe-cleaner.ts";
import type { Recorder } from "./recorder.ts";

export interface RunningWorkload {
  /** Marks the phase; a fault window lasts from `fault` to the next `calm` or the end. */
  phase(name: "calm" | "fault"): void;
  /** Ends the load, then reads every key until each was read or `deadline` comes. Resolves when the history is complete. */
  finish(deadline: Micros): Promise<void>;
}

export interface WorkloadOptions {
  readonly spec: WorkloadSpec;
  readonly target: Target;
  readonly recorder: Recorder;
  readonly now: () => Micros;
  /** Live keys of the probe, and written once by clients. Default 8,000 each. */
  readonly liveMax?: number;
}

const READ_CONNECTIONS = 4;
const PING_EVERY_MS = 5;

/** Resolves when the guest answers. Asks again for as long as it takes. */
export function untilAnswered(target: Target): Promise<void> {
  return new Promise((resolve) => {
    const ping = (): void => {
      connection.send(["PING"], (answer) => {
        const isAnswered = answer.kind === "reply" && answer.reply.kind === "simple";
        if (isAnswered) {
          connection.close();
          resolve();
        } else setTimeout(ping, PING_EVERY_MS);
      });
    };
    const connection = createConnection(target);
    ping();
  });
}

/** Begins with the warm-up, now. */
export function startWorkload(options: WorkloadOptions): RunningWorkload {
  const { recorder, now, spec } = options;
  recorder.phase("warm-up");
  let isFaultWindow = false;
  const lag = startLagMeter(now, (lagUs) => recorder.lag(lagUs));
  const late = (lateUs: number): void => lag.observe(lateUs);
  const probe = spec.kind === "none" ? null : startProbe({ ...options, late });
  const cleaner = probe === null ? null : startProbeCleaner({ ...options, live: probe.live });
  const load = spec.kind === "reference" ? loadOf(options) : null;
  const clients = startClients(options, load, () => isFaultWindow);
  return {
    phase(name) {
      isFaultWindow = name === "fault";
      if (isFaultWindow) void cleaner?.pause();
      else cleaner?.resume();
      recorder.phase(name);
    },
    async finish(deadline) {
      await endLoad({ recorder, probe, cleaner, clients }, deadline - now());
      recorder.phase("final-reads");
      await readAll(options, liveKeys(probe, load), deadline - now());
      lag.stop();
      recorder.phase("end");
    },
  };
}

function loadOf({ spec, liveMax = 8_000 }: WorkloadOptions): ReferenceLoad {
  return createReferenceLoad({ seed: spec.seed, clients: spec.clients, onceLiveMax: liveMax });
}

function startClients(
  options: WorkloadOptions,
  load: ReferenceLoad | null,
  isFaultWindow: () => boolean,
): readonly ClosedLoopClient[] {
  if (load === null) return [];
  const { thinkMs, clients } = options.spec;
  return Array.from({ length: clients }, (_, index) =>
    startClient({ ...options, load: load.client(index), thinkMs, isFaultWindow }),
  );
}

async function endLoad(
  by: {
    readonly recorder: Recorder;
    readonly probe: Probe | null;
    readonly cleaner: ProbeCleaner | null;
    readonly clients: readonly ClosedLoopClient[];
  },
  withinUs: Micros,
): Promise<void> {
  const closeAll = (): void => {
    by.probe?.close();
    by.cleaner?.close();
    for (const client of by.clients) client.close();
  };
  by.probe?.stop();
  for (const client of by.clients) client.stop();
  const late = setTimeout(closeAll, Math.max(0, withinUs / 1_000));
  await by.cleaner?.pause();
  await by.recorder.idle();
  clearTimeout(late);
  closeAll();
}

function liveKeys(probe: Probe | null, load: ReferenceLoad | null): readonly Choice[] {
  const probed = probe?.live.items() ?? [];
  return [
    ...(load?.finalReads() ?? []),
    ...probed.map((key): Choice => ({ f: "read", key, value: null, role: "readback" })),
  ];
}

async function readAll(
  options: WorkloadOptions,
  keys: readonly Choice[],
  withinUs: Micros,
): Promise<void> {
  if (keys.length === 0) return;
  const bulk = createBulk(options, READ_CONNECTIONS);
  const batch = bulk.start(keys, true);
  const late = setTimeout(
    () => {
      batch.abandon();
      bulk.close();
    },
    Math.max(0, withinUs / 1_000),
  );
  await batch.served;
  clearTimeout(late);
  bulk.close();
}
