/**
 * A plan: what is to happen in one run, plain data, stored before the bed comes up. All that can be drawn before the run is drawn here,
 * each draw from a stream of its own, so that a new one does not move the others. Target words stay words: who is active shows in the run.
 */
import * as v from "valibot";
import { RECORD_SCHEMA } from "../../harness/record/types.ts";
import type { ClusterSpec } from "../../harness/rig/rig.ts";
import { forkRandom } from "../../harness/workload/forked-random.ts";
import { parseDataFile } from "./data-file.ts";
import { expectationsSchema } from "./expectations-schema.ts";
import {
  BEDS,
  type BedName,
  budgetSchema,
  checksSchema,
  clientsEntries,
  convergeSchema,
  deadlineSchema,
  nameSchema,
  QUORUMS,
  type Scenario,
  SWITCHES,
  WORKLOADS,
  type WorkloadName,
} from "./scenario.ts";
import { countSchema, planStepsSchema } from "./steps.ts";
import { workloadFor } from "./workloads.ts";

const seedSchema = v.pipe(v.number(), v.safeInteger());

/** An injected write is aimed at up to so long after its begin. Unit: microseconds. */
const INTO_WRITE_MAX_US = 3_000;

const planSchema = v.strictObject({
  schema: v.literal(RECORD_SCHEMA),
  scenario: nameSchema,
  level: v.picklist([1, 2, 3]),
  seed: seedSchema,
  bed: v.picklist(BEDS),
  topology: v.strictObject({
    seed: seedSchema,
    quorum: v.picklist(QUORUMS),
    switches: v.optional(v.picklist(SWITCHES), "one"),
    confirmAfterRestart: v.optional(v.boolean(), false),
    preferred: v.picklist(["a", "b"]),
    memoryPages: countSchema,
    volumeBlocks: countSchema,
    peerLoss: v.picklist(["preferred", "continue"]),
    bootDelayMs: countSchema,
    linkDelayMs: countSchema,
  }),
  workload: v.strictObject({
    name: v.picklist(WORKLOADS),
    spec: v.strictObject({
      kind: v.picklist(["reference", "probe", "none"]),
      clients: countSchema,
      thinkMs: countSchema,
      warmUpMs: countSchema,
      calmMs: countSchema,
      seed: seedSchema,
      ...clientsEntries,
    }),
    afterServiceMs: countSchema,
    probePeriodMs: countSchema,
  }),
  steps: planStepsSchema,
  converge: convergeSchema,
  budget: budgetSchema,
  deadlineMs: deadlineSchema,
  checks: checksSchema,
  expect: v.optional(expectationsSchema, {}),
  /**
   * The steps were drawn at random: one that finds nothing to hit, or would destroy the last good copy, is passed over, and a fault that did not bite says
   * nothing about the run.
   */
  swarm: v.optional(v.boolean(), false),
});

export type Plan = v.InferOutput<typeof planSchema>;

export interface PlanOptions {
  readonly seed: number;
  readonly bed: BedName;
  /** In place of the scenario's own. */
  readonly workload?: WorkloadName;
  /** Models a guest that boots so much longer. Unit: milliseconds. Default 0. */
  readonly bootDelayMs?: number;
}

/** @throws ValiError for what is no plan: a mistake of the one who drew it */
export function completePlan(drawn: unknown): Plan {
  return v.parse(planSchema, drawn);
}

/** Equal arguments give equal plans. */
export function planRun(scenario: Scenario, options: PlanOptions): Plan {
  const { seed, bed } = options;
  return v.parse(planSchema, {
    schema: RECORD_SCHEMA,
    scenario: scenario.name,
    level: scenario.level,
    seed,
    bed,
    topology: clusterOf(scenario, options),
    workload: loadOf(scenario, options),
    steps: scenario.steps.map((step, index) => planStep(step, seed, index)),
    converge: scenario.converge,
    budget: scenario.budget,
    deadlineMs: scenario.deadlineMs,
    checks: scenario.checks,
    expect: scenario.expect,
    swarm: scenario.swarm,
  });
}

function loadOf({ clients, calmMs, workload }: Scenario, options: PlanOptions): unknown {
  const { seed, bed } = options;
  const name = options.workload ?? workload;
  const { count, ...places } = clients;
  const load = workloadFor(name, { bed, seed, clients: places });
  const { spec } = load;
  const given = { clients: count ?? spec.clients, calmMs: calmMs ?? spec.calmMs };
  return { name, ...load, spec: { ...spec, ...given } };
}

/**
 * @param path for messages
 * @throws HarnessError BAD_SCENARIO naming file, line and column of each mistake
 */
export function parsePlan(text: string, path: string): Plan {
  return parseDataFile(text, path, planSchema);
}

function clusterOf({ topology }: Scenario, { seed, bootDelayMs = 0 }: PlanOptions): ClusterSpec {
  const { preferred, ...rest } = topology;
  const drawn = forkRandom(seed, "plan/preferred").below(2) === 0 ? "a" : "b";
  return {
    ...rest,
    seed,
    preferred: preferred === "any" ? drawn : preferred,
    bootDelayMs,
  };
}

function planStep(step: Scenario["steps"][number], seed: number, index: number): unknown {
  const draw = (purpose: string, below: number): number =>
    forkRandom(seed, `plan/step ${index}/${purpose}`).below(below);
  const { atMs = null, when = null, ...rest } = step;
  if ("operator" in rest) return drawRanges({ atMs, when, ...rest }, draw);
  const { during, forMs = null, intoWriteUs: given, ...fault } = rest;
  const intoWriteUs =
    during === undefined ? null : (given ?? draw("into-write", INTO_WRITE_MAX_US + 1));
  return drawRanges({ atMs, when, forMs, intoWriteUs, ...fault }, draw);
}

type Draw = (purpose: string, below: number) => number;

/** Puts a draw in the place of each `{from, to}`, each from a stream of its own: named by the field and those around it. */
function drawRanges(fields: object, draw: Draw, around = ""): object {
  const entries = Object.entries(fields).map(([field, value]: [string, unknown]) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return [field, value];
    const purpose = `${around}${field}`;
    if (!isRange(value)) return [field, drawRanges(value, draw, `${purpose}/`)];
    return [field, value.from + draw(purpose, value.to - value.from + 1)];
  });
  return Object.fromEntries(entries) as Readonly<Record<string, unknown>>;
}

function isRange(value: object): value is { readonly from: number; readonly to: number } {
  return "from" in value && "to" in value;
}
