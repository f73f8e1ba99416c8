/**
 * Goal: an expected split brain is found, told and counted, each of its sides is judged by what its own clients saw, and nothing of that
 * excuses a run in which none is expected. Method: a constructed record of two sides, with one thing wrong at a time.
 */
import t from "tap";
import { auditFields, auditOf } from "../../harness/check/audit-event.ts";
import type { DiskBytes } from "../../harness/check/disk-image.ts";
import { auditDisks } from "../../harness/check/divergence.ts";
import { judgeLinearizability } from "../../harness/check/linearizability.ts";
import { checkOneRunner } from "../../harness/check/one-runner.ts";
import { operationsOf } from "../../harness/check/operations.ts";
import { findSplit, solePeriods } from "../../harness/check/sole-periods.ts";
import { checkSplitBrain, type SplitBrainFigures } from "../../harness/check/split-brain.ts";
import {
  durabilityBySide,
  linearizabilityBySide,
  writesBySide,
} from "../../harness/check/split-judge.ts";
import { type SplitSide, splitSides } from "../../harness/check/split-sides.ts";
import { guardChecker } from "../../harness/check/verdict.ts";
import type { RunEvent } from "../../harness/record/types.ts";
import { buildDisk, type DiskPlan } from "./disk-builder.ts";
import { PARTED_AT, type SplitWrongs, splitEvents, splitHistory } from "./split-record.ts";

const bytesOf = (plan: DiskPlan): DiskBytes => {
  const disk = buildDisk(plan);
  return { size: disk.length, read: (offset, length) => disk.subarray(offset, offset + length) };
};
const sole = { right: "sole", copy: "ahead" } as const;
/** Block 3 was written by both sides, 4 by a, 5 and 6 by b. */
const DISKS = {
  a: bytesOf({ host: "a", ...sole, written: { 0: 1, 3: 7, 4: 7 }, dirty: [3, 4] }),
  b: bytesOf({ host: "b", ...sole, written: { 0: 1, 3: 8, 5: 8, 6: 8 }, dirty: [3, 5, 6] }),
};
const auditFound = (left: DiskBytes, right: DiskBytes) => {
  const guarded = guardChecker("divergence", () =>
    auditDisks(left, right, { isSplitExpected: true }),
  );
  // By way of the event, as in a run.
  const event = { at: 1, source: "harness", what: "audit", ...auditFields(guarded) };
  const written: RunEvent = { ...event };
  return auditOf(written);
};

interface Judged extends SplitBrainFigures {
  readonly sides: readonly SplitSide[];
}

function judge(
  wrongs: SplitWrongs,
  audit: ReturnType<typeof auditOf>["found"] = auditFound(DISKS.a, DISKS.b).found,
): Judged {
  const events = splitEvents(wrongs);
  const operations = operationsOf(splitHistory(wrongs));
  const split = findSplit(solePeriods(events));
  const sides = split === null ? [] : splitSides(operations, events, split);
  return { ...checkSplitBrain({ split, sides, events, audit }), sides };
}

await t.test("a split brain that both hosts tell of passes, and is counted on each side", (t) => {
  const { check, splitBrain } = judge({});
  t.equal(check.verdict, "pass", check.why);
  t.same(splitBrain, {
    fromMs: PARTED_AT / 1_000,
    isResolved: false,
    sides: [
      // The key `both` counts on each side, with the value that was written there.
      { host: "a", acknowledged: 2, readBack: 2, blocks: 2 },
      { host: "b", acknowledged: 2, readBack: 2, blocks: 3 },
    ],
    bothBlocks: 1,
  });
  t.match(check.why, /split brain of a and b from 100\.0 ms: a alone holds 2 acknowledged writes/);
  t.end();
});

await t.test("without a split brain, or a host that tells of it, the check fails", (t) => {
  t.match(judge({ isWhole: true }), { check: { verdict: "fail", why: /none/ }, splitBrain: null });
  const mute = judge({ mute: "b" }).check;
  t.match(mute, { verdict: "fail", why: /not reported: state split-brain by b, alert .* by b/ });
  t.end();
});

await t.test("disks that do not show both sides fail the check, unread ones leave it open", (t) => {
  const equal = auditFound(DISKS.a, bytesOf({ host: "b", ...sole, written: { 0: 1, 3: 7 } })).found;
  t.match(judge({}, equal).check, { verdict: "fail", why: /the disks do not show both sides/ });
  t.match(judge({}, null).check, { verdict: "unknown", why: /not compared/ });
  t.match(judge({ isIdle: true }).check, { verdict: "unknown", why: /nothing was asked of b/ });
  t.end();
});

await t.test("a side that was given up is counted by what it had acknowledged", (t) => {
  const { check, splitBrain, sides } = judge({ resolvedAt: 350_000 }, null);
  t.match(check, { verdict: "pass", why: /reported by both, and resolved/ });
  t.match(splitBrain, { isResolved: true, sides: [{ acknowledged: 2 }, { acknowledged: 2 }] });
  t.equal(durabilityBySide(sides, []).check.verdict, "pass", "what side b wrote is not owed");
  const kept = judge({ resolvedAt: 350_000, isWritten: true }, null).sides;
  const whole = durabilityBySide(kept, []).check;
  t.equal(whole.verdict, "pass", `the side that was kept owes what it wrote last: ${whole.why}`);
  t.end();
});

