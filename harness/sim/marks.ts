/** Which rare branches a campaign must reach. */
import { HOST_MARKS, SWITCH_MARKS } from "../../node/core/marks.ts";

/** What no random plan can bring about, and why; tests of their own reach these. */
export const BEYOND_PLANS: Readonly<Record<string, string>> = {};

/** Marks that a campaign of the profile `everything` lists when it never reached them. */
export const LISTED_MARKS: readonly string[] = [...HOST_MARKS, ...SWITCH_MARKS].filter(
  (mark) => !(mark in BEYOND_PLANS),
);
