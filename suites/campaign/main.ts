/**
 * Seeds of every scenario in simulated time, round after round, for so many minutes or so many seeds each. A seed that does not pass is printed with the command
 * that repeats it, and the campaign goes on. What came of it is written into docs/measurements.md.
 * Usage: npm run campaign [-- --minutes 20 | --seeds 2000] [-- --from 1]. Exit 1 when a seed did not pass.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadScenario, scenarioNames } from "../../chaos/plan/catalogue.ts";
import { writeSection } from "../bench/section.ts";
import { type Round, renderCampaign, type Tally } from "./report.ts";

const BIN = fileURLToPath(new URL("../../../harness/cli/bin.js", import.meta.url));
/** Seeds of a scenario in a round: some seconds on 2 cores. */
const CHUNK = 50;
const MINUTES = 20;
const FAILED_STATUS = 1;

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

function main(): void {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string" },
      seeds: { type: "string" },
      from: { type: "string", default: "1" },
    },
  });
  const seedsEach = values.seeds === undefined ? Number.POSITIVE_INFINITY : Number(values.seeds);
  const minutes = Number(
    values.minutes ?? (values.seeds === undefined ? MINUTES : Number.MAX_SAFE_INTEGER),
  );
  const began = performance.now();
  const isOver = (): boolean => performance.now() - began > minutes * 60_000;
  const names = scenarioNames().filter((name) => loadScenario(name).beds.includes("sim"));
  const tallies = new Map(names.map((name): [string, Tally] => [name, { seeds: 0, bad: [] }]));
  const from = Number(values.from);
  for (let done = 0; done < seedsEach && !isOver(); done += CHUNK) {
    for (const name of names) {
      if (isOver()) break;
      const first = from + done;
      const last = first + Math.min(CHUNK, seedsEach - done) - 1;
      const { n, bad } = runSeeds(name, first, last);
      const tally = tallies.get(name) ?? { seeds: 0, bad: [] };
      tallies.set(name, { seeds: tally.seeds + n, bad: [...tally.bad, ...bad] });
      for (const line of bad) say(line);
    }
    const all = [...tallies.values()];
    const seeds = all.reduce((sum, tally) => sum + tally.seeds, 0);
    const failures = all.reduce((sum, tally) => sum + tally.bad.length, 0);
    const spent = (performance.now() - began) / 60_000;
    say(`${spent.toFixed(1)} min: ${seeds} seeds, ${failures} did not pass`);
  }
  const text = renderCampaign(tallies, {
    date: new Date().toISOString().slice(0, 10),
    commit: execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim(),
    cores: cpus().length,
    node: process.version,
    minutes: (performance.now() - began) / 60_000,
    from,
  });
  writeSection("campaign", text);
  process.stdout.write(`${text}\n`);
  const isClean = [...tallies.values()].every(({ bad }) => bad.length === 0);
  process.exitCode = isClean ? 0 : FAILED_STATUS;
}

function runSeeds(name: string, first: number, last: number): Round {
  const out = mkdtempSync(join(tmpdir(), "faultline-campaign-"));
  const seeds = `${first}..${last}`;
  const args = [BIN, "run", name, "--bed", "sim", "--seeds", seeds, "--out", out, "--json"];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    maxBuffer: 64 * 1_024 * 1_024,
  });
  const round = roundOf(name, stdout, stderr);
  // What failed is repeated by its seed: the record of a simulated run adds nothing.
  rmSync(out, { recursive: true, force: true });
  return round;
}

function roundOf(name: string, stdout: string, stderr: string): Round {
  let summary: { readonly n?: number; readonly counts?: { readonly pass?: number } };
  try {
    // The other end is this program.
    summary = JSON.parse(stdout) as typeof summary;
  } catch {
    return { n: 0, bad: [`${name}: ${stderr.trim().split("\n").at(-1) ?? "no answer"}`] };
  }
  const { n = 0, counts = {} } = summary;
  const missing = n - (counts.pass ?? 0);
  if (missing === 0) return { n, bad: [] };
  return { n, bad: [`${name}: ${missing} of ${n} did not pass: ${stdout.slice(0, 2_000)}`] };
}

main();
