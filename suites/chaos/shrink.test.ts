/**
 * Goal: a plan that fails is reduced to one of which nothing can be left out, by runs alone, none of them made twice; and a scenario says the same.
 * Method: no bed: a function says which plans fail, and counts how often it is asked.
 */
import fc from "fast-check";
import t from "tap";
import { loadScenario } from "../../chaos/plan/catalogue.ts";
import { readDataFile } from "../../chaos/plan/data-file.ts";
import { completePlan, type Plan, parsePlan, planRun } from "../../chaos/plan/plan.ts";
import { parseScenario } from "../../chaos/plan/scenario.ts";
import { nameOfStep } from "../../chaos/plan/steps.ts";
import { ddmin } from "../../chaos/shrink/ddmin.ts";
import { isSameReason, reasonOf } from "../../chaos/shrink/reason.ts";
import { planText, scenarioText } from "../../chaos/shrink/scenario-text.ts";
import { type ShrinkState, type Shrunk, shrinkPlan } from "../../chaos/shrink/shrink-plan.ts";
import { keepSteps } from "../../chaos/shrink/simpler.ts";
import { planSwarm } from "../../chaos/swarm/draw-plan.ts";
import { PROFILES } from "../../chaos/swarm/profiles.ts";

/** Drawn once and kept, with two quorum services, two sites and a long way between them. */
const FORTY = parsePlan(readDataFile("suites/cli/stored/forty-faults.json"), "forty-faults.json");
const LONG = completePlan({
  ...FORTY,
  topology: { ...FORTY.topology, quorum: "two", switches: "two", linkDelayMs: 5 },
  workload: { ...FORTY.workload, spec: { ...FORTY.workload.spec, sites: ["a", "b"] } },
});

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n);

await t.test("ddmin leaves what is needed and nothing else", async (t) => {
  let asked = 0;
  const needs = (wanted: readonly number[]) => (part: readonly number[]) => {
    asked += 1;
    return Promise.resolve(wanted.every((item) => part.includes(item)));
  };
  t.same(await ddmin(numbers(40), needs([17])), [17]);
  t.ok(asked <= 12, `one of 40 items: ${asked} tries`);
  asked = 0;
  t.same(await ddmin(numbers(40), needs([3, 31])), [3, 31], "two that lie apart");
  // Of each of six divisions at most every part and every rest.
  t.ok(asked <= 2 * (2 + 4 + 8 + 16 + 32 + 40), `two of 40 items: ${asked} tries`);
  t.same(await ddmin([], needs([])), []);
  t.same(await ddmin([1], needs([1])), [1], "a single item is left");
  t.same(await ddmin(numbers(5), needs([0, 1, 2, 3, 4])), numbers(5));
});

await t.test("ddmin: of what is left no single item can go, whatever fails", async (t) => {
  const count = 9;
  // Any set of parts may fail: nothing says that more items fail more.
  const isFailing = (salt: number, part: readonly number[]): boolean =>
    part.length === count || (part.reduce((sum, item) => sum * 31 + item, salt) >>> 0) % 3 === 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async (salt) => {
      const left = await ddmin(numbers(count), (part) => Promise.resolve(isFailing(salt, part)));
      const smaller = left.map((gone) => left.filter((item) => item !== gone));
      return (
        isFailing(salt, left) &&
        (left.length === 1 || smaller.every((part) => !isFailing(salt, part)))
      );
    }),
    { numRuns: 200, seed: 7 },
  );
  t.pass("200 functions");
});

interface Asked {
  readonly shrunk: Shrunk;
  readonly plans: readonly string[];
  readonly states: readonly ShrinkState[];
}

async function shrink(
  plan: Plan,
  isFailing: (plan: Plan) => boolean,
  { most = 10_000, taken = (): number | null => 0 } = {},
): Promise<Asked> {
  const plans: string[] = [];
  const states: ShrinkState[] = [];
  const failureOf = ({ steps }: Plan) => ({ takenAtMs: steps.map(taken) });
  const shrunk = await shrinkPlan(plan, failureOf(plan), {
    fails: (candidate) => {
      plans.push(JSON.stringify(candidate));
      return Promise.resolve(isFailing(candidate) ? failureOf(candidate) : null);
    },
    isOver: () => plans.length >= most,
    onTry: (state) => states.push(state),
  });
  return { shrunk, plans, states };
}

