/** A scenario: what is set up, what goes wrong, and what must hold then. Plain data; docs/scenarios.md describes the file. */
import * as v from "valibot";
import { FAULT_ENTRIES } from "../faults/registry.ts";
import { parseDataFile } from "./data-file.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Longest span that a scenario may name. Unit: milliseconds. */
const SPAN_MAX_MS = 3_600_000;
const spanMs = v.pipe(count, v.maxValue(SPAN_MAX_MS));

export const BEDS = ["local", "sim"] as const;
export type BedName = (typeof BEDS)[number];

/** Checkers that a scenario may ask for. */
export const CHECKS = [
  "linearizability",
  "durability",
  "divergence",
  "one-runner",
  "invariants",
  "recovery",
] as const;
export type CheckName = (typeof CHECKS)[number];

export const WORKLOADS = ["reference", "probe", "short"] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

/** Waited for instead of an instant. `takeover`: a host has announced the VM since the calm phase ended. */
export const whenSchema = v.strictObject({
  after: v.picklist(["calm", "takeover"]),
  plusMs: v.optional(spanMs, 0),
});

/** Counted from the end of the calm phase; a range is drawn from by the seed, both ends included. */
const atSchema = v.union([
  spanMs,
  v.pipe(
    v.strictObject({ from: spanMs, to: spanMs }),
    v.check(({ from, to }) => from <= to, "`from` must not be above `to`"),
  ),
]);

const timing = {
  atMs: v.optional(atSchema),
  when: v.optional(whenSchema),
  /** Healed so long after the fault instant. Absent: when the run ends. */
  forMs: v.optional(spanMs),
  /** From its instant on the fault waits for a write that has begun and not ended. */
  during: v.optional(v.literal("unfinished-write")),
};

const oneInstant = <Step extends { readonly atMs?: unknown; readonly when?: unknown }>(
  step: Step,
): boolean => (step.atMs === undefined) !== (step.when === undefined);

const stepSchema = v.pipe(
  v.variant("fault", [
    v.strictObject({ ...timing, ...FAULT_ENTRIES["kill-host"] }),
    v.strictObject({ ...timing, ...FAULT_ENTRIES["isolate-host"] }),
  ]),
  v.check(oneInstant, "a step has either `atMs` or `when`"),
);

export const topologySchema = v.strictObject({
  quorum: v.picklist(["one", "none"]),
  /** Host that runs the VM first; `any`: the seed draws it. */
  preferred: v.optional(v.picklist(["a", "b", "any"]), "any"),
  /** Unit: pages of 64 KiB. */
  memoryPages: v.optional(v.pipe(count, v.minValue(1)), 64),
  /** Unit: blocks of 4 KiB. */
  volumeBlocks: v.optional(v.pipe(count, v.minValue(1)), 16_384),
  peerLoss: v.optional(v.picklist(["preferred", "continue"]), "preferred"),
  /** One-way delay of every link. Unit: milliseconds. */
  linkDelayMs: v.optional(v.pipe(count, v.maxValue(1_000)), 0),
});

/** What ends the fault phase, and what is owed then. */
export const CONVERGENCES = ["service", "duplex", "safety-only"] as const;
export const convergeSchema = v.picklist(CONVERGENCES);
export const budgetSchema = v.picklist(["inside", "outside"]);
export const checksSchema = v.pipe(v.array(v.picklist(CHECKS)), v.minLength(1));
export const deadlineSchema = v.pipe(spanMs, v.minValue(1));
export const nameSchema = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9-]+(\/[a-z0-9-]+)*$/, "must be words of a-z, 0-9 and -, divided by /"),
);

const scenarioSchema = v.pipe(
  v.strictObject({
    name: nameSchema,
    /** One sentence for `list`. */
    title: v.pipe(v.string(), v.minLength(1)),
    level: v.picklist([1, 2, 3]),
    /** Where it runs; the first one is taken unless another is asked for. */
    beds: v.pipe(v.array(v.picklist(BEDS)), v.minLength(1)),
    topology: topologySchema,
    workload: v.picklist(WORKLOADS),
    steps: v.pipe(v.array(stepSchema), v.minLength(1)),
    converge: convergeSchema,
    /** `inside`: the system must tolerate this, so the service is owed. `outside`: only safety is. */
    budget: budgetSchema,
    /** From the last fault to convergence at most. Unit: milliseconds. */
    deadlineMs: v.optional(deadlineSchema, 20_000),
    checks: checksSchema,
  }),
  v.forward(
    v.check(
      ({ converge, budget }) => (converge === "safety-only") === (budget === "outside"),
      "`safety-only` is for what lies outside the budget, and nothing more is owed there",
    ),
    ["budget"],
  ),
);

export type Scenario = v.InferOutput<typeof scenarioSchema>;
export type Step = Scenario["steps"][number];

/**
 * @param path for messages
 * @throws HarnessError BAD_SCENARIO naming file, line and column of each mistake
 */
export function parseScenario(text: string, path: string): Scenario {
  return parseDataFile(text, path, scenarioSchema);
}
