/** Steps of a plan: what happens when, and to whom. A scenario may leave spans to the seed; in a plan they are drawn. */
import * as v from "valibot";
import { faultEntries } from "../faults/registry.ts";
import { targetSchema } from "../faults/target.ts";

export const countSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Longest span that a scenario may name. Unit: milliseconds. */
const SPAN_MAX_MS = 3_600_000;
export const spanSchema = v.pipe(countSchema, v.maxValue(SPAN_MAX_MS));

const percent = v.pipe(countSchema, v.maxValue(100));

/** Longest that a fault may wait into a write. Unit: microseconds. */
const INTO_WRITE_LONGEST_US = 10_000_000;

/** A range is drawn from by the seed, both ends included. */
const rangeOf = (bound: typeof spanSchema | typeof percent) =>
  v.pipe(
    v.strictObject({ from: bound, to: bound }),
    v.check(({ from, to }) => from <= to, "`from` must not be above `to`"),
  );
const drawnSpan = v.union([spanSchema, rangeOf(spanSchema)]);
const drawnPercent = v.union([percent, rangeOf(percent)]);

/**
 * What a step may wait for, looked at since the step before it was injected.
 * `calm`: the calm phase has ended · `injected`, `healed`: a step was · `takeover`: a host announced the VM · `service`: the VM is served ·
 * `duplex`: the pair is redundant again, after it was not · `pre-elected`: and that without an arbiter · `resync`: blocks are being copied ·
 * `host-dead`: a host has no process · `split-brain`: a host says so
 */
const AFTER = [
  "calm",
  "injected",
  "healed",
  "takeover",
  "service",
  "duplex",
  "pre-elected",
  "resync",
  "host-dead",
  "split-brain",
] as const;

/** Number of a step, from 1. */
const stepNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

const scenarioWhen = v.strictObject({
  after: v.picklist(AFTER),
  /** `injected` and `healed` alone; absent: the step before. */
  step: v.optional(stepNumber),
  /** `resync` alone: so much of it is done. */
  atPercent: v.optional(drawnPercent),
  plusMs: v.optional(drawnSpan, 0),
});

const planWhen = v.strictObject({
  after: v.picklist(AFTER),
  step: v.optional(stepNumber),
  atPercent: v.optional(percent),
  plusMs: countSchema,
});

const operatorEntries = {
  /** What an operator asks of the host `on`. */
  operator: v.picklist(["resolve", "force-boot", "switch-over", "drain"]),
  on: targetSchema,
  /** `resolve` alone: the host whose copy stays. */
  keep: v.optional(targetSchema),
  /** `resolve` and `force-boot` alone: also a copy that may be torn. */
  damaged: v.optional(v.boolean(), false),
};

const scenarioTiming = {
  atMs: v.optional(drawnSpan),
  when: v.optional(scenarioWhen),
};
const scenarioFaultTiming = {
  ...scenarioTiming,
  /** Healed so long after the fault instant. Absent: when the run ends. */
  forMs: v.optional(drawnSpan),
  /** From its instant on the fault waits for a write that has begun and not ended. */
  during: v.optional(v.literal("unfinished-write")),
  /** With `during` alone: it hits the write so long after its begin. Unit: microseconds. Absent: the seed draws it. */
  intoWriteUs: v.optional(v.pipe(countSchema, v.maxValue(INTO_WRITE_LONGEST_US))),
};

const planTiming = {
  /** Counted from the end of the calm phase. Unit: milliseconds. */
  atMs: v.nullable(countSchema),
  when: v.nullable(planWhen),
};
const planFaultTiming = {
  ...planTiming,
  /** Null: healed when the run ends. */
  forMs: v.nullable(countSchema),
  /** The fault waits for an unfinished write, and hits it so long after its begin. Unit: microseconds. Null: it does not wait. */
  intoWriteUs: v.nullable(countSchema),
};

