/**
 * Goal: steps come in their order, each when what it waits for has happened, on the hosts that its words mean; a step that waits in vain, a toothless
 * fault and an unmet expectation show in the verdict.
 * Method: scenarios written here, run on a bed in memory that does one thing wrong each.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { checkExpectations } from "../../chaos/expectations.ts";
import { planRun } from "../../chaos/plan/plan.ts";
import { parseScenario } from "../../chaos/plan/scenario.ts";
import { type RunOutcome, runScenario } from "../../chaos/run.ts";
import { readEvents } from "../../harness/record/reader.ts";
import type { RunEvent, VerdictDocument } from "../../harness/record/types.ts";
import type { Wrongs } from "./fake-parts.ts";
import { createFakeRig, type FakeRig } from "./fake-rig.ts";

const root = mkdtempSync(join(tmpdir(), "faultline-timeline-"));
t.teardown(() => rmSync(root, { recursive: true, force: true }));

interface Ran extends RunOutcome {
  readonly calls: readonly string[];
  /** `injected kill-host a` and the like, with milliseconds since the calm phase. */
  readonly faults: readonly { readonly what: string; readonly atMs: number }[];
}

interface Asked {
  readonly steps: string;
  readonly converge?: string;
  readonly budget?: string;
  readonly expect?: string;
  readonly wrongs?: Wrongs;
}

const CALM_MS = 1_000;

async function run({ steps, wrongs = {}, ...more }: Asked): Promise<Ran> {
  const { converge = "duplex", budget = "inside", expect = "{}" } = more;
  const text = `name: mine
title: a scenario of a test
level: 2
beds: [sim]
topology: { quorum: one, preferred: a }
workload: short
steps:
${steps}
converge: ${converge}
budget: ${budget}
deadlineMs: 2000
checks: [durability]
expect: ${expect}
`;
  const plan = planRun(parseScenario(text, "mine.yaml"), { seed: 1, bed: "sim" });
  const rigs: FakeRig[] = [];
  const outcome = await runScenario(plan, {
    startBed(spec, { runDir }) {
      const rig = createFakeRig(spec.preferred, runDir, wrongs);
      rigs.push(rig);
      return Promise.resolve(rig);
    },
    runRoot: root,
    startedAt: new Date(0),
    commit: "c0ffee",
    environment: {},
    replayOf: (folder) => folder,
    onProgress: () => undefined,
  });
  const { lines } = readEvents(join(outcome.folder, "events.ndjson"));
  return { ...outcome, calls: rigs[0]?.calls ?? [], faults: faultsIn(lines) };
}

function faultsIn(events: readonly RunEvent[]): Ran["faults"] {
  return events
    .filter(({ source, what }) => source === "harness" && what === "fault")
    .map(({ at, state, fault, target }) => {
      return { what: [state, fault, target].map(String).join(" "), atMs: at / 1_000 - CALM_MS };
    });
}

function checkNamed({ verdict }: { readonly verdict: VerdictDocument }, name: string): string {
  const check = verdict.checks.find((candidate) => candidate.name === name);
  return `${check?.verdict}: ${check?.why}`;
}

/** Within a tick of the bed. */
function isAt(found: number | undefined, expected: number): boolean {
  return found !== undefined && Math.abs(found - expected) <= 2;
}

await t.test("a host that was killed returns, and the pair converges", async (t) => {
  const ran = await run({
    steps: "  - { atMs: 100, fault: restart-host, on: standby, forMs: 200 }",
  });
  t.equal(ran.verdict.verdict, "pass", JSON.stringify(ran.verdict.checks));
  t.same(
    ran.faults.map(({ what }) => what),
    ["injected restart-host b", "healed restart-host b"],
  );
  t.ok(isAt(ran.faults[0]?.atMs, 100) && isAt(ran.faults[1]?.atMs, 300), "both at their instants");
  t.match(ran.verdict.recovery, [{ fault: "restart-host", target: "b" }]);
  t.ok((ran.verdict.recovery[0]?.redundantMs ?? 0) >= 500, "redundant again 300 ms after the heal");
});

