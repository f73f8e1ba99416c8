/**
 * Goal: a run ends with the verdict that its evidence deserves, leaves a readable folder and a torn-down bed, whatever went wrong.
 * Method: runs of the shipped scenarios on a bed in memory that does one thing wrong each; a fault's own promises on the same bed.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { inject } from "../../chaos/faults/registry.ts";
import { loadScenario } from "../../chaos/plan/catalogue.ts";
import { parsePlan, planRun } from "../../chaos/plan/plan.ts";
import { type RunOutcome, runScenario, type StartBed } from "../../chaos/run.ts";
import { HarnessError } from "../../harness/errors.ts";
import { readDocument, readEvents, readHistory } from "../../harness/record/reader.ts";
import type { RunEvent, VerdictDocument } from "../../harness/record/types.ts";
import type { Wrongs } from "./fake-parts.ts";
import { createFakeRig, type FakeRig } from "./fake-rig.ts";

const KILL = loadScenario("level2/kill-active");
const ISOLATE = loadScenario("level2/isolate-active");
const SEED = 7;
const NONE = { images: [] };

const root = mkdtempSync(join(tmpdir(), "faultline-run-"));
t.teardown(() => rmSync(root, { recursive: true, force: true }));

interface Ran extends RunOutcome {
  readonly rig: FakeRig | null;
}

async function run(
  wrongs: Wrongs,
  more: { scenario?: typeof KILL; startBed?: StartBed; signal?: AbortSignal } = {},
): Promise<Ran> {
  let rig: FakeRig | null = null;
  const start: StartBed = (spec, { runDir }) => {
    rig = createFakeRig(spec.preferred, runDir, wrongs);
    return Promise.resolve(rig);
  };
  const plan = planRun(more.scenario ?? KILL, { seed: SEED, bed: "sim" });
  const outcome = await runScenario(plan, {
    startBed: more.startBed ?? start,
    runRoot: root,
    startedAt: new Date(0),
    commit: "c0ffee",
    environment: { node: process.version },
    replayOf: (folder) => `again ${folder}`,
    onProgress: () => undefined,
    ...(more.signal === undefined ? {} : { signal: more.signal }),
  });
  return { ...outcome, rig };
}

const checkNamed = (verdict: VerdictDocument, name: string): string => {
  const check = verdict.checks.find((candidate) => candidate.name === name);
  return `${check?.verdict}: ${check?.why}`;
};

await t.test("a pair that takes over and loses nothing passes, with all figures", async (t) => {
  const { verdict, folder, rig, isInterrupted } = await run({});
  t.equal(verdict.verdict, "pass", JSON.stringify(verdict.checks));
  t.equal(isInterrupted, false);
  const [recovery] = verdict.recovery;
  t.match(recovery, { fault: "kill-host", target: rig?.resolve("standby"), redundantMs: null });
  // Writes last 1 ms, one every 2 ms: the last ack is at most 2 ms before the kill, the first one at most 4 ms after 200.
  t.ok((recovery?.interruptionMs ?? 0) >= 200, "the interruption covers the takeover");
  t.ok((recovery?.interruptionMs ?? 999) <= 206, "the interruption ends with the first write");
  t.same(verdict.divergence, { knownBlocks: 0, silentBlocks: 0, way: "none" });
  t.equal(verdict.lost.acknowledged, 0);
  t.equal(verdict.replay, `again ${folder}`);
  t.equal(verdict.proxy, "none (fake)");
  t.end();
});

await t.test("heal, final reads, quiesce, audit and teardown come in this order", async (t) => {
  const { rig } = await run({}, { scenario: ISOLATE });
  const words = rig?.calls.map((call) => call.split(" ")[0]);
  const first = ["quiesce", "disks", "release"];
  const last = ["finish", "quiesce", "disks", "teardown"];
  t.same(words, ["workload", "cut", "mend", ...first, ...last]);
  t.end();
});

await t.test("the folder holds what was planned, what happened, and the verdict", async (t) => {
  const { folder, verdict } = await run({});
  const names = [
    "plan.json",
    "environment.json",
    "history.ndjson",
    "events.ndjson",
    "verdict.json",
  ];
  for (const name of names) t.ok(readdirSync(folder).includes(name), name);
  t.same(readDocument(join(folder, "verdict.json")), verdict);
  const plan = readDocument(join(folder, "plan.json"));
  t.same(parsePlan(JSON.stringify(plan), "plan.json"), planRun(KILL, { seed: SEED, bed: "sim" }));
  t.ok(readHistory(join(folder, "history.ndjson")).lines.length > 1_000, "the history is whole");
  const { lines } = readEvents(join(folder, "events.ndjson"));
  const faults = lines.filter(({ what }) => what === "fault").map(({ state }) => state);
  t.same(faults, ["injected", "healed"]);
  t.equal(lines.filter(({ what }) => what === "converged").length, 1);
  t.end();
});

await t.test("what the pair does wrong fails the check that looks for it", async (t) => {
  const table: readonly (readonly [string, Wrongs])[] = [
    ["durability", { losesWrite: true }],
    ["divergence", { diverges: true }],
    ["divergence-at-end", { divergesLate: true }],
    ["convergence", { noTakeover: true }],
  ];
  for (const [name, wrongs] of table) {
    const { verdict, rig } = await run(wrongs);
    t.equal(verdict.verdict, "fail", name);
    t.match(checkNamed(verdict, name), /^fail/, name);
    t.equal(rig?.calls.at(-1), "teardown", name);
  }
  t.end();
});

await t.test("a fault that did not bite makes the run unknown", async (t) => {
  const missed = await run({ killMisses: true });
  t.equal(missed.verdict.verdict, "unknown");
  t.match(checkNamed(missed.verdict, "faults"), /^unknown.*alive after its kill/);
  const leak = await run({ leaksOn: "a>b/alink1" }, { scenario: ISOLATE });
  t.equal(leak.verdict.verdict, "unknown");
  t.match(checkNamed(leak.verdict, "faults"), /^unknown.*nothing was stopped on a>b\/alink1/);
  t.end();
});

await t.test("a pair that falls apart by itself is not hit, and the run is unknown", async (t) => {
  const { verdict, rig } = await run({ fallsApart: true });
  t.equal(verdict.verdict, "unknown");
  t.match(checkNamed(verdict, "faults"), /^unknown: none injected.*before any fault/);
  t.match(checkNamed(verdict, "durability"), /^pass/, "safety is judged all the same");
  const first = ["quiesce", "disks", "release"];
  t.same(rig?.calls, ["workload", ...first, "finish", "quiesce", "disks", "teardown"]);
  t.end();
});

await t.test("a kill with no write under way makes a simulated run unknown", async (t) => {
  const { verdict } = await run({ idle: true });
  t.equal(verdict.verdict, "unknown");
  t.match(checkNamed(verdict, "unfinished-write"), /^unknown: 0 writes/);
  t.end();
});

await t.test("a rig that fails makes the run broken, with code and hint", async (t) => {
  const table: readonly (readonly [string, Wrongs])[] = [
    ["NO_CONVERGENCE", { neverDuplex: true }],
    ["CONTROL_LOST", { killThrows: true }],
    ["LEFTOVERS", { leaves: "port 7001" }],
    ["INTERNAL", { teardownThrows: true }],
  ];
  for (const [code, wrongs] of table) {
    const { verdict, rig, folder } = await run(wrongs);
    t.equal(verdict.verdict, "broken", code);
    t.equal(verdict.broken?.code, code);
    t.ok(verdict.broken?.hint !== "", "there is a hint");
    t.equal(rig?.calls.at(-1), "teardown", code);
    t.match(readDocument(join(folder, "verdict.json")), { verdict: "broken" });
  }
  t.end();
});

await t.test("a bed that does not come up leaves a broken run with its plan", async (t) => {
  const startBed: StartBed = () =>
    Promise.reject(new HarnessError("PORT_TAKEN", "port 7001 is taken", { hint: "End it." }));
  const { verdict, folder } = await run({}, { startBed });
  t.equal(verdict.broken?.code, "PORT_TAKEN");
  t.equal(verdict.proxy, "none (not started)");
  t.ok(readdirSync(folder).includes("plan.json"), "the plan is kept");
  t.end();
});

await t.test("a rule that a simulated core breaks fails the run, by its name", async (t) => {
  const { verdict, folder } = await run({ breaksRule: true });
  t.equal(verdict.verdict, "fail");
  t.match(checkNamed(verdict, "invariants"), /^fail: a rule of the core/);
  const { lines } = readEvents(join(folder, "events.ndjson"));
  t.match(lines.at(-1), { source: "invariant", what: "violation" });
  t.end();
});

await t.test("an interrupted run is torn down, kept, and unknown", async (t) => {
  const interruption = new AbortController();
  interruption.abort();
  const { verdict, rig, isInterrupted, folder } = await run({}, { signal: interruption.signal });
  t.equal(isInterrupted, true);
  t.equal(verdict.verdict, "unknown");
  t.equal(rig?.calls.at(-1), "teardown");
  t.match(readDocument(join(folder, "verdict.json")), { verdict: "unknown" });
  t.end();
});

await t.test("equal seeds give byte-identical history and events", async (t) => {
  const [one, two] = [await run({}), await run({})];
  for (const name of ["history.ndjson", "events.ndjson"]) {
    const lines = (folder: string): readonly unknown[] =>
      name === "events.ndjson"
        ? readEvents(join(folder, name)).lines
        : readHistory(join(folder, name)).lines;
    t.same(lines(one.folder), lines(two.folder), name);
  }
  t.end();
});

await t.test(
  "an isolated host keeps its LAN and loses every other link, until healed",
  async (t) => {
    const rig = createFakeRig("a", root, {});
    const fault = await inject(
      { fault: "isolate-host", on: "active", cut: "blackhole" },
      rig,
      NONE,
    );
    const cut = ["a>b/alink0", "a>b/alink1", "b>a/mgmt", "a>q1/quorum"];
    t.same([...rig.cutLinks.keys()], cut);
    t.equal(fault.proof().hasBitten, false, "nothing was stopped yet");
    await rig.until(10_000);
    t.equal(fault.proof().hasBitten, true, "each link has stopped something");
    await fault.heal();
    await fault.heal();
    t.same([...rig.cutLinks], [], "healing twice is harmless");
    t.end();
  },
);

await t.test("a cut that fails half-way leaves no link cut", async (t) => {
  const rig = createFakeRig("a", root, {});
  const cut = rig.cut.bind(rig);
  rig.cut = async (links, kind, direction) => {
    await cut(links.slice(0, 2), kind, direction);
    throw new HarnessError("PROXY_FAILED", "half", { hint: "None." });
  };
  await t.rejects(inject({ fault: "isolate-host", on: "a", cut: "jam" }, rig, NONE), {
    message: "half",
  });
  t.same([...rig.cutLinks], []);
  t.end();
});

await t.test("a killed host stays dead when healed, and its end is the proof", async (t) => {
  const rig = createFakeRig("a", root, {});
  const fault = await inject({ fault: "kill-host", on: "active" }, rig, NONE);
  await fault.heal();
  await fault.heal();
  t.equal(rig.alive("a"), false);
  t.match(fault.proof(), { hasBitten: true, why: /SIGKILL/ });
  t.end();
});

await t.test("a target that does not exist is refused", async (t) => {
  const rig = createFakeRig("a", root, {});
  await t.rejects(inject({ fault: "kill-host", on: "c" }, rig, NONE), { code: "BAD_SCENARIO" });
  const events: readonly RunEvent[] = rig.events();
  t.equal(events.filter(({ what }) => what === "fault").length, 0);
  t.end();
});
