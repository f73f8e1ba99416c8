/** A plan as a scenario file that draws nothing: what a scenario can say of it, and in comments what it cannot. */
import { stringify } from "yaml";
import { canonicalJson } from "../../harness/record/json.ts";
import { type Plan, planRun } from "../plan/plan.ts";
import { parseScenario } from "../plan/scenario.ts";
import { isFaultStep, type PlanStep } from "../plan/steps.ts";

export interface ScenarioText {
  readonly text: string;
  /** Where the plan that the scenario gives is another one: a field each, with both values. Empty: it is the same plan. */
  readonly unsaid: readonly string[];
}

/**
 * @param name of the scenario
 * @param head comment lines, without `#`
 */
export function scenarioText(plan: Plan, name: string, head: readonly string[]): ScenarioText {
  const body = stringify(scenarioOf(plan, name), { flowCollectionPadding: false, lineWidth: 0 });
  const { seed, bed, topology } = plan;
  const { bootDelayMs } = topology;
  const again = planRun(parseScenario(body, name), { seed, bed, bootDelayMs });
  const unsaid = differences({ ...again, scenario: plan.scenario }, plan, "");
  const comments = [...head, ...unsaid.map((field) => `Not said here: ${field}`)];
  return { text: `${comments.map((line) => `# ${line}\n`).join("")}${body}`, unsaid };
}

/** A plan beside which nothing is compared, for people to read and to change. */
export function planText(plan: Plan, head: readonly string[]): string {
  return `${head.map((line) => `# ${line}\n`).join("")}${stringify(plan, { lineWidth: 0 })}`;
}

function scenarioOf(plan: Plan, name: string): object {
  const { level, seed, bed, topology, workload, converge, budget, deadlineMs, checks, expect } =
    plan;
  const { seed: _seed, bootDelayMs: _boot, ...cluster } = topology;
  const { clients: count, calmMs, sites, keys } = workload.spec;
  return {
    name,
    title: `What is left of ${plan.scenario}, seed ${seed}, when it fails`,
    level,
    beds: [bed],
    topology: cluster,
    workload: workload.name,
    clients: { sites, keys, ...(count >= 1 ? { count } : {}) },
    calmMs,
    ...(plan.swarm ? { swarm: true } : {}),
    steps: plan.steps.map(stepOf),
    converge,
    budget,
    deadlineMs,
    checks,
    ...(Object.keys(expect).length === 0 ? {} : { expect }),
  };
}

function stepOf(step: PlanStep): object {
  const { atMs, when, ...rest } = step;
  const timing = { ...(atMs === null ? {} : { atMs }), ...(when === null ? {} : { when }) };
  if (!isFaultStep(step)) return { ...timing, ...rest };
  const { forMs, intoWriteUs, ...fault } = { ...rest, ...timed(step) };
  return {
    ...timing,
    ...fault,
    ...(forMs === null ? {} : { forMs }),
    ...(intoWriteUs === null ? {} : { during: "unfinished-write", intoWriteUs }),
  };
}

function timed({ forMs, intoWriteUs }: Extract<PlanStep, { readonly fault: string }>) {
  return { forMs, intoWriteUs };
}

function differences(said: unknown, meant: unknown, path: string): readonly string[] {
  if (isFields(said) && isFields(meant)) {
    const names = [...new Set([...Object.keys(said), ...Object.keys(meant)])].sort();
    return names.flatMap((name) =>
      differences(said[name], meant[name], path === "" ? name : `${path}.${name}`),
    );
  }
  const [left, right] = [said, meant].map((value) => canonicalJson(value ?? null));
  return left === right ? [] : [`${path} is ${right} in the plan, ${left} in this scenario's`];
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