await t.test("steps wait for what happened to the steps before them", async (t) => {
  const steps = `  - { atMs: 50, fault: restart-host, on: standby, forMs: 300 }
  - { when: { after: injected, plusMs: 20 }, fault: kill-quorum, forMs: 10 }
  - { when: { after: healed, step: 1, plusMs: 30 }, fault: jam-link, on: other, channels: [lan], forMs: 20 }
  - { when: { after: duplex, plusMs: 40 }, fault: pause-host, on: same, forMs: 30 }`;
  const ran = await run({ steps });
  const when = (what: string): number | undefined =>
    ran.faults.find((fault) => fault.what === what)?.atMs;
  t.ok(isAt(when("injected kill-quorum q1"), 70));
  t.ok(isAt(when("healed kill-quorum q1"), 80), "healed while another step waits");
  t.ok(isAt(when("injected jam-link a (lan)"), 380), "after a heal, on the other host");
  t.ok(isAt(when("injected pause-host b"), 690), "after the pair was whole again");
  t.equal(ran.verdict.verdict, "pass", JSON.stringify(ran.verdict.checks));
});

await t.test("steps wait for what the hosts say", async (t) => {
  const cases: readonly (readonly [string, string, number])[] = [
    ["takeover", "active", 300],
    ["service", "active", 300],
    ["host-dead", "active", 100],
    ["calm", "standby", 100],
  ];
  for (const [after, on, atMs] of cases) {
    const steps = `  - { atMs: 100, fault: restart-host, on: ${on}, forMs: 500 }
  - { when: { after: ${after} }, fault: jam-link, on: b>a/mgmt, forMs: 20 }`;
    const ran = await run({ steps });
    const found = ran.faults.find(({ what }) => what.startsWith("injected jam-link"))?.atMs;
    t.ok(isAt(found, atMs), `${after}: ${found}`);
  }
  const copying = (when: string): Promise<Ran> =>
    run({
      steps: `  - { atMs: 0, fault: restart-host, on: standby, forMs: 100 }
  - { when: { after: resync${when} }, fault: jam-link, on: b>a/mgmt, forMs: 20 }`,
    });
  t.ok(isAt((await copying("")).faults[2]?.atMs, 200), "as soon as blocks are copied");
  t.ok(isAt((await copying(", atPercent: 50")).faults[2]?.atMs, 300), "at half of it");
});

await t.test("both hosts return from a power cut, in the order of the plan", async (t) => {
  const steps = "  - { atMs: 0, fault: cut-power, first: standby, forMs: 100, secondAfterMs: 150 }";
  const ran = await run({ steps });
  t.same([...new Set(ran.calls.slice(1, 5))].slice(0, 3), ["kill a b", "start b", "start a"]);
  const healed = ran.faults.find(({ what }) => what.startsWith("healed"));
  t.ok(isAt(healed?.atMs, 250), "healed when the second one is back");
  t.equal(ran.verdict.verdict, "pass", JSON.stringify(ran.verdict.checks));
});

await t.test("images of disks are taken when the plan says, of every host", async (t) => {
  const calm = await run({
    steps: "  - { atMs: 100, fault: old-disk, on: active, forMs: 100 }",
  });
  t.same(calm.calls.slice(1, 5), ["save a", "save b", "kill a", "replace a 1000000"]);
  const later = await run({
    steps: `  - { atMs: 100, fault: restart-host, on: standby, forMs: 100 }
  - { when: { after: duplex }, fault: jam-link, on: b>a/mgmt, forMs: 10 }
  - { when: { after: healed }, fault: old-disk, on: standby, image: 2, forMs: 100 }`,
  });
  t.same(later.calls.slice(1, 6), [
    ...["kill b", "start b", "save a", "save b"],
    "cut b>a/mgmt jam both",
  ]);
  t.ok(
    later.calls.some((call) => call.startsWith("replace b 1500")),
    "the one of that instant",
  );
});

