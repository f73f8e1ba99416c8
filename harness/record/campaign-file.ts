/** What a campaign of random plans came to so far: a file that it can be gone on with from. */
import { existsSync, readFileSync } from "node:fs";
import * as v from "valibot";

const count = v.pipe(v.number(), v.minValue(0));

const failureSchema = v.strictObject({
  seed: v.number(),
  verdict: v.picklist(["fail", "broken", "unknown"]),
  /** Names of the checks that did not pass. */
  checks: v.array(v.string()),
  why: v.array(v.string()),
  replay: v.string(),
  record: v.string(),
});

const stateSchema = v.strictObject({
  schema: v.literal(1),
  profile: v.string(),
  commit: v.string(),
  first: v.number(),
  last: v.number(),
  /** Seeds that are through. */
  done: count,
  /** Every seed below this one is through. */
  next: v.number(),
  /** Seeds above `next` that are through. */
  early: v.array(v.number()),
  failures: v.array(failureSchema),
  marks: v.record(v.string(), count),
  /** Simulated. Unit: microseconds. */
  simulatedUs: count,
  steps: count,
  /** Summed over all threads. Unit: milliseconds. */
  busyMs: count,
  /** Over all parts of the campaign. Unit: milliseconds. */
  tookMs: count,
});

/** As kept between two parts of a campaign. */
export type CampaignState = v.InferOutput<typeof stateSchema>;
/** A seed that did not pass. */
export type CampaignFailure = v.InferOutput<typeof failureSchema>;

/** Null: there is none, or it is no whole one. */
export function readCampaign(path: string): CampaignState | null {
  if (!existsSync(path)) return null;
  try {
    const read = v.safeParse(stateSchema, JSON.parse(readFileSync(path, "utf8")));
    return read.success ? read.output : null;
  } catch {
    // Cut short.
    return null;
  }
}