await t.test(
  "40 steps, two of which matter, become two plain ones on a small cluster",
  async (t) => {
    t.equal(LONG.steps.length, 40);
    const kinds = [LONG.steps[4], LONG.steps[30]].map((step) => JSON.stringify(step));
    const named = (plan: Plan, at: number): boolean => {
      const wanted = JSON.parse(kinds[at] ?? "") as Plan["steps"][number];
      return plan.steps.some((step) => nameOfStep(step) === nameOfStep(wanted));
    };
    const { shrunk, plans, states } = await shrink(
      LONG,
      (plan) => named(plan, 0) && named(plan, 1),
    );
    const { plan } = shrunk;
    t.ok(plan.steps.length <= 2, `${plan.steps.length} steps`);
    t.ok(named(plan, 0) && named(plan, 1), "it still fails");
    t.match(plan.topology, { switches: "one", linkDelayMs: 0, confirmAfterRestart: false });
    t.not(plan.topology.quorum, "two");
    t.match(plan.workload.spec, { clients: 1, sites: ["a"] });
    t.ok(plan.workload.spec.calmMs < 100 && plan.steps.every(({ atMs }) => (atMs ?? 0) < 10));
    for (const step of plan.steps) {
      t.match({ forMs: 0, way: "both", intoWriteUs: null, ...step }, { way: "both", when: null });
      if ("forMs" in step) t.ok((step.forMs ?? 0) <= 10 && step.intoWriteUs === null);
    }
    t.equal(new Set(plans).size, plans.length, "no plan is run twice");
    t.equal(shrunk.tries, plans.length);
    t.ok(shrunk.isDone && shrunk.tries <= 150, `${shrunk.tries} tries`);
    t.same(
      states.filter(({ isSmaller }) => isSmaller).map(({ steps }) => steps),
      states
        .filter(({ isSmaller }) => isSmaller)
        .map(({ steps }) => steps)
        .sort((l, r) => r - l),
      "steps only become fewer",
    );
  },
);

await t.test("what is needed stays, field for field", async (t) => {
  const first = completePlan({
    ...LONG,
    steps: [
      {
        ...{ fault: "delay-link", on: "a", channels: ["alink", "mgmt"], way: "out", latencyMs: 20 },
        ...{ jitterMs: 5, forMs: 800, intoWriteUs: 40, atMs: 900, when: null },
      },
      { operator: "switch-over", on: "a", atMs: null, when: { after: "takeover", plusMs: 20 } },
    ],
  });
  const isNeeded = ({ steps, topology, workload }: Plan): boolean => {
    const [link, move] = steps;
    if (link === undefined || !("fault" in link) || link.fault !== "delay-link") return false;
    const hasChannel = link.channels?.some((name) => name.startsWith("alink")) === true;
    const isLink = hasChannel && link.way === "out" && (link.forMs ?? 0) >= 300;
    return (
      isLink &&
      move !== undefined &&
      move.when !== null &&
      topology.quorum === LONG.topology.quorum &&
      workload.spec.clients > 1
    );
  };
  const { shrunk } = await shrink(first, isNeeded, { taken: () => 950 });
  t.match(shrunk.plan.steps[0], {
    ...{ channels: ["alink0"], way: "out", forMs: 400, jitterMs: 0, intoWriteUs: null },
    latencyMs: 20,
  });
  t.same(shrunk.plan.steps[1]?.when, { after: "takeover", plusMs: 0 });
  t.equal(shrunk.plan.workload.spec.clients, 2);
  t.equal(shrunk.plan.topology.quorum, LONG.topology.quorum);
  const free = await shrink(first, ({ steps }) => steps.length === 2, { taken: () => 950 });
  t.equal(free.shrunk.plan.steps[1]?.when, null, "a moment becomes the instant that it came at");
});

await t.test("steps that were not taken go at once; time that is over ends it", async (t) => {
  const isFailing = ({ steps }: Plan): boolean => steps.length >= 3;
  const plain = await shrink(LONG, isFailing, { most: 1 });
  t.equal(plain.plans.length, 1);
  t.notOk(plain.shrunk.isDone, "time was over");
  let place = 0;
  const early = await shrink(LONG, isFailing, {
    most: 1,
    taken: () => {
      place += 1;
      return place <= 3 ? 10 : null;
    },
  });
  t.same(early.shrunk.plan.steps, LONG.steps.slice(0, 3));
  const none = await shrink(LONG, () => false);
  t.same(none.shrunk.plan, LONG, "where nothing helps the plan stays");
});