await t.test("a command of the operator is a step, proven by the host's answer", async (t) => {
  const steps = `  - { atMs: 0, fault: restart-host, on: standby, forMs: 100 }
  - { when: { after: duplex }, operator: resolve, on: b, keep: active }
  - { when: { after: injected }, operator: force-boot, on: a, damaged: true }
  - { when: { after: injected }, operator: switch-over, on: active }`;
  const ran = await run({ steps });
  t.same(
    ran.calls.filter((call) => call.startsWith("operator")),
    [
      'operator b {"op":"resolve","keep":"a","damaged":false}',
      'operator a {"op":"force-boot","damaged":true}',
      'operator a {"op":"switch-over"}',
    ],
  );
  t.match(checkNamed(ran, "faults"), /^pass.*switch-over of a: a says of switch-over: done/);
  const slow = await run({ steps, wrongs: { answersAfterMs: 700 } });
  t.match(checkNamed(slow, "faults"), /^pass/, "an answer may take its time");
  const mute = await run({ steps, wrongs: { answersAfterMs: 60_000 } });
  t.match(checkNamed(mute, "faults"), /^unknown.*says of resolve: accepted/, "but not for ever");
  const refused = await run({ steps, wrongs: { disobeys: true } });
  t.match(checkNamed(refused, "faults"), /^unknown.*says of resolve: refused/);
});

await t.test("a fault that did not bite makes the run unknown, whatever else holds", async (t) => {
  const table: readonly (readonly [string, Wrongs])[] = [
    ["kill-quorum, forMs: 100", { killMisses: true }],
    ["restart-host, on: standby, forMs: 100", { killMisses: true }],
    ["cut-power, forMs: 100, secondAfterMs: 100", { killMisses: true }],
    ["pause-host, on: standby, forMs: 100", { pauseMisses: true }],
    ["refuse-link, on: a>b/alink0, forMs: 100", { leaksOn: "a>b/alink0" }],
    ["blackhole-link, on: a>b/alink0, forMs: 100", { leaksOn: "a>b/alink0" }],
    ["jam-link, on: standby, forMs: 100", { leaksOn: "a>b/alink1" }],
    ["delay-link, on: all, latencyMs: 3, forMs: 100", { leaksOn: "b>s1/lan" }],
    ["blank-disk, on: standby, forMs: 100", { sameDisk: true }],
    ["old-disk, on: standby, forMs: 100", { sameDisk: true }],
  ];
  for (const [fault, wrongs] of table) {
    const ran = await run({ steps: `  - { atMs: 10, fault: ${fault} }`, wrongs });
    t.equal(ran.verdict.verdict, "unknown", `${fault}: ${JSON.stringify(ran.verdict.checks)}`);
    t.match(checkNamed(ran, "faults"), /^unknown/, fault);
  }
});

await t.test("a step that waits in vain is named, and fails what is owed", async (t) => {
  const after = (
    word: string,
  ): string => `  - { atMs: 0, fault: restart-host, on: standby, forMs: 100 }
  - { when: { after: ${word} }, fault: kill-host, on: other }`;
  const vain = { neverRejoins: true };
  const owed = await run({ steps: after("duplex"), converge: "service", wrongs: vain });
  t.equal(owed.verdict.verdict, "fail");
  t.match(
    checkNamed(owed, "convergence"),
    /^fail: step 2 \(kill-host\) waited in vain for "duplex"/,
  );
  t.match(checkNamed(owed, "faults"), /^unknown: 1 of 2 steps taken/);
  const free = await run({ steps: after("resync"), converge: "service", wrongs: vain });
  t.equal(free.verdict.verdict, "unknown", "a resync that never was is not owed by itself");
  t.match(checkNamed(free, "convergence"), /^pass/);
});

await t.test("a pair that is not redundant again fails", async (t) => {
  const steps = "  - { atMs: 0, fault: pause-host, on: standby, forMs: 100 }";
  const ran = await run({ steps, wrongs: { neverRejoins: true } });
  t.match(checkNamed(ran, "convergence"), /^fail: no duplex within 2000 ms/);
});

