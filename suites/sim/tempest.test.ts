/**
 * Goal: whatever dies, hangs, returns, is cut off or forgets, no rule is broken, nothing acknowledged is lost, and when it is over the pair is whole again.
 * Method: seeded tempests (tempest.ts) under all invariants and outside checkers. Seeds that once failed are named with what they found.
 */
import t from "tap";
import { auditDisks } from "../../harness/check/divergence.ts";
import { checkDurability } from "../../harness/check/durability.ts";
import { checkInvariants } from "../../harness/check/invariants.ts";
import { checkLinearizability } from "../../harness/check/linearizability.ts";
import { checkOneRunner } from "../../harness/check/one-runner.ts";
import { operationsOf } from "../../harness/check/operations.ts";
import type { CheckResult } from "../../harness/record/types.ts";
import { rage, type Tempest } from "./tempest.ts";

const ONCE_FAILED: readonly (readonly [seed: number, found: string])[] = [
  [3_002, "the rules knew no policy that lets both go on alone"],
  [3_399, "open beside open of a generation both had left was impossible for ever"],
  [20_535, "a step waited for ever on an A-link that swallows bytes while another one lives"],
  [61_029, "a ceded runner whose elected peer came back without a write stood still for ever"],
  [4_174, "an image put back within one start lost writes of a warm extent, silently"],
];
const FRESH = Array.from({ length: 12 }, (_, index) => 100 + index);

/** Marks that a dozen tempests must reach: else they are too calm to prove anything. */
const REACHED = ["reconnect-D7", "copied-and-touched", "peer-suspected", "reconnect-D12"];

function judge({ rig, isWhole, wasSplit }: Tempest): readonly CheckResult[] {
  const [left, right] = rig.disks();
  if (left === undefined || right === undefined) throw new Error("there are not two disks");
  const events = rig.events();
  const always = [checkInvariants(events), auditDisks(left, right, { mustBeEqual: isWhole }).check];
  if (wasSplit) return always;
  return [
    ...always,
    checkLinearizability(rig.history).check,
    checkDurability(operationsOf(rig.history), events).check,
    checkOneRunner(events).check,
  ];
}

await t.test("seeds that once failed", async (t) => {
  for (const [seed, found] of ONCE_FAILED) {
    const tempest = await rage(seed);
    const failed = judge(tempest).filter(({ verdict }) => verdict === "fail");
    t.same(failed, [], `seed ${seed}: ${found}`, { log: tempest.log });
    t.ok(tempest.isWhole, `seed ${seed}: whole again`, { log: tempest.log });
  }
});

await t.test("a dozen tempests", async (t) => {
  const marks = new Set<string>();
  for (const seed of FRESH) {
    const tempest = await rage(seed);
    const failed = judge(tempest).filter(({ verdict }) => verdict === "fail");
    t.same(failed, [], `seed ${seed}`, { log: tempest.log });
    t.ok(tempest.isWhole, `seed ${seed}: whole again`, { log: tempest.log });
    for (const mark of tempest.rig.marks.keys()) marks.add(mark);
  }
  for (const mark of REACHED) t.ok(marks.has(mark), `they reach ${mark}`);
});
