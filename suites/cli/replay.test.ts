/**
 * Goal: a simulated run comes out again to the byte in another process, a change of one byte is found, and a plan that fails is reduced to one that fails
 * for the same reason, from the command line.
 * Method: the built command, and a copy of it with a planted mistake; usage, for which nothing runs, by the commands' own functions.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import t from "tap";
import { loadScenario } from "../../chaos/plan/catalogue.ts";
import { parsePlan, planRun } from "../../chaos/plan/plan.ts";
import { planSwarm } from "../../chaos/swarm/draw-plan.ts";
import { reportFailure } from "../../harness/cli/failure.ts";
import { type ReplayCommandOptions, replayCommand } from "../../harness/cli/replay-command.ts";
import { shrinkCommand } from "../../harness/cli/shrink-command.ts";
import { differenceOf } from "../../harness/record/first-difference.ts";
import { MUTATIONS } from "../planted/mutations.ts";
import { plant } from "../planted/plant.ts";

const ROOT = process.cwd();
/** Drawn once and kept: what a seed draws may change. */
const FORTY = join(ROOT, "suites/cli/stored/forty-faults.json");
const SHORT = ["--seed", "3", "--bed", "sim", "--workload", "short"];
const cwd = realpathSync(mkdtempSync(join(tmpdir(), "faultline-replay-")));
t.teardown(() => rmSync(cwd, { recursive: true, force: true }));

interface Ended {
  readonly status: number | undefined;
  readonly out: string;
  readonly err: string;
}

async function faultline(root: string, ...args: readonly string[]): Promise<Ended> {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  const main = join(root, "dist/harness/cli/main.js");
  const run = await execa(process.execPath, [main, ...args], {
    ...{ cwd, env, extendEnv: false, reject: false, stdin: "ignore" },
    ...{ timeout: 120_000, stripFinalNewline: false },
  });
  return { status: run.exitCode, out: run.stdout, err: run.stderr };
}

const shell = (out: string[], err: string[]) => {
  const screen = { width: 80, colour: false, isTty: false };
  return {
    ...{ env: {}, cwd, packageRoot: ROOT, signal: new AbortController().signal },
    ...{ outScreen: screen, errScreen: screen },
    out: (text: string) => out.push(text),
    err: (text: string) => err.push(text),
  };
};

async function here(command: (by: ReturnType<typeof shell>) => Promise<number>): Promise<Ended> {
  const [out, err]: [string[], string[]] = [[], []];
  const by = shell(out, err);
  const status = await command(by).catch((error: unknown) => reportFailure(error, by));
  return { status, out: out.join(""), err: err.join("") };
}

const replayHere = (run: string, options: Partial<ReplayCommandOptions> = {}): Promise<Ended> =>
  here((by) => replayCommand(run, { lines: 5, out: ".faultline", json: false, ...options }, by));
const shrinkHere = (run: string): Promise<Ended> =>
  here((by) => shrinkCommand(run, { seconds: 60, json: false }, by));

/** A copy of the recorded run in which one file is another one. */
function changed(name: string, file: string, change: (text: string) => string): string {
  cpSync(join(cwd, "run"), join(cwd, name), { recursive: true });
  const path = join(cwd, name, file);
  writeFileSync(path, change(readFileSync(path, "utf8")));
  return name;
}

/** Folder of a run that was never made. */
function forge(name: string, plan: unknown, verdict: unknown): string {
  mkdirSync(join(cwd, name), { recursive: true });
  writeFileSync(join(cwd, name, "plan.json"), JSON.stringify(plan));
  if (verdict !== null) writeFileSync(join(cwd, name, "verdict.json"), JSON.stringify(verdict));
  return name;
}

await t.test("the first difference is found, with both lines", (t) => {
  const of = (left: string, right: string) => differenceOf(Buffer.from(left), Buffer.from(right));
  t.equal(of("a\nb\n", "a\nb\n"), null);
  t.same(of("a\nbcd\n", "a\nbXd\n"), { line: 2, column: 1, left: "bcd", right: "bXd" });
  t.same(of("a\n", "a\nb\n"), { line: 2, column: 0, left: null, right: "b" }, "one has ended");
  t.same(of("a\nb", "a\nb\n"), { line: 2, column: 1, left: "b", right: "b" }, "no line end");
  t.same(of("", "x"), { line: 1, column: 0, left: null, right: "x" });
  t.match(of("é€\nx1", "é€\nx2"), { line: 2, column: 1 });
  t.end();
});

