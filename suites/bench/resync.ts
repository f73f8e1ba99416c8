/**
 * What a resync moves, and how fast. A delta is counted against what the disks say just before it; a full one is timed beside a bare loop of the
 * same frames. What the guest notices of one is in guest-latency.ts.
 */
import { auditDisks } from "../../harness/check/divergence.ts";
import type { DiskSource, Rig } from "../../harness/rig/rig.ts";
import { BLOCK_SIZE } from "../../node/core/units.ts";
import type { Bench } from "./bench.ts";
import type { LoadSpec } from "./closed-loop.ts";
import { markedExtents } from "./intent-count.ts";
import { type LoadBed, startLoadBed } from "./load-bed.ts";
import type { StreamResult, StreamSpec } from "./load-port.ts";
import { resyncSince, until, untilRedundant, VOLUME_BLOCKS } from "./pair.ts";
import { figure, type Row } from "./row.ts";

const RUNNER = "a";
const STANDBY = "b";
const MIB = 1_024 * 1_024;
const VOLUME_BYTES = VOLUME_BLOCKS * BLOCK_SIZE;
/** After its last write an intent may stay set so long. Unit: microseconds. */
const INTENTS_GONE_AFTER_US = 5_000_000;
/** Writes while alone: a delta of a few mebibytes. */
const DELTA_WRITES = 600;

export async function resyncs(bench: Bench): Promise<readonly Row[]> {
  const bare = await startLoadBed("bare-host");
  try {
    const pair = await startLoadBed("block-host");
    try {
      const fill: LoadSpec = {
        count: VOLUME_BLOCKS,
        inFlight: 16,
        order: "sequential",
        blocks: VOLUME_BLOCKS,
        seed: 0,
      };
      await bare.ask(fill);
      await pair.ask(fill);
      return [...(await deltas(bench, pair)), ...(await fullOnes(bench, { bare, pair }))];
    } finally {
      await pair.close();
    }
  } finally {
    await bare.close();
  }
}

interface Delta {
  /** Payload ÷ bytes that differed. */
  readonly payload: number;
  /** Extents compared ÷ extents marked on either disk. */
  readonly compared: number;
}

async function deltas(bench: Bench, pair: LoadBed): Promise<readonly Row[]> {
  const found: Delta[] = [];
  const intents: number[] = [];
  for (let turn = 0; turn < bench.count(5, 20); turn += 1) {
    bench.say(`resync: delta ${turn + 1}`);
    found.push(await oneDelta(pair, turn));
    intents.push(await intentsLater(pair));
  }
  return [
    figure(
      "resync, delta: payload of `copy` ÷ bytes that differed",
      found.map(({ payload }) => payload),
      { unit: "", decimals: 3, bounds: [{ of: "max", atMost: 1.1 }] },
    ),
    figure(
      "resync, delta: extents compared ÷ extents dirty or in either intent log",
      found.map(({ compared }) => compared),
      { unit: "", decimals: 3, bounds: [{ of: "max", atMost: 1 }] },
    ),
    figure("intent bits set on both disks 5 s after the last write", intents, {
      unit: "bits",
      bounds: [{ of: "max", atMost: 0 }],
    }),
  ];
}

async function oneDelta(pair: LoadBed, turn: number): Promise<Delta> {
  const { rig } = pair;
  // The standby dies with writes of its own in its intent log.
  await pair.ask(writes(100, turn * 2));
  await rig.kill(STANDBY);
  await until(rig, "the runner alone", () =>
    rig.hosts().some(({ host, right }) => host === RUNNER && right === "sole"),
  );
  await pair.askAlone(writes(DELTA_WRITES, turn * 2 + 1));
  const before = await pair.usage([RUNNER]);
  const { differing, marked } = withDisks(rig, (left, right) => {
    const [here, there] = [markedExtents(left), markedExtents(right)];
    const extents = new Set([...here.dirty, ...here.intents, ...there.intents]);
    return { differing: auditDisks(left, right).divergence.knownBlocks, marked: extents.size };
  });
  if (differing === 0) throw new Error("no block differed: nothing was measured");
  await rejoin(rig);
  const after = await pair.usage([RUNNER]);
  const sent = (key: "copyBytes" | "extentsCompared"): number =>
    (after[0]?.[key] ?? 0) - (before[0]?.[key] ?? 0);
  return {
    payload: sent("copyBytes") / (differing * BLOCK_SIZE),
    compared: sent("extentsCompared") / marked,
  };
}