await t.test("an expectation that does not hold fails the run", async (t) => {
  const standby = "  - { atMs: 100, fault: restart-host, on: standby, forMs: 100 }";
  const active = "  - { atMs: 100, fault: restart-host, on: active, forMs: 400 }";
  const table: readonly (readonly [string, string, string, Wrongs, RegExp])[] = [
    [standby, "{ boots: 0, alone: 1 }", "{ boots: 1 }", {}, /0 boots, expected 1/],
    [active, "{ boots: { min: 1, max: 2 } }", "{ boots: 0 }", {}, /1 boots, expected 0/],
    [active, "{ alone: 1 }", "{ alone: { min: 2, max: 3 } }", {}, /1 hosts went on alone/],
    [
      active,
      "{ interruptionMaxMs: { sim: 210, local: 1 } }",
      "{ interruptionMaxMs: { sim: 190, local: 999 } }",
      {},
      /longest interruption 20\d\.\d ms of at most 190/,
    ],
    [standby, "{ resync: delta }", "{ resync: full }", {}, /1 resyncs ended, 0 of them full/],
    [standby, "{ resync: full }", "{ resync: delta }", { copiesAll: true }, /0 of them delta/],
  ];
  for (const [steps, good, bad, wrongs, why] of table) {
    const [holds, fails] = [
      await run({ steps, expect: good, wrongs }),
      await run({ steps, expect: bad, wrongs }),
    ];
    t.match(checkNamed(holds, "expectations"), /^pass/, good);
    const said = checkNamed(fails, "expectations");
    t.ok(said.startsWith("fail") && why.test(said), `${bad}: ${said}`);
    t.equal(fails.verdict.verdict, "fail", bad);
  }
});

await t.test(
  "a host that boots what it must not, and a fault beside a resync, are seen",
  async (t) => {
    const steps = `  - { atMs: 0, fault: restart-host, on: standby, forMs: 100 }
  - { when: { after: resync }, fault: jam-link, on: b>a/mgmt, forMs: 20 }`;
    const expect = "{ mustNotBoot: [1], inResync: [2] }";
    t.match(checkNamed(await run({ steps, expect }), "expectations"), /^pass/);
    const stale = await run({ steps, expect, wrongs: { bootsStale: true } });
    t.match(checkNamed(stale, "expectations"), /^fail: b was booting a VM at/);
    const beside = await run({ steps, expect: "{ inResync: [1] }" });
    t.match(checkNamed(beside, "expectations"), /^unknown: the resync was not begun at step 1/);
    const none = await run({ steps, expect: "{ resync: delta }", wrongs: { neverRejoins: true } });
    t.match(checkNamed(none, "expectations"), /^fail: no delta resync ended/);
  },
);

await t.test("what hosts do while everything is ended is not counted", (t) => {
  const alone = (at: number) => ({ at, source: "host b", what: "page", right: "sole" });
  const teardown = { at: 900, source: "harness", what: "teardown" };
  const judge = (events: readonly RunEvent[]) =>
    checkExpectations({
      bed: "local",
      expect: { alone: 0 },
      events,
      faults: [{ target: "a", at: 100 }],
      recovery: [],
    }).map(({ verdict }) => verdict);
  t.same(judge([alone(500), teardown]), ["fail"]);
  t.same(judge([teardown, alone(901)]), ["pass"]);
  t.end();
});

await t.test("outside the budget nothing is owed, but with an operator's help", async (t) => {
  const steps = "  - { atMs: 0, fault: kill-host, on: standby }";
  const free = await run({ steps, converge: "safety-only", budget: "outside" });
  t.equal(free.verdict.verdict, "pass", JSON.stringify(free.verdict.checks));
  const helped = `  - { atMs: 0, fault: restart-host, on: standby, forMs: 100 }
  - { when: { after: healed }, operator: resolve, on: a, keep: a }`;
  const good = await run({ steps: helped, budget: "outside" });
  t.equal(good.verdict.verdict, "pass", JSON.stringify(good.verdict.checks));
  const bad = await run({ steps: helped, budget: "outside", wrongs: { neverRejoins: true } });
  t.match(checkNamed(bad, "convergence"), /^fail/, "then the pair must be whole");
});