const drawn = faultEntries(drawnSpan);
const scenarioFault = v.variant("fault", [
  v.strictObject({ ...scenarioFaultTiming, ...drawn["kill-host"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["restart-host"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["pause-host"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["cut-power"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["kill-quorum"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["isolate-host"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["refuse-link"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["blackhole-link"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["jam-link"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["delay-link"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["blank-disk"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["break-disk"] }),
  v.strictObject({ ...scenarioFaultTiming, ...drawn["old-disk"] }),
]);
const scenarioOperator = v.strictObject({ ...scenarioTiming, ...operatorEntries });

const fixed = faultEntries(countSchema);
const planFault = v.variant("fault", [
  v.strictObject({ ...planFaultTiming, ...fixed["kill-host"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["restart-host"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["pause-host"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["cut-power"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["kill-quorum"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["isolate-host"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["refuse-link"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["blackhole-link"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["jam-link"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["delay-link"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["blank-disk"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["break-disk"] }),
  v.strictObject({ ...planFaultTiming, ...fixed["old-disk"] }),
]);
const planOperator = v.strictObject({ ...planTiming, ...operatorEntries });

const handTiming = { forMs: v.optional(spanSchema) };
const byHand = faultEntries(v.optional(spanSchema, 0));
/** A fault as a person injects it into a running cluster; spans that are not given are 0: it is healed when he says so. */
export const handFaultSchema = v.variant("fault", [
  v.strictObject({ ...handTiming, ...byHand["kill-host"] }),
  v.strictObject({ ...handTiming, ...byHand["restart-host"] }),
  v.strictObject({ ...handTiming, ...byHand["pause-host"] }),
  v.strictObject({ ...handTiming, ...byHand["cut-power"] }),
  v.strictObject({ ...handTiming, ...byHand["kill-quorum"] }),
  v.strictObject({ ...handTiming, ...byHand["isolate-host"] }),
  v.strictObject({ ...handTiming, ...byHand["refuse-link"] }),
  v.strictObject({ ...handTiming, ...byHand["blackhole-link"] }),
  v.strictObject({ ...handTiming, ...byHand["jam-link"] }),
  v.strictObject({ ...handTiming, ...byHand["delay-link"] }),
  v.strictObject({ ...handTiming, ...byHand["blank-disk"] }),
  v.strictObject({ ...handTiming, ...byHand["break-disk"] }),
  v.strictObject({ ...handTiming, ...byHand["old-disk"] }),
]);
/** A command as a person gives it to a host of a running cluster. */
export const handOperatorSchema = v.strictObject(operatorEntries);
export type HandFault = v.InferInput<typeof handFaultSchema>;
export type HandOperator = v.InferInput<typeof handOperatorSchema>;

type ScenarioStep = v.InferOutput<typeof scenarioFault> | v.InferOutput<typeof scenarioOperator>;
type PlanFault = v.InferOutput<typeof planFault>;
/** An operator's command in a plan. */
export type OperatorStep = v.InferOutput<typeof planOperator>;

/** A step of a plan. */
export type PlanStep = PlanFault | OperatorStep;

export function isFaultStep(step: PlanStep): step is PlanFault {
  return "fault" in step;
}

/** As records name it: the fault, or the operator's command. */
export function nameOfStep(step: PlanStep): string {
  return isFaultStep(step) ? step.fault : step.operator;
}

const isOperator = (input: unknown): boolean =>
  typeof input === "object" && input !== null && "operator" in input;

/** A step as a person writes it. */
const scenarioStepSchema = v.pipe(
  v.lazy((input) => (isOperator(input) ? scenarioOperator : scenarioFault)),
  v.check(hasOneInstant, "a step has either `atMs` or `when`"),
  v.check(
    ({ when }) => when?.atPercent === undefined || when.after === "resync",
    "`atPercent` goes with `after: resync`",
  ),
  v.check(
    ({ when }) => when?.step === undefined || when.after === "injected" || when.after === "healed",
    "`step` goes with `after: injected` or `after: healed`",
  ),
  v.check(
    (step) => !("operator" in step) || (step.operator === "resolve") === (step.keep !== undefined),
    "`keep` goes with `operator: resolve`, which needs it",
  ),
  v.check(
    (step) => !("fault" in step) || step.fault !== "delay-link" || step.jitterMs <= step.latencyMs,
    "`jitterMs` must not be above `latencyMs`",
  ),
  v.check(
    (step) => !("fault" in step) || step.intoWriteUs === undefined || step.during !== undefined,
    "`intoWriteUs` goes with `during: unfinished-write`",
  ),
);

/** All steps of a scenario; each names only steps before it. */
export const scenarioStepsSchema = v.pipe(
  v.array(scenarioStepSchema),
  v.check((steps) => steps.every(namesEarlierSteps), "a step names only steps before it"),
);

export const planStepsSchema = v.array(
  v.lazy((input) => (isOperator(input) ? planOperator : planFault)),
);

function hasOneInstant({ atMs, when }: ScenarioStep): boolean {
  return (atMs === undefined) !== (when === undefined);
}

function namesEarlierSteps(step: ScenarioStep, index: number): boolean {
  const image = "fault" in step && step.fault === "old-disk" ? step.image : "calm";
  const named = [step.when?.step, image === "calm" ? undefined : image];
  return named.every((number) => number === undefined || number <= index);
}
