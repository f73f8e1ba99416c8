/**
 * A durable mirrored 4 KiB write at the core's block port beside a bare loop: the same clients, frames and proxy, one process a side, pwrite and
 * fdatasync. Both clusters live at the same time and write in turns, so that the machine's other load meets both.
 */
import { percentile } from "../../harness/check/stats.ts";
import type { Bench } from "./bench.ts";
import type { LoadResult, LoadSpec } from "./closed-loop.ts";
import { type LoadBed, startLoadBed } from "./load-bed.ts";
import { VOLUME_BLOCKS } from "./pair.ts";
import { type Bound, figure, type Row } from "./row.ts";

/** As many extents as stay warm: a quarter of the volume (PROTOCOL: intents kept at most). */
const WARM_BLOCKS = VOLUME_BLOCKS / 4;
/** The first writes of a turn find their extents cold. */
const WARM_UP = 128;

interface Case {
  readonly name: string;
  readonly inFlight: number;
  readonly order: LoadSpec["order"];
  readonly blocks: number;
  /** Writes a turn. */
  readonly count: number;
  readonly bounds: { readonly latency?: Bound; readonly rate?: Bound };
}

const CASES: readonly Case[] = [
  {
    name: "1 in flight, random, warm extents",
    inFlight: 1,
    order: "random",
    blocks: WARM_BLOCKS,
    count: 300,
    bounds: { latency: { of: "p50", atMost: 1.5 } },
  },
  {
    name: "1 in flight, random over the whole volume: three of four extents are cold",
    inFlight: 1,
    order: "random",
    blocks: VOLUME_BLOCKS,
    count: 200,
    bounds: {},
  },
  {
    name: "32 in flight, random, warm extents",
    inFlight: 32,
    order: "random",
    blocks: WARM_BLOCKS,
    count: 3_000,
    bounds: { rate: { of: "p50", atLeast: 0.6 } },
  },
  {
    name: "32 in flight, random over the whole volume",
    inFlight: 32,
    order: "random",
    blocks: VOLUME_BLOCKS,
    count: 3_000,
    bounds: { rate: { of: "p50", atLeast: 0.6 } },
  },
  {
    name: "32 in flight, sequential",
    inFlight: 32,
    order: "sequential",
    blocks: VOLUME_BLOCKS,
    count: 6_000,
    bounds: { rate: { of: "p50", atLeast: 0.6 } },
  },
];

interface Turn {
  readonly p50Us: number;
  readonly p95Us: number;
  readonly perSecond: number;
  /** Of both hosts. Unit: microseconds a write. */
  readonly cpuUs: number;
  /** Of each host, a write. */
  readonly flushes: readonly number[];
}

export async function mirrorWrites(bench: Bench): Promise<readonly Row[]> {
  const bare = await startLoadBed("bare-host");
  try {
    const pair = await startLoadBed("block-host");
    try {
      return await compare(bench, { bare, pair });
    } finally {
      await pair.close();
    }
  } finally {
    await bare.close();
  }
}

async function compare(
  bench: Bench,
  beds: { readonly bare: LoadBed; readonly pair: LoadBed },
): Promise<readonly Row[]> {
  const fill = { count: VOLUME_BLOCKS, inFlight: 16, order: "sequential", seed: 0 } as const;
  // Blocks never written are allocated by the file system at their first flush: not what is measured here.
  for (const bed of [beds.bare, beds.pair]) await bed.ask({ ...fill, blocks: VOLUME_BLOCKS });
  const rows: Row[] = [];
  for (const one of CASES) {
    bench.say(`mirrored write: ${one.name}`);
    const turns: { readonly bare: Turn; readonly pair: Turn }[] = [];
    for (let turn = 0; turn < bench.count(10, 40); turn += 1) {
      const bare = await measure(beds.bare, one, turn);
      const pair = await measure(beds.pair, one, turn);
      turns.push({ bare, pair });
    }
    rows.push(...rowsOf(one, turns));
  }
  return rows;
}

async function measure(bed: LoadBed, one: Case, turn: number): Promise<Turn> {
  const { inFlight, order, blocks, count } = one;
  const spec: LoadSpec = {
    count,
    inFlight,
    order,
    blocks,
    seed: turn * 7_919 + 1,
    warmUp: WARM_UP,
  };
  const before = await bed.usage();
  // What the load's half of this program answers.
  const { latenciesUs, elapsedUs } = (await bed.ask(spec)) as LoadResult;
  const after = await bed.usage();
  const writes = count + WARM_UP;
  const used = (key: "cpuUs" | "flushes"): readonly number[] =>
    after.map((usage, host) => (usage[key] - (before[host]?.[key] ?? 0)) / writes);
  return {
    p50Us: percentile(latenciesUs, 0.5) ?? 0,
    p95Us: percentile(latenciesUs, 0.95) ?? 0,
    perSecond: (count / elapsedUs) * 1e6,
    cpuUs: used("cpuUs").reduce((sum, value) => sum + value, 0),
    flushes: used("flushes"),
  };
}

function rowsOf(
  { name, bounds }: Case,
  turns: readonly { readonly bare: Turn; readonly pair: Turn }[],
): readonly Row[] {
  const median = (pick: (turn: Turn) => number) => {
    const of = (who: "bare" | "pair"): string =>
      (
        percentile(
          turns.map((turn) => pick(turn[who])),
          0.5,
        ) ?? 0
      ).toFixed(2);
    return `bare ${of("bare")}, mirrored ${of("pair")}`;
  };
  const ratio = (pick: (turn: Turn) => number): readonly number[] =>
    turns.map(({ bare, pair }) => pick(pair) / pick(bare));
  const flushes = [0, 1].map((host) => median((turn) => turn.flushes[host] ?? 0));
  const cpu = median(({ cpuUs }) => cpuUs);
  return [
    figure(
      `${name}: latency ÷ bare loop's`,
      ratio(({ p50Us }) => p50Us),
      {
        unit: "",
        decimals: 2,
        ...(bounds.latency === undefined ? {} : { bounds: [bounds.latency] }),
        note: `medians of the turns' p50: ${median(({ p50Us }) => p50Us / 1_000)} ms; of their p95: ${median(({ p95Us }) => p95Us / 1_000)} ms; fdatasyncs a write, runner: ${flushes[0]}; standby: ${flushes[1]}`,
      },
    ),
    figure(
      `${name}: throughput ÷ bare loop's`,
      ratio(({ perSecond }) => perSecond),
      {
        unit: "",
        decimals: 2,
        ...(bounds.rate === undefined ? {} : { bounds: [bounds.rate] }),
        note: `medians, writes a second: ${median(({ perSecond }) => perSecond)}; CPU of both hosts, µs a write: ${cpu}`,
      },
    ),
  ];
}