await t.test("a host that gave its side up may serve the other side's history", (t) => {
  const [a, b] = judge({ resolvedAt: 350_000 }).sides;
  // The switch of site b still follows host b, which holds the copy of a by then.
  t.ok(a?.operations.some(({ site, invokedAt }) => site === "s2" && invokedAt > 400_000));
  t.notOk(
    b?.operations.some(({ invokedAt }) => invokedAt > 350_000),
    "its own history has ended",
  );
  t.equal(linearizabilityBySide(judge({ resolvedAt: 350_000 }).sides).check.verdict, "pass");
  const still = linearizabilityBySide(judge({ resolvedAt: 350_000, onB: "2" }).sides).check;
  t.match(still, { verdict: "fail", why: /side a: .*returned "2", but nobody wrote it/ });
  t.end();
});

await t.test("each side is linearizable by itself, and both together are not", (t) => {
  const { sides } = judge({});
  const { check } = linearizabilityBySide(sides);
  t.equal(check.verdict, "pass", check.why);
  t.match(check.why, /side a: .*; side b: /);
  const whole = judgeLinearizability(operationsOf(splitHistory())).check;
  t.equal(whole.verdict, "fail", "judged as one history the two sides contradict each other");
  t.equal(linearizabilityBySide(judge({ before: "0" }).sides).check.verdict, "fail");
  t.end();
});

await t.test("what was acknowledged before is owed by both sides, the rest by its own", (t) => {
  const { check, acknowledged, lost } = durabilityBySide(judge({}).sides, []);
  t.equal(check.verdict, "pass", check.why);
  t.equal(lost.acknowledged, 0);
  // `old`, `half`; `both` and `onA` of a, `both` and `onB` of b.
  t.equal(acknowledged, 6);
  const forgotten = durabilityBySide(judge({ onB: "0" }).sides, []);
  t.match(forgotten.check, { verdict: "fail", why: /key "onB", found "0"/ });
  t.equal(forgotten.lost.acknowledged, 1);
  const before = durabilityBySide(judge({ before: "0" }).sides, []);
  const unread = judge({}).sides.map((side) => ({
    ...side,
    operations: side.operations.filter(({ role, site }) => role !== "readback" || site === "s1"),
  }));
  t.match(durabilityBySide(unread, []).check, {
    verdict: "unknown",
    why: /less than half of what b alone acknowledged/,
  });
  t.match(before.check, { verdict: "fail", why: /key "old"/ });
  t.end();
});

await t.test("an acknowledged write is durable when its own side kept it", (t) => {
  const kindOf = (wrongs: SplitWrongs): Record<string, string> => {
    const writes = writesBySide(judge(wrongs).sides);
    return Object.fromEntries(
      writes.map(({ operation: { key, value }, judgement }) => [`${key} ${value}`, judgement.kind]),
    );
  };
  const [old, half, both] = [{ "old 1": "kept" }, { "half 1": "kept" }, { "both a": "kept" }];
  const alone = { "both b": "kept", "onA 2": "kept", "onB 2": "kept" };
  t.same(kindOf({}), { ...old, ...half, ...both, ...alone });
  t.match(kindOf({ before: "0" }), { "old 1": "lost" }, "one side has lost it");
  t.match(kindOf({ onB: "0" }), { "onB 2": "lost", "onA 2": "kept" });
  t.end();
});

await t.test("each host may run under its own generation, and under no other", (t) => {
  const expected = { isSplitExpected: true };
  t.equal(checkOneRunner(splitEvents(), expected).check.verdict, "pass");
  t.equal(checkOneRunner(splitEvents()).check.verdict, "fail", "where none is expected");
  const late = checkOneRunner(splitEvents({ isLate: true }), expected).check;
  t.match(late, { verdict: "fail", why: /host b put out under generation 5/ });
  const resolved = splitEvents({ resolvedAt: 280_000 });
  t.equal(checkOneRunner(resolved, expected).check.verdict, "pass", "they were alone at once");
  t.end();
});

await t.test("two hosts that were alone one after the other are no split brain", (t) => {
  const isPageOfB = ({ source, what }: RunEvent): boolean => what === "page" && source === "host b";
  const events = splitEvents({ resolvedAt: 350_000 }).filter(isPageOfB);
  const later = { at: 400_000, source: "host a", what: "page", right: "sole", gen: "c", n: 9 };
  t.equal(solePeriods([...events, later]).length, 2);
  t.equal(findSplit(solePeriods([...events, later])), null);
  t.end();
});

await t.test("pages that both say sole fail the audit, unless a split brain is expected", (t) => {
  t.match(auditDisks(DISKS.a, DISKS.b), {
    check: { verdict: "fail", why: /both hosts went on alone, 4 blocks differ, two ways/ },
    divergence: { knownBlocks: 4, silentBlocks: 0, way: "two" },
    changed: { left: 2, right: 3, both: 1 },
  });
  t.equal(auditFound(DISKS.a, DISKS.b).check.verdict, "pass");
  t.end();
});

await t.test("an audit that threw leaves no figures in its event", (t) => {
  const foreign = auditFound(DISKS.a, bytesOf({ host: "b", cluster: "c-2" }));
  t.match(foreign, { check: { verdict: "unknown", why: /clusters c-1 and c-2/ }, found: null });
  t.end();
});
