/** What a scenario expects beyond the checks that every run may ask for. Judged from the record (chaos/expectations.ts). */
import * as v from "valibot";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const countOrRange = v.union([count, v.strictObject({ min: count, max: count })]);
const steps = v.pipe(v.array(v.pipe(count, v.minValue(1))), v.minLength(1));
const limitMs = v.pipe(v.number(), v.minValue(0));

export const expectationsSchema = v.strictObject({
  /** Boots of the VM that are announced after the first fault. */
  boots: v.optional(countOrRange),
  /** Hosts that go on alone (`sole`) after the first fault. */
  alone: v.optional(countOrRange),
  /** Longest interruption by any fault. Unit: milliseconds; the beds differ in what disturbs them. */
  interruptionMaxMs: v.optional(v.strictObject({ sim: limitMs, local: limitMs })),
  /** Every resync after the first fault is of this kind, and there is one. */
  resync: v.optional(v.picklist(["delta", "full"])),
  /** Numbers of steps (from 1) whose target runs no VM from the fault instant until the pair is redundant again. */
  mustNotBoot: v.optional(steps),
  /** Numbers of steps (from 1) whose fault instant lies inside a resync. */
  inResync: v.optional(steps),
});

export type Expectations = v.InferOutput<typeof expectationsSchema>;
