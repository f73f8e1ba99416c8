/**
 * Goal: a seed and a scenario give one plan and always the same one; a file with mistakes is refused with their places.
 * Method: the shipped scenarios, and copies of one of them with one line changed.
 */
import { readFileSync } from "node:fs";
import t from "tap";
import { loadScenario, scenarioNames } from "../../chaos/plan/catalogue.ts";
import { parsePlan, planRun } from "../../chaos/plan/plan.ts";
import { parseScenario } from "../../chaos/plan/scenario.ts";
import { isFaultStep, type PlanStep } from "../../chaos/plan/steps.ts";
import { HarnessError } from "../../harness/errors.ts";

const GOOD = readFileSync("chaos/scenarios/level2/kill-active.yaml", "utf8");
const KILL = loadScenario("level2/kill-active");
const SEEDS = Array.from({ length: 200 }, (_, index) => index + 1);

function mistakeOf(text: string): string {
  try {
    parseScenario(text, "my.yaml");
  } catch (error: unknown) {
    if (error instanceof HarnessError) return `${error.code} ${error.message}`;
    throw error;
  }
  return "no mistake";
}

await t.test("every shipped scenario is whole, and its plans can be stored and read", (t) => {
  t.ok(scenarioNames().length >= 20, "they are found in every folder");
  for (const name of scenarioNames()) {
    const scenario = loadScenario(name);
    for (const bed of scenario.beds) {
      const plan = planRun(scenario, { seed: 7, bed });
      t.same(parsePlan(JSON.stringify(plan), "plan.json"), plan, `${name} in ${bed}`);
    }
  }
  t.end();
});

await t.test("equal seeds give equal plans, and seeds together use the whole range", (t) => {
  const plans = SEEDS.map((seed) => planRun(KILL, { seed, bed: "sim" }));
  t.same(
    plans,
    SEEDS.map((seed) => planRun(KILL, { seed, bed: "sim" })),
  );
  const instants = plans.map(({ steps }) => steps[0]?.atMs ?? -1);
  t.ok(Math.min(...instants) >= 0 && Math.max(...instants) <= 500, "inside the range");
  t.ok(new Set(instants).size > 100, "spread over the range");
  const preferred = plans.filter(({ topology }) => topology.preferred === "a").length;
  t.ok(preferred > 60 && preferred < 140, `about half prefer a: ${preferred}`);
  t.end();
});

await t.test("one plan holds in both beds but for the load, which each bed can bear", (t) => {
  const [local, sim] = [
    planRun(KILL, { seed: 7, bed: "local" }),
    planRun(KILL, { seed: 7, bed: "sim" }),
  ];
  t.same(local.steps, sim.steps);
  t.same(local.topology, sim.topology);
  t.match(local.workload, { spec: { clients: 8, thinkMs: 5 }, probePeriodMs: 2 });
  t.match(sim.workload, { spec: { clients: 4, thinkMs: 100 }, probePeriodMs: 10 });
  t.end();
});

await t.test("the short workload takes a third of the reference's time", (t) => {
  const { workload } = planRun(KILL, { seed: 7, bed: "local", workload: "short" });
  t.match(workload, { spec: { warmUpMs: 300, calmMs: 700 }, afterServiceMs: 1_000 });
  t.end();
});

await t.test("a mistake is reported with line and column", (t) => {
  const lineOf = (text: string): number => GOOD.slice(0, GOOD.indexOf(text)).split("\n").length;
  const table: readonly (readonly [string, string, string, RegExp])[] = [
    ["an unknown fault", "fault: kill-host", "fault: kill-hots", /fault: expected .*kill-host/],
    ["an unknown field", "title:", "titel:", /titel: there is no such field/],
    ["a wrong type", "level: 2", "level: two", /level: expected .*2/],
    ["a range turned round", "{ from: 0, to: 500 }", "{ from: 9, to: 5 }", /must not be above/],
    [
      "no instant",
      "- atMs: { from: 0, to: 500 }\n    during",
      "- during",
      /either `atMs` or `when`/,
    ],
    ["a budget that does not fit", "budget: inside", "budget: outside", /safety-only/],
    ["an operator without a word", "fault: kill-host", "operator: resign", /operator: expected/],
    ["an unknown wait", "atMs: { from: 0, to: 500 }", "when: { after: lunch }", /when.after: /],
    [
      "a step to come",
      "atMs: { from: 0, to: 500 }",
      "when: { after: healed, step: 2 }",
      /before it/,
    ],
    [
      "a percentage of nothing",
      "atMs: { from: 0, to: 500 }",
      "when: { after: calm, atPercent: 3 }",
      /resync/,
    ],
  ];
  for (const [what, from, to, expected] of table) {
    const lines = mistakeOf(GOOD.replace(from, to)).split("\n");
    const said = lines.find((line) => expected.test(line)) ?? `none of ${lines.join("; ")}`;
    t.match(said, expected, what);
    const [, line, column] = /my\.yaml:(\d+):(\d+): /.exec(said) ?? [];
    t.equal(Number(line), lineOf(from), `${what}: line`);
    t.ok(Number(column) >= 1, `${what}: column`);
  }
  t.end();
});

await t.test("a seed draws every range of a step, each from a stream of its own", (t) => {
  const two = loadScenario("level2/return-and-kill-other");
  const plans = SEEDS.map((seed) => planRun(two, { seed, bed: "local" }));
  const values = plans.map(({ steps }) => [steps[0]?.atMs, forMsOf(steps[0]), steps[1]?.when]);
  const [at, span, plus] = [0, 1, 2].map((index) => {
    return new Set(values.map((all) => JSON.stringify(all[index]))).size;
  });
  t.ok(
    Math.min(at ?? 0, span ?? 0, plus ?? 0) > 80,
    `instants ${at}, spans ${span}, waits ${plus}`,
  );
  t.ok(
    plans.every(({ steps }) => Number(forMsOf(steps[0])) >= 200),
    "inside the range",
  );
  t.match(plans[0]?.steps[1]?.when, { after: "duplex", plusMs: Number });
  t.end();
});

function forMsOf(step: PlanStep | undefined): number | null {
  return step !== undefined && isFaultStep(step) ? step.forMs : null;
}

await t.test("a missing field is reported at what should hold it", (t) => {
  t.match(
    mistakeOf(GOOD.replace("workload: reference\n", "")),
    /my\.yaml:\d+:\d+: workload: is missing/,
  );
  const returning = GOOD.replace("fault: kill-host", "fault: restart-host");
  t.match(mistakeOf(returning), /my\.yaml:\d+:\d+: steps\.0\.forMs: is missing/);
  t.match(mistakeOf(GOOD.replace("    on: active\n", "")), /steps\.0\.on: is missing/);
  t.end();
});

await t.test("text that is no YAML is reported with line and column", (t) => {
  t.match(mistakeOf("name: [a\ntitle: b\n"), /^BAD_SCENARIO my\.yaml:2:\d+: /);
  t.match(mistakeOf(""), /^BAD_SCENARIO my\.yaml:1:1: expected Object/);
  t.end();
});

await t.test("a scenario that does not exist is refused with those that do", (t) => {
  t.throws(() => loadScenario("level2/kill-actvie"), {
    code: "BAD_SCENARIO",
    hint: /level2\/kill-active/,
  });
  t.end();
});