await t.test("a simulated run comes out again to the byte, from its folder alone", async (t) => {
  const ran = await faultline(ROOT, "run", "level2/kill-active", ...SHORT);
  t.equal(ran.status, 0, ran.err);
  cpSync(realpathSync(join(cwd, ".faultline/runs/latest")), join(cwd, "run"), { recursive: true });
  const again = await faultline(ROOT, "replay", ".faultline/runs/latest");
  t.equal(again.status, 0, again.err);
  t.match(again.out, /^identical {2}events\.ndjson and history\.ndjson, to the byte\n/);
  t.match(again.out, /\n\.faultline\/runs\/\S+-level2-kill-active-3\n$/);
});

await t.test("a plan file alone is run, and compared with nothing", async (t) => {
  cpSync(join(cwd, "run/plan.json"), join(cwd, "alone.json"));
  const { status, out } = await replayHere("alone.json", { json: true });
  t.equal(status, 0, "that of the verdict");
  t.match(JSON.parse(out), { isIdentical: false, compared: [], verdict: { verdict: "pass" } });
});

await t.test("a changed line is found; of another commit it is no finding", async (t) => {
  const bad = changed("bad", "history.ndjson", (text) => text.replace('"at":', '"at":1'));
  const found = await replayHere(bad);
  t.equal(found.status, 1, found.err);
  t.match(found.out, /^DIFFERENT {2}from history\.ndjson, line 2 on\n {2}stored +.*"at":1/);
  t.ok(
    found.out
      .split("\n")
      .slice(0, 3)
      .every((line) => line.length <= 80),
    "cut to the screen",
  );
  const verdict = join(cwd, bad, "verdict.json");
  writeFileSync(
    verdict,
    readFileSync(verdict, "utf8").replace(/"commit": *"[^"]*"/, '"commit": "c0ffee"'),
  );
  const other = await replayHere(bad, { json: true });
  t.equal(other.status, 2, "two programs");
  t.match(JSON.parse(other.out), {
    ...{ isIdentical: false, difference: { file: "history.ndjson", line: 2 } },
    commits: { stored: "c0ffee" },
  });
});

await t.test("--until stops at an event or an instant and shows the hosts", async (t) => {
  const stopped = await replayHere("run", { until: "60" });
  t.equal(stopped.status, 0, stopped.err);
  t.match(stopped.out, /stopped at [\d.]+ ms, after event \d+\n {2}a +alive true, derived /);
  t.match(stopped.out, /the same events up to here, to the byte/);
  const { atUs, line, hosts, last } = JSON.parse(
    (await replayHere("run", { until: "1500ms", json: true })).out,
  ) as Readonly<Record<"atUs" | "line", number> & Record<"hosts" | "last", readonly unknown[]>>;
  t.ok(atUs <= 1_500_000 && atUs > 1_400_000 && line > 60, `${atUs} µs, event ${line}`);
  t.equal(hosts.length, 2);
  t.equal(last.length, 6);
  const lines = readFileSync(join(cwd, "run/events.ndjson"), "utf8").trimEnd().split("\n");
  const at = (text: string | undefined): number => (JSON.parse(text ?? "{}") as { at: number }).at;
  t.ok(at(lines[line]) > 1_500_000, "the next event comes later");
  const end = await replayHere("run", { until: String(lines.length), json: true });
  t.match(JSON.parse(end.out), { line: lines.length }, "the last event of all, of the teardown");
  const beyond = await replayHere("run", { until: String(lines.length + 1) });
  t.equal(beyond.status, 4);
  t.match(beyond.err, /the run ended at [\d.]+ ms without coming there/);
  t.match(
    (await replayHere("run", { until: "soon" })).err,
    /neither the number of an event nor an instant/,
  );
  const cut = changed("cut", "events.ndjson", (text) => text.slice(0, 3_000));
  t.equal((await replayHere(cut, { until: "60" })).status, 0, "the same as far as the record goes");
  const off = changed("off", "events.ndjson", (text) => text.replace('"state"', '"stale"'));
  const differs = await replayHere(off, { until: "60" });
  t.equal(differs.status, 2);
  t.match(differs.out, /not the same events up to here/);
});

