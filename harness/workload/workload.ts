/** The workload of one run: waits for the guest, loads it, and at the end reads every key that may be there. */
import type { Micros } from "../record/types.ts";
import type { WorkloadSpec } from "../rig/rig.ts";
import { createBulk } from "./bulk.ts";
import type { Choice } from "./choice.ts";
import { type ClosedLoopClient, startClient } from "./client.ts";
import { createConnection, type Target } from "./connection.ts";
import { startLagMeter } from "./lag-meter.ts";
import { type KeySpace, keySpacesOf, type Place, placesOf, type SiteTarget } from "./places.ts";
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
  readonly spec: Omit<WorkloadSpec, "sites">;
  /** One entry a site. */
  readonly targets: readonly SiteTarget<Target>[];
  readonly recorder: Recorder;
  readonly now: () => Micros;
  /** Live keys of the probes, and written once by clients. Default 8,000 each. */
  readonly liveMax?: number;
}

const LIVE_MAX = 8_000;
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

/** A place's open loop. */
interface Probing {
  readonly place: Place<Target>;
  readonly probe: Probe;
  readonly cleaner: ProbeCleaner;
}

/** Begins with the warm-up, now. */
export function startWorkload(options: WorkloadOptions): RunningWorkload {
  const { recorder, now, spec, targets, liveMax = LIVE_MAX } = options;
  recorder.phase("warm-up");
  let isFaultWindow = false;
  const lag = startLagMeter(now, (lagUs) => recorder.lag(lagUs));
  const places = placesOf(targets, recorder);
  const spaces = keySpacesOf(spec, places, liveMax);
  const probing = spec.kind === "none" ? [] : startProbes(options, places, (us) => lag.observe(us));
  const clients = spaces.flatMap((space) =>
    space.clients.map(({ place, client }) =>
      startClient({
        ...place,
        load: client,
        thinkMs: spec.thinkMs,
        isFaultWindow: () => isFaultWindow,
      }),
    ),
  );
  return {
    phase(name) {
      isFaultWindow = name === "fault";
      for (const { cleaner } of probing) {
        if (isFaultWindow) void cleaner.pause();
        else cleaner.resume();
      }
      recorder.phase(name);
    },
    async finish(deadline) {
      await endLoad({ recorder, probing, clients }, deadline - now());
      recorder.phase("final-reads");
      const withinUs = deadline - now();
      await Promise.all(spaces.map((space) => readAll(space, liveKeys(space, probing), withinUs)));
      lag.stop();
      recorder.phase("end");
    },
  };
}

function startProbes(
  { now, liveMax = LIVE_MAX }: WorkloadOptions,
  places: readonly Place<Target>[],
  late: (lateUs: number) => void,
): readonly Probing[] {
  return places.map((place) => {
    const probe = startProbe({ ...place, now, late });
    const own = Math.ceil(liveMax / places.length);
    const cleaner = startProbeCleaner({ ...place, live: probe.live, liveMax: own });
    return { place, probe, cleaner };
  });
}

async function endLoad(
  by: {
    readonly recorder: Recorder;
    readonly probing: readonly Probing[];
    readonly clients: readonly ClosedLoopClient[];
  },
  withinUs: Micros,
): Promise<void> {
  const closeAll = (): void => {
    for (const { probe, cleaner } of by.probing) {
      probe.close();
      cleaner.close();
    }
    for (const client of by.clients) client.close();
  };
  for (const { probe } of by.probing) probe.stop();
  for (const client of by.clients) client.stop();
  const late = setTimeout(closeAll, Math.max(0, withinUs / 1_000));
  await Promise.all(by.probing.map(({ cleaner }) => cleaner.pause()));
  await by.recorder.idle();
  clearTimeout(late);
  closeAll();
}

function liveKeys(
  { load, places }: KeySpace<Target>,
  probing: readonly Probing[],
): readonly Choice[] {
  const probed = probing
    .filter(({ place }) => places.includes(place))
    .flatMap(({ probe }) => probe.live.items());
  return [
    ...(load?.finalReads() ?? []),
    ...probed.map((key): Choice => ({ f: "read", key, value: null, role: "readback" })),
  ];
}

async function readAll(
  { places }: KeySpace<Target>,
  keys: readonly Choice[],
  withinUs: Micros,
): Promise<void> {
  if (keys.length === 0) return;
  const bulk = createBulk(places, READ_CONNECTIONS);
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
