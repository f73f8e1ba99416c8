/** Which rare branches a campaign must reach. */
import { HOST_MARKS, SWITCH_MARKS } from "../../node/core/marks.ts";

/** What no random plan can bring about, and why; tests of their own reach these. */
const STRANGERS = "the bed has one VM and one cluster, and nobody sends what is not his";
const OPERATOR = "of an operator's words a plan draws `switch-over` alone";
const ROT = "no disk of a plan rots, nor loses both its pages";
const CROWD = "clients of a plan are few, and take what they are sent";

const BEYOND_PLANS: Readonly<Record<string, string>> = {
  "answer-of-another-vm": STRANGERS,
  "reconnect-D1": STRANGERS,
  "switch-foreign-announcement": STRANGERS,
  "switch-unknown-vm": STRANGERS,
  "disarm-leave": OPERATOR,
  "discard-ignored": OPERATOR,
  "drain-of-the-elected": OPERATOR,
  "nothing-to-resolve": OPERATOR,
  "part-from-leaver": OPERATOR,
  "reconnect-D5": OPERATOR,
  "bad-block-at-source": ROT,
  "block-repaired": ROT,
  "both-pages-bad": ROT,
  "switch-client-stuck": CROWD,
  "switch-full": CROWD,
  "switch-rack-beyond": CROWD,
};

/** Marks that a campaign of the profile `everything` lists when it never reached them. */
export const LISTED_MARKS: readonly string[] = [...HOST_MARKS, ...SWITCH_MARKS].filter(
  (mark) => !(mark in BEYOND_PLANS),
);
