/**
 * Measures what README and docs/ promise, with the program as a user runs it, and writes docs/measurements.md.
 * Usage: npm run bench [-- --full]. Without --full 5 real and 50 simulated runs of a row, with it 20 and 200. Exit 1 when a target is missed.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";

const isFull = process.argv.includes("--full");
const COUNTS = isFull ? { sim: 200, local: 20 } : { sim: 50, local: 5 };
const out = mkdtempSync(join(tmpdir(), "faultline-bench-"));
const loadBefore = loadavg()[0];

function batch(scenario, bed, n) {
  process.stderr.write(`${scenario}, bed ${bed}, ${n} seeds ...\n`);
  const args = ["harness/cli/bin.js", "run", scenario, "--bed", bed, "--seeds", `1..${n}`];
  const run = spawnSync(process.execPath, [...args, "--out", out, "--json"], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(run.stdout);
}

const percentile = (values, share) => {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.ceil(Number((share * sorted.length).toFixed(9))) - 1] ?? null;
};
const summary = (values) => ({
  n: values.length,
  p50: percentile(values, 0.5),
  p95: percentile(values, 0.95),
  max: percentile(values, 1),
});

/** Unit: milliseconds. */
function linesOf(record, file, pick) {
  for (const line of readFileSync(join(record, file), "utf8").split("\n")) {
    const found = line === "" ? null : pick(JSON.parse(line));
    if (found !== null) return found;
  }
  return null;
}
const firstPong = (record) =>
  linesOf(record, "history.ndjson", (line) => (line.phase === "warm-up" ? line.at / 1_000 : null));
const tookMs = (record) =>
  JSON.parse(readFileSync(join(record, "environment.json"), "utf8")).tookMs;

const rows = [];
let missed = 0;
const ms = (value) => (value === null ? "unknown" : `${value.toFixed(0)} ms`);
function row(what, found, target, isMet) {
  rows.push(`| ${what} | ${found} | ${target} | ${isMet ? "met" : "**missed**"} |`);
  if (!isMet) missed += 1;
}
const spread = ({ n, p50, p95, max }) => `n = ${n}: p50 ${ms(p50)}, p95 ${ms(p95)}, max ${ms(max)}`;
function passes(label, result) {
  const { n, counts, lost, silentBlocks } = result;
  const said = `${counts.pass} of ${n} pass (${counts.fail} fail, ${counts.unknown} unknown, ${counts.broken} broken); ${lost} acknowledged writes lost, ${silentBlocks} blocks diverged silently`;
  row(label, said, "all pass, 0 lost, 0 silent", counts.pass === n && lost + silentBlocks === 0);
}

/** One seed twice: the same bytes, or not. */
function repeatsExactly(scenario) {
  const [one, two] = [1, 2].map(() => batch(scenario, "sim", 1).results[0].record);
  return ["history.ndjson", "events.ndjson"].every((file) =>
    readFileSync(join(one, file)).equals(readFileSync(join(two, file))),
  );
}

/** What the suite of planted mistakes says of each. */
function planted() {
  process.stderr.write("planted mistakes ...\n");
  const run = spawnSync(
    "node_modules/.bin/tap",
    ["suites/planted/planted.test.ts", "--reporter=tap"],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  const found = [
    ...run.stdout.matchAll(/# planted "([^"]+)": seed (\w+), ([^:]+): ([\w-]+): ([^\n]{0,80})/g),
  ];
  if (found.length === 0) throw new Error("the suite of planted mistakes said nothing");
  return found.map(([, name, seeds, scenario, check, why]) => ({
    name,
    seeds,
    said: `${scenario}, ${check}: ${why.replaceAll("|", "/")}`,
  }));
}

let loadAfter;
let results;
try {
  const kill = batch("level2/kill-active", "sim", COUNTS.sim);
  const isolate = batch("level2/isolate-active", "sim", COUNTS.sim);
  const local = batch("level2/kill-active", "local", COUNTS.local);
  loadAfter = loadavg()[0];
  results = { kill, isolate, local };
  passes("`level2/kill-active` in `sim`", kill);
  passes("`level2/isolate-active` in `sim` (safety only)", isolate);
  passes("`level2/kill-active` in `local`, reference workload", local);
  const gap = local.interruptionMs;
  const isQuick = gap.p50 !== null && gap.p50 <= 350 && gap.p95 <= 500;
  row(
    "interruption in `local`, SIGKILL of the active host",
    spread(gap),
    "p50 ≤ 350 ms, p95 ≤ 500 ms",
    isQuick,
  );
  for (const [name, label] of [
    ["detectMs", "detect"],
    ["arbitrateMs", "arbitrate"],
    ["startMs", "guest boot (this guest)"],
    ["serveMs", "serve"],
  ]) {
    row(`… stage ${label}`, spread(local.stages[name]), "–", true);
  }
  const records = local.results.map(({ record }) => record);
  const up = summary(records.map(firstPong).filter((value) => value !== null));
  row(
    "`up()` to the first PONG at the VM's address, duplex, the client process's start included",
    spread(up),
    "≤ 1,500 ms",
    up.p50 !== null && up.p50 <= 1_500,
  );
  const whole = summary(records.map(tookMs));
  row(
    "a whole `kill-active` run, start to verdict",
    spread(whole),
    "≤ 12,000 ms",
    whole.max !== null && whole.max <= 12_000,
  );
  const scenarios = ["level2/kill-active", "level2/isolate-active"];
  const isSame = scenarios.every(repeatsExactly);
  row(
    "one seed twice in `sim`, both scenarios: `history.ndjson`, `events.ndjson`",
    isSame ? "byte-identical" : "different",
    "byte-identical",
    isSame,
  );
  for (const { name, seeds, said } of planted()) {
    const isFound = Number(seeds) <= 500;
    row(
      `planted: ${name}`,
      `found by seed ${seeds} (${said})`,
      "≤ 500 seeds of both scenarios",
      isFound,
    );
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}

const commit = execFileSync("git", ["describe", "--always", "--dirty"], {
  encoding: "utf8",
}).trim();
const gib = (totalmem() / 2 ** 30).toFixed(0);
const text = `# Measurements

Written by \`npm run bench${isFull ? " -- --full" : ""}\`. Percentiles are nearest-rank. Interruption, resolution and stages are defined in
[record.md](record.md).

| condition | |
|---|---|
| date | ${new Date().toISOString().slice(0, 10)} |
| commit | ${commit} |
| machine | ${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), ${gib} GiB, Node ${process.version} |
| load average before and after (other programs included) | ${loadBefore.toFixed(2)}, ${loadAfter.toFixed(2)} |
| proxy in \`local\` | ${results.local.proxy} |
| interruptions unknown, because no service returned or the client was late by more than 25 ms (counted as measured + resolution) | ${results.local.coarse} of ${results.local.n} |

| what | found | target | |
|---|---|---|---|
${rows.join("\n")}
`;
writeFileSync("docs/measurements.md", text);
process.stdout.write(text);
if (missed > 0) process.exitCode = 1;
