/**
 * Measures what README and docs/ promise, and writes docs/measurements.md.
 * Usage: npm run bench [-- --full] [-- --only <group> ...]. Exit 1 when a target is missed. With --only nothing is written.
 */
import { execFileSync } from "node:child_process";
import { cpus, loadavg, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { locateProxy } from "../../harness/proxy/find-proxy.ts";
import type { Bench } from "./bench.ts";
import { checkerRows } from "./checker.ts";
import { falseFailovers } from "./false-failovers.ts";
import { guestLatency } from "./guest-latency.ts";
import { kills } from "./kills.ts";
import { mirrorWrites } from "./mirror-write.ts";
import { planted } from "./planted.ts";
import { type MeasuredGroup, render } from "./report.ts";
import { resyncs } from "./resync.ts";
import { type Row, unmeasured } from "./row.ts";
import { runs } from "./runs.ts";
import { writeMeasurements } from "./section.ts";
import { standstills } from "./standstill.ts";

const WORST_STATUS = 1;
const USAGE_STATUS = 4;

interface Group {
  readonly title: string;
  measure(bench: Bench): Promise<readonly Row[]>;
}

/** In the order of the file. */
const GROUPS: Readonly<Record<string, Group>> = {
  kills: { title: "Kills in a row, `local`", measure: kills },
  standstill: { title: "Hosts that fall silent, `local`", measure: standstills },
  "mirror-write": {
    title: "A durable mirrored write of 4 KiB beside a bare loop",
    measure: mirrorWrites,
  },
  resync: { title: "Resync", measure: resyncs },
  "guest-latency": { title: "The guest beside a resync", measure: guestLatency },
  "false-failovers": { title: "False failovers", measure: falseFailovers },
  checker: {
    title: "The linearizability checker",
    measure: (bench) => checkerRows({ seeds: bench.isFull ? [1, 2, 3, 4, 5, 6] : [1, 2] }),
  },
  runs: { title: "Whole runs", measure: runs },
  planted: { title: "Planted mistakes", measure: planted },
};

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

async function main(): Promise<void> {
  const { full, only } = parseArgs({
    options: {
      full: { type: "boolean", default: false },
      only: { type: "string", multiple: true },
    },
  }).values;
  const unknown = only?.filter((name) => GROUPS[name] === undefined) ?? [];
  if (unknown.length > 0) {
    say(`no group is named ${unknown.join(", ")}; there are ${Object.keys(GROUPS).join(", ")}`);
    process.exit(USAGE_STATUS);
  }
  const bench: Bench = {
    isFull: full,
    count: (normal, most) => (full ? most : normal),
    say,
  };
  const chosen = Object.entries(GROUPS).filter(([name]) => only?.includes(name) !== false);
  const began = performance.now();
  const measured: MeasuredGroup[] = [];
  for (const [name, group] of chosen) measured.push(await measureGroup(name, group, bench));
  const text = render(measured, {
    command: `npm run bench${full ? " -- --full" : ""}`,
    conditions: conditions(began),
  });
  if (only === undefined) writeMeasurements(text);
  process.stdout.write(text);
  const isMissed = measured.some(({ rows }) => rows.some(({ missed }) => missed.length > 0));
  process.exit(isMissed ? WORST_STATUS : 0);
}

async function measureGroup(name: string, group: Group, bench: Bench): Promise<MeasuredGroup> {
  const loadBefore = loadavg()[0] ?? 0;
  const began = performance.now();
  const rows = await group
    .measure(bench)
    .catch((error: unknown) => [unmeasured(`group ${name}`, error)]);
  const seconds = (performance.now() - began) / 1_000;
  say(`${name}: ${seconds.toFixed(0)} s`);
  return { name, title: group.title, rows, seconds, loadBefore, loadAfter: loadavg()[0] ?? 0 };
}

function conditions(began: number): readonly (readonly [string, string])[] {
  const commit = execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" });
  const gib = (totalmem() / 2 ** 30).toFixed(0);
  const model = cpus()[0]?.model ?? "unknown";
  const minutes = (performance.now() - began) / 60_000;
  return [
    ["date", new Date().toISOString().slice(0, 10)],
    ["commit", commit.trim()],
    ["machine", `${cpus().length} cores (${model}), ${gib} GiB, Node ${process.version}`],
    ["proxy in `local`", proxyName()],
    ["took", `${minutes.toFixed(0)} min`],
  ];
}

function proxyName(): string {
  const found = locateProxy({ env: process.env });
  if (found?.kind === "embedded") return "embedded";
  if (found === null) return "toxiproxy, installed by the first run";
  return found.kind === "url" ? found.url : `toxiproxy ${found.version ?? "of its own version"}`;
}

main().catch((error: unknown) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exit(USAGE_STATUS);
});
