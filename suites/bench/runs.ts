/** Whole runs of scenarios as a user starts them: what they came to, how long they took, and whether a seed repeats. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { fact, figure, type Row } from "./row.ts";
import { type Batch, runBatch, withRecords } from "./scenario-batch.ts";

const SCENARIOS = ["level2/kill-active", "level2/isolate-active"] as const;

export function runs(bench: Bench): Promise<readonly Row[]> {
  return withRecords(async (out) => {
    const sim = SCENARIOS.map((scenario) => {
      bench.say(`runs: ${scenario} in sim`);
      return runBatch(scenario, { bed: "sim", count: bench.count(50, 200), out });
    });
    bench.say("runs: level2/kill-active in local");
    const local = runBatch(SCENARIOS[0], { bed: "local", count: bench.count(5, 20), out });
    const records = local.results.map(({ record }) => record);
    return [
      ...sim.map((batch) => passesRow(`\`${batch.scenario}\` in \`sim\``, batch)),
      passesRow("`level2/kill-active` in `local`, reference workload", local),
      figure(
        "`up()` to the first PONG at the VM's address, duplex, the client process's start included",
        records.flatMap(firstPongMs),
        { unit: "ms", bounds: [{ of: "p50", atMost: 1_500 }] },
      ),
      figure("a whole `kill-active` run in `local`, start to verdict", records.map(tookMs), {
        unit: "ms",
        bounds: [{ of: "max", atMost: 12_000 }],
      }),
      repeatRow(bench, out),
    ];
  });
}

export function passesRow(what: string, batch: Batch): Row {
  const { n, counts, lost, silentBlocks, results } = batch;
  const { pass, fail, unknown, broken } = counts;
  const bad = results.find(({ verdict }) => verdict !== "pass");
  const first = bad === undefined ? "" : `; seed ${bad.seed} ${bad.verdict}: ${bad.why.join("; ")}`;
  const found = `${pass} of ${n} pass (${fail} fail, ${unknown} unknown, ${broken} broken); ${lost} acknowledged writes lost, ${silentBlocks} blocks diverged silently${first}`;
  return fact(what, found, {
    target: "all pass, 0 lost, 0 silent",
    isMet: pass === n && lost + silentBlocks === 0,
    by: `${n - pass} of ${n}`,
  });
}

/** Unit: milliseconds. */
function firstPongMs(record: string): readonly number[] {
  for (const line of readFileSync(join(record, "history.ndjson"), "utf8").split("\n")) {
    const found = line === "" ? null : (JSON.parse(line) as { phase?: string; at?: number });
    if (found?.phase === "warm-up") return [(found.at ?? 0) / 1_000];
  }
  return [];
}

function tookMs(record: string): number {
  const environment: unknown = JSON.parse(readFileSync(join(record, "environment.json"), "utf8"));
  return (environment as { readonly tookMs: number }).tookMs;
}

/** One seed twice: the same bytes, or not. */
function repeatRow(bench: Bench, out: string): Row {
  bench.say("runs: one seed twice");
  const isSame = SCENARIOS.every((scenario) => {
    const [one = "", two = ""] = [1, 2].map(
      () => runBatch(scenario, { bed: "sim", count: 1, out }).results[0]?.record ?? "",
    );
    return ["history.ndjson", "events.ndjson"].every((file) =>
      readFileSync(join(one, file)).equals(readFileSync(join(two, file))),
    );
  });
  return fact(
    "one seed twice in `sim`, both scenarios: `history.ndjson`, `events.ndjson`",
    isSame ? "byte-identical" : "different",
    { target: "byte-identical", isMet: isSame },
  );
}
