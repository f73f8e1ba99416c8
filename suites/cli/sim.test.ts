/**
 * Goal: a campaign of random plans is one command: it ends with numbers, stops at a failure, can be stopped and gone on with, and names what it never reached.
 * Method: the built command in simulated time; a planted program for the failure is suites/planted's business.
 */
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { execa } from "execa";
import t from "tap";
import { readCampaign } from "../../harness/record/campaign-file.ts";
import type { CampaignSummary } from "../../reports/campaign.ts";

const BIN = join(process.cwd(), "harness/cli/bin.js");
const cwd = realpathSync(mkdtempSync(join(tmpdir(), "faultline-sim-")));
t.teardown(() => rmSync(cwd, { recursive: true, force: true }));

function sim(...args: readonly string[]) {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  return execa(process.execPath, [BIN, "sim", ...args], {
    cwd,
    env,
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: 120_000,
  });
}

/** The program's own document. */
const summaryIn = (stdout: string): CampaignSummary => JSON.parse(stdout) as CampaignSummary;

await t.test("seeds that pass leave their numbers and no record", async (t) => {
  const { exitCode, stdout, stderr } = await sim("--seeds", "1..6", "--profile", "power");
  t.equal(exitCode, 0, stderr);
  t.match(stdout, /^PASS {2}swarm\/power, bed sim: 6 of 6 seeds\n/);
  t.match(stdout, /seeds\/s with \d+ threads; [\d.]+ × real time/);
  t.match(stdout, /marks +\d+ of \d+ rare branches reached/);
  t.ok(
    stdout.split("\n").every((line) => line.length <= 80),
    "80 columns",
  );
  t.notOk(existsSync(join(cwd, ".faultline/runs")), "no run folder");
});

await t.test("one thread or two come to the same marks; --json is one document", async (t) => {
  const of = async (jobs: string): Promise<CampaignSummary> => {
    const { stdout } = await sim("--seeds", "1..6", "--jobs", jobs, "--json");
    return summaryIn(stdout);
  };
  const [one, two] = [await of("1"), await of("2")];
  t.same(one.marks, two.marks);
  t.match(one, { seeds: 6, verdict: "pass", failures: [], broken: [], speed: { jobs: 1 } });
  t.ok(one.marksMissed.length > 0 && (one.marks["peer-suspected"] ?? 0) > 0);
  t.equal(one.speed.simulatedHours, two.speed.simulatedHours);
});

await t.test("a campaign without its marks is unknown when they are required", async (t) => {
  const { exitCode, stdout } = await sim("--seeds", "1..1", "--profile", "calm", "--require-marks");
  t.equal(exitCode, 2);
  t.match(stdout, /^UNKNOWN[\s\S]*missed +alone-by-policy/);
});

await t.test("a stopped campaign goes on where it was", async (t) => {
  const args = ["--seeds", "1..400", "--jobs", "2"];
  const run = sim(...args);
  const file = join(cwd, ".faultline/sim/everything-1-400.json");
  // It is saved while it runs.
  const deadline = performance.now() + 60_000;
  while (!existsSync(file) && performance.now() < deadline) await setImmediate();
  run.kill("SIGINT");
  const { exitCode } = await run;
  t.equal(exitCode, 130);
  const stopped = readCampaign(file);
  if (stopped === null) throw new Error(`${file} holds no campaign`);
  t.ok(stopped.done > 0 && stopped.done < 400, `${stopped.done} seeds are through`);
  const nearly = { ...stopped, done: 398, next: 399, early: [] };
  writeFileSync(file, JSON.stringify(nearly));
  const resumed = await sim(...args, "--resume", "--json");
  t.equal(resumed.exitCode, 0, resumed.stderr);
  const summary = summaryIn(resumed.stdout);
  t.equal(summary.seeds, 400, "two more seeds, and those before");
  t.ok(summary.speed.simulatedHours >= Math.floor(stopped.simulatedUs / 360e6) / 10);
  writeFileSync(file, JSON.stringify({ ...nearly, commit: "another" }));
  const other = await sim(...args, "--resume");
  t.equal(other.exitCode, 4);
  t.match(other.stderr, /is of commit another[\s\S]*hint: Leave --resume out/);
  writeFileSync(file, JSON.stringify(nearly).slice(0, 40));
  t.match((await sim(...args, "--resume")).stderr, /there is no campaign to resume/);
});

await t.test("wrong usage names what is known", async (t) => {
  const { exitCode, stderr } = await sim("--seeds", "1..2", "--profile", "chaos");
  t.equal(exitCode, 4);
  t.match(stderr, /Allowed choices are calm, network, disk, power, site, everything/);
  t.equal((await sim()).exitCode, 4);
});
