/**
 * What the guest notices of a full resync: the same cluster under the reference workload, undisturbed and while its standby gets a blank disk filled,
 * in turns, so that the machine's other load meets both.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { operationsOf } from "../../harness/check/operations.ts";
import { percentile } from "../../harness/check/stats.ts";
import { startLocal } from "../../harness/local/start-local.ts";
import { readHistory } from "../../harness/record/reader.ts";
import { RUN_FILES } from "../../harness/record/run-folder.ts";
import type { Rig } from "../../harness/rig/rig.ts";
import type { Bench } from "./bench.ts";
import { REFERENCE, referenceLoad, resyncSince, untilRedundant } from "./pair.ts";
import { figure, type Row } from "./row.ts";

/** An undisturbed window, after the pair has been whole for the same time. Unit: microseconds. */
const CALM_US = 2_000_000;
const FINISH_WITHIN_US = 30_000_000;

interface Window {
  readonly from: number;
  readonly to: number;
}

interface Turn {
  readonly calm: Window;
  readonly resync: Window;
}

export async function guestLatency(bench: Bench): Promise<readonly Row[]> {
  const runDir = mkdtempSync(join(tmpdir(), "faultline-latency-"));
  const rig = await startLocal(REFERENCE, { runDir, scenario: "bench/latency", env: process.env });
  try {
    await untilRedundant(rig);
    const spec = referenceLoad("local", 2);
    const workload = await rig.startWorkload(spec);
    await rig.until(rig.now() + spec.warmUpMs * 1_000);
    await workload.phase("calm");
    const turns: Turn[] = [];
    for (let turn = 0; turn < bench.count(5, 15); turn += 1) {
      bench.say(`guest latency: turn ${turn + 1}`);
      turns.push(await oneTurn(rig));
    }
    await workload.finish(rig.now() + FINISH_WITHIN_US);
    await rig.teardown();
    return rowsOf(turns, join(runDir, RUN_FILES.history));
  } finally {
    await rig.teardown();
    rmSync(runDir, { recursive: true, force: true });
  }
}

async function oneTurn(rig: Rig): Promise<Turn> {
  await rig.until(rig.now() + CALM_US);
  const from = rig.now();
  await rig.until(from + CALM_US);
  const calm = { from, to: rig.now() };
  const standby = rig.resolve("standby");
  await rig.kill(standby);
  await rig.replaceDisk(standby, null);
  const since = rig.now();
  await rig.start(standby);
  await untilRedundant(rig);
  return { calm, resync: resyncSince(rig.events(), since) };
}

function rowsOf(turns: readonly Turn[], historyFile: string): readonly Row[] {
  const operations = operationsOf(readHistory(historyFile).lines);
  /** Of what was invoked in the window. Unit: milliseconds. */
  const latencies = ({ from, to }: Window): readonly number[] =>
    operations.flatMap(({ invokedAt, end }) =>
      invokedAt >= from && invokedAt < to && end.kind === "ok"
        ? [(end.at - invokedAt) / 1_000]
        : [],
    );
  const pairs = turns.map(({ calm, resync }) => {
    const [undisturbed, disturbed] = [latencies(calm), latencies(resync)];
    return {
      calm: undisturbed,
      beside: disturbed,
      undisturbed: percentile(undisturbed, 0.99) ?? Number.NaN,
      disturbed: percentile(disturbed, 0.99) ?? Number.NaN,
      operations: disturbed.length,
      spanMs: (resync.to - resync.from) / 1_000,
    };
  });
  const median = (pick: (pair: (typeof pairs)[number]) => number): number =>
    percentile(pairs.map(pick), 0.5) ?? Number.NaN;
  const note = [
    `medians of the p99: undisturbed ${median((pair) => pair.undisturbed).toFixed(1)} ms, in resync ${median((pair) => pair.disturbed).toFixed(1)} ms`,
    `a resync lasts ${median((pair) => pair.spanMs).toFixed(0)} ms with ${median((pair) => pair.operations).toFixed(0)} operations (medians)`,
  ].join("; ");
  const [calm, beside] = [pairs.flatMap((pair) => pair.calm), pairs.flatMap((pair) => pair.beside)];
  const p99 = (of: readonly number[]): number => percentile(of, 0.99) ?? Number.NaN;
  const pooled = `p99 of ${beside.length} operations in ${turns.length} resyncs ${p99(beside).toFixed(1)} ms, of ${calm.length} in ${turns.length} undisturbed windows ${p99(calm).toFixed(1)} ms`;
  return [
    figure(
      "guest p99 in a full resync under the reference workload ÷ undisturbed, turns in pairs",
      pairs.map(({ undisturbed, disturbed }) => disturbed / undisturbed),
      { unit: "", decimals: 2, bounds: [{ of: "p50", atMost: 3 }], note },
    ),
    figure("… the operations of all turns together", [p99(beside) / p99(calm)], {
      unit: "",
      decimals: 2,
      note: pooled,
    }),
  ];
}