await t.test("what cannot be done is refused before anything runs", async (t) => {
  const local = forge("local", planSwarm("calm", { seed: 1, bed: "local" }), null);
  const refused: readonly (readonly [Promise<Ended>, RegExp])[] = [
    [replayHere("nowhere"), /there is no nowhere\nhint: Name a run's folder/],
    [replayHere("."), /is a folder without plan\.json/],
    [replayHere("run", { times: 3 }), /--times and --host-command are for real processes/],
    [replayHere(local, { until: "5" }), /--until is for simulated time, this run is of bed local/],
    [replayHere(local), /no verdict lies beside the plan/],
    [shrinkHere(local), /real time cannot be repeated exactly.*\nhint: .*faultline replay local/],
    [shrinkHere("run"), /the verdict of run is pass: only a failure can be kept/],
    [shrinkHere(forge("none", planSwarm("calm", { seed: 1, bed: "sim" }), null)), /has no verdict/],
  ];
  for (const [ended, words] of refused) {
    const { status, err } = await ended;
    t.equal(status, 4, err);
    t.match(err, words);
  }
  const fixed = changed("fixed", "verdict.json", (text) =>
    text.replace(/"verdict": *"pass"/g, '"verdict": "fail"'),
  );
  t.match(
    (await shrinkHere(fixed)).err,
    /the plan does not fail for that reason any more\nhint: .*commit/,
  );
});

await t.test("a plan of real processes is repeated and counted", async (t) => {
  const plan = planRun(loadScenario("level2/kill-active"), {
    seed: 3,
    bed: "local",
    workload: "short",
  });
  const check = { name: "durability", verdict: "fail", why: "lost" };
  forge("real", plan, { schema: 1, verdict: "fail", commit: "c0ffee", checks: [check] });
  const { status, out, err } = await faultline(ROOT, "replay", "real", "--times", "1");
  t.equal(status, 1, err);
  t.match(out, /otherwise +pass\n +\.faultline\/runs\/\S+\n/);
  t.match(out, /\n0 of 1 runs came to the stored verdict \(fail: durability\)\n/);
});

await t.test("a failing plan of 40 faults is reduced to a few that fail again", async (t) => {
  const mutation = MUTATIONS.find(({ rule }) => rule === "P2, P4");
  if (mutation === undefined) throw new Error("the lease's mutation is gone");
  const root = plant(ROOT, mutation);
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const seed = ["--seed", "70", "--bed", "sim"];
  const ran = await faultline(root, "run", "swarm/everything", "--plan", FORTY);
  t.equal(ran.status, 1, ran.err);
  const { status, out, err } = await faultline(root, "shrink", ".faultline/runs/latest", "--json");
  t.equal(status, 0, err);
  const found = JSON.parse(out) as Readonly<Record<string, unknown>> & {
    readonly steps: { readonly before: number; readonly after: number };
    readonly reason: readonly string[];
    readonly scenario: string;
    readonly plan: string;
    readonly replay: string;
    readonly tries: number;
    readonly seconds: number;
  };
  t.match(found.steps, { before: 40 });
  t.ok(
    found.steps.after <= 4,
    `${found.steps.after} steps, ${found.tries} tries, ${found.seconds} s`,
  );
  t.ok(found.reason.some((word) => word.startsWith("invariants: ")));
  t.match(found.replay, `npx faultline run ${found.scenario} --seed 70 --bed sim`);
  const plan = (name: string) => parsePlan(readFileSync(join(cwd, name), "utf8"), name);
  t.same(plan(found.plan.replace(/json$/, "yaml")), plan(found.plan), "the same plan twice");
  const again = await faultline(root, "run", found.scenario, ...seed);
  t.equal(again.status, 1, again.err);
  const rule = found.reason.find((word) => word.startsWith("invariants: ")) ?? "no rule";
  t.ok(again.out.replace(/\s+/g, " ").includes(rule), "the same rule is broken");
  t.equal(
    (await faultline(ROOT, "run", found.scenario, ...seed)).status,
    0,
    "the true core passes",
  );
});
