/**
 * A plan: what is to happen in one run, plain data, stored before the bed comes up. All that can be drawn before the run is drawn here,
 * each draw from a stream of its own, so that a new one does not move the others. Target words stay words: who is active shows in the run.
 */
import * as v from "valibot";
import { RECORD_SCHEMA } from "../../harness/record/types.ts";
import type { ClusterSpec } from "../../harness/rig/rig.ts";
import { forkRandom } from "../../harness/workload/forked-random.ts";
import { FAULT_ENTRIES } from "../faults/registry.ts";
import { parseDataFile } from "./data-file.ts";
import {
  BEDS,
  type BedName,
  budgetSchema,
  checksSchema,
  convergeSchema,
  deadlineSchema,
  nameSchema,
  type Scenario,
  type Step,
  WORKLOADS,
  type WorkloadName,
  whenSchema,
} from "./scenario.ts";
import { workloadFor } from "./workloads.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const seedSchema = v.pipe(v.number(), v.safeInteger());

/** An injected write is aimed at up to so long after its begin. Unit: microseconds. */
const INTO_WRITE_MAX_US = 3_000;

const timing = {
  /** Counted from the end of the calm phase. Unit: milliseconds. */
  atMs: v.nullable(count),
  when: v.nullable(whenSchema),
  /** Null: healed when the run ends. */
  forMs: v.nullable(count),
  /** The fault waits for an unfinished write, and hits it so long after its begin. Unit: microseconds. Null: it does not wait. */
  intoWriteUs: v.nullable(count),
};

const planSchema = v.strictObject({
  schema: v.literal(RECORD_SCHEMA),
  scenario: nameSchema,
  level: v.picklist([1, 2, 3]),
  seed: seedSchema,
  bed: v.picklist(BEDS),
  topology: v.strictObject({
    seed: seedSchema,
    quorum: v.picklist(["one", "none"]),
    preferred: v.picklist(["a", "b"]),
    memoryPages: count,
    volumeBlocks: count,
    peerLoss: v.picklist(["preferred", "continue"]),
    bootDelayMs: count,
    linkDelayMs: count,
  }),
  workload: v.strictObject({
    name: v.picklist(WORKLOADS),
    spec: v.strictObject({
      kind: v.picklist(["reference", "probe", "none"]),
      clients: count,
      thinkMs: count,
      warmUpMs: count,
      calmMs: count,
      seed: seedSchema,
    }),
    afterServiceMs: count,
    probePeriodMs: count,
  }),
  steps: v.array(
    v.variant("fault", [
      v.strictObject({ ...timing, ...FAULT_ENTRIES["kill-host"] }),
      v.strictObject({ ...timing, ...FAULT_ENTRIES["isolate-host"] }),
    ]),
  ),
  converge: convergeSchema,
  budget: budgetSchema,
  deadlineMs: deadlineSchema,
  checks: checksSchema,
});

export type Plan = v.InferOutput<typeof planSchema>;
export type PlanStep = Plan["steps"][number];

export interface PlanOptions {
  readonly seed: number;
  readonly bed: BedName;
  /** In place of the scenario's own. */
  readonly workload?: WorkloadName;
  /** Models a guest that boots so much longer. Unit: milliseconds. Default 0. */
  readonly bootDelayMs?: number;
}

/** Equal arguments give equal plans. */
export function planRun(scenario: Scenario, options: PlanOptions): Plan {
  const { seed, bed } = options;
  const name = options.workload ?? scenario.workload;
  return {
    schema: RECORD_SCHEMA,
    scenario: scenario.name,
    level: scenario.level,
    seed,
    bed,
    topology: clusterOf(scenario, options),
    workload: { name, ...workloadFor(name, { bed, seed }) },
    steps: scenario.steps.map((step, index) => planStep(step, seed, index)),
    converge: scenario.converge,
    budget: scenario.budget,
    deadlineMs: scenario.deadlineMs,
    checks: scenario.checks,
  };
}

/**
 * @param path for messages
 * @throws HarnessError BAD_SCENARIO naming file, line and column of each mistake
 */
export function parsePlan(text: string, path: string): Plan {
  return parseDataFile(text, path, planSchema);
}

function clusterOf({ topology }: Scenario, { seed, bootDelayMs = 0 }: PlanOptions): ClusterSpec {
  const { preferred, quorum, memoryPages, volumeBlocks, peerLoss, linkDelayMs } = topology;
  const drawn = forkRandom(seed, "plan/preferred").below(2) === 0 ? "a" : "b";
  return {
    seed,
    quorum,
    preferred: preferred === "any" ? drawn : preferred,
    memoryPages,
    volumeBlocks,
    peerLoss,
    bootDelayMs,
    linkDelayMs,
  };
}

function planStep(step: Step, seed: number, index: number): PlanStep {
  const { atMs, when, during, forMs, ...fault } = step;
  const draw = (purpose: string, below: number): number =>
    forkRandom(seed, `plan/step ${index}/${purpose}`).below(below);
  const isRange = typeof atMs === "object";
  return {
    atMs: isRange ? atMs.from + draw("at", atMs.to - atMs.from + 1) : (atMs ?? null),
    when: when ?? null,
    forMs: forMs ?? null,
    intoWriteUs: during === undefined ? null : draw("into-write", INTO_WRITE_MAX_US + 1),
    ...fault,
  };
}