/** After a few more writes, so that both disks had bits set. */
async function intentsLater(pair: LoadBed): Promise<number> {
  const { rig } = pair;
  await pair.ask(writes(50, 77));
  await rig.until(rig.now() + INTENTS_GONE_AFTER_US);
  return withDisks(rig, (left, right) =>
    [left, right].reduce((sum, disk) => sum + markedExtents(disk).intents.size, 0),
  );
}

async function fullOnes(
  bench: Bench,
  { bare, pair }: { readonly bare: LoadBed; readonly pair: LoadBed },
): Promise<readonly Row[]> {
  const speeds: { readonly bare: number; readonly pair: number }[] = [];
  for (let turn = 0; turn < bench.count(5, 15); turn += 1) {
    bench.say(`resync: full ${turn + 1}`);
    const spec: StreamSpec = { streamBytes: VOLUME_BYTES };
    await restartBare(bare);
    // What the load's half of this program answers.
    const { elapsedUs } = (await bare.ask(spec)) as StreamResult;
    speeds.push({ bare: speedOf(VOLUME_BYTES, elapsedUs), pair: await oneFull(pair) });
  }
  const median = (who: "bare" | "pair"): string => {
    const sorted = speeds.map((speed) => speed[who]).sort((left, right) => left - right);
    return (sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(0);
  };
  return [
    figure(
      "resync, full, no guest load: throughput ÷ bare loop's",
      speeds.map((speed) => speed.pair / speed.bare),
      {
        unit: "",
        decimals: 2,
        bounds: [{ of: "p50", atLeast: 0.7 }],
        note: `both receivers have just started on an empty file; medians, MiB/s: bare ${median("bare")}, resync ${median("pair")}; 64 MiB`,
      },
    ),
  ];
}

/** The target of a full resync is a process that has just started, on an empty disk: so is the bare loop's. */
async function restartBare({ rig }: LoadBed): Promise<void> {
  const ups = (): number => rig.events().filter(({ what }) => what === "bare-path-up").length;
  const before = ups();
  await rig.kill(STANDBY);
  await rig.replaceDisk(STANDBY, null);
  await rig.start(STANDBY);
  // One word from each side.
  await until(rig, "connected", () => ups() >= before + 2);
}

/** Unit: MiB/s, of payload. */
async function oneFull(pair: LoadBed): Promise<number> {
  const { rig } = pair;
  const [before] = await pair.usage([RUNNER]);
  await rig.kill(STANDBY);
  await rig.replaceDisk(STANDBY, null);
  const since = rig.now();
  await rejoin(rig);
  const [after] = await pair.usage([RUNNER]);
  const { from, to } = resyncSince(rig.events(), since);
  return speedOf((after?.copyBytes ?? 0) - (before?.copyBytes ?? 0), to - from);
}

async function rejoin(rig: Rig): Promise<void> {
  await rig.start(STANDBY);
  await untilRedundant(rig);
}

function withDisks<Found>(rig: Rig, look: (left: DiskSource, right: DiskSource) => Found): Found {
  const disks = rig.disks();
  try {
    const [left, right] = disks;
    if (left === undefined || right === undefined) throw new Error("there are not two disks");
    return look(left, right);
  } finally {
    for (const disk of disks) disk.close();
  }
}

function writes(count: number, seed: number): LoadSpec {
  return { count, inFlight: 8, order: "random", blocks: VOLUME_BLOCKS, seed: seed + 1_000 };
}

function speedOf(bytes: number, spanUs: number): number {
  return bytes / MIB / (spanUs / 1e6);
}