await t.test("numbers of steps follow the steps that are left", (t) => {
  const scenario = parseScenario(
    `{name: x, title: X, level: 2, beds: [sim], topology: {quorum: one}, workload: short, converge: service, budget: inside,
      checks: [durability], expect: {mustNotBoot: [2, 4], inResync: [1]}, steps: [
      {atMs: 1, fault: kill-host, on: a},
      {atMs: 2, fault: pause-host, on: a},
      {when: {after: healed, step: 1}, fault: pause-host, on: b},
      {when: {after: injected, step: 2}, fault: old-disk, on: b, image: 2, forMs: 5}]}`,
    "x.yaml",
  );
  const plan = planRun(scenario, { seed: 1, bed: "sim" });
  t.same(keepSteps(plan, [0, 1, 2, 3]), plan);
  const last = keepSteps(plan, [1, 3]);
  t.match(last.steps[1], { image: 1, when: { after: "injected", step: 1 } });
  t.same(last.expect, { mustNotBoot: [1, 2] });
  const other = keepSteps(plan, [2, 3]);
  t.same(other.steps[0]?.when, { after: "healed", plusMs: 0 }, "a step that is gone is not named");
  t.match(other.steps[1], { image: 1 }, "the instant before the next one that is left");
  t.match(keepSteps(plan, [3]).steps[0], { image: "calm" });
  t.end();
});

await t.test("a reason names what failed, and of a broken rule which", (t) => {
  const check = (name: string, verdict: "pass" | "fail" | "unknown", why = "") => ({
    name,
    verdict,
    why,
  });
  const rule = (detail: string) =>
    check("invariants", "fail", `epoch-order at 1.500 ms: ${detail}`);
  const reason = reasonOf([
    ...[check("faults", "unknown"), check("durability", "fail"), rule("3 after 4")],
    ...[check("durability", "fail", "again"), check("one-runner", "pass")],
  ]);
  t.same(reason, ["durability", "invariants: epoch-order"]);
  t.ok(isSameReason(reason, reasonOf([rule("9 after 7"), check("durability", "fail")])));
  t.notOk(isSameReason(reason, reasonOf([rule("9 after 7")])));
  const ended = check("invariants", "fail", "a ended itself at 2.000 ms with status 10");
  t.same(reasonOf([ended]), ["invariants: a process ended itself"]);
  t.end();
});

await t.test("a scenario says all of any random plan, and names what it cannot say", (t) => {
  for (const profile of PROFILES) {
    for (let seed = 1; seed <= 10; seed += 1) {
      const plan = planSwarm(profile, { seed, bed: "sim" });
      const { text, unsaid } = scenarioText(plan, `shrunk/${profile}-${seed}`, ["a comment"]);
      t.same(unsaid, [], `${profile} ${seed}`);
      t.same(
        {
          ...planRun(parseScenario(text, "s.yaml"), { seed, bed: "sim" }),
          scenario: plan.scenario,
        },
        plan,
      );
      t.same(parsePlan(planText(plan, ["a comment"]), "plan.yaml"), plan);
    }
  }
  const own = planRun(loadScenario("level2/kill-active"), { seed: 3, bed: "sim", bootDelayMs: 30 });
  t.same(
    scenarioText(own, "x", []).unsaid,
    [],
    "a scenario's own plan; the boot delay is the command's",
  );
  const { spec } = own.workload;
  const changed = completePlan({
    ...own,
    workload: { ...own.workload, spec: { ...spec, thinkMs: 7 } },
  });
  const { text, unsaid } = scenarioText(changed, "x", []);
  t.same(unsaid, ["workload.spec.thinkMs is 7 in the plan, 100 in this scenario's"]);
  t.match(text, /^# Not said here: workload\.spec\.thinkMs is 7/);
  t.end();
});

await t.test("what only goes together in a scenario is asked for together", (t) => {
  const text = (step: string, more = "") =>
    `{name: x, title: X, level: 2, beds: [sim], topology: {quorum: one}, workload: short, converge: service, budget: inside,
      checks: [durability], steps: [${step}]${more}}`;
  const step = "{atMs: 1, fault: kill-host, on: a, intoWriteUs: 5}";
  t.throws(() => parseScenario(text(step), "x.yaml"), { message: /intoWriteUs.*goes with/ });
  t.throws(() => parseScenario(text(""), "x.yaml"), { message: /name at least one step/ });
  const calm = parseScenario(text("", ", swarm: true, calmMs: 90, clients: {count: 3}"), "x.yaml");
  const plan = planRun(calm, { seed: 1, bed: "sim" });
  t.match(plan, { swarm: true, steps: [], workload: { spec: { calmMs: 90, clients: 3 } } });
  t.end();
});
