/**
 * Goal: each checker rejects a history that breaks its promise, accepts one that keeps it, and says unknown where it saw too little.
 * Method: stored histories and events with recognisable numbers; the recovery figures are worked out by hand in the comments.
 */
import t from "tap";
import { checkDurability } from "../../harness/check/durability.ts";
import { checkInvariants } from "../../harness/check/invariants.ts";
import { checkOneRunner } from "../../harness/check/one-runner.ts";
import { countOperations, operationsOf } from "../../harness/check/operations.ts";
import { checkRecovery, type RecoveryFigures } from "../../harness/check/recovery.ts";
import { percentile, summarize } from "../../harness/check/stats.ts";
import { composeVerdict, EXIT_STATUS, guardChecker } from "../../harness/check/verdict.ts";
import { readEvents, readHistory } from "../../harness/record/reader.ts";
import type { CheckResult, HistoryLine, RunEvent } from "../../harness/record/types.ts";
import { storedIn, storedPath } from "./stored.ts";

const KILL: RunEvent = {
  at: 10_100,
  source: "harness",
  what: "fault",
  atInjectUs: 10_000,
  fault: "kill-host",
  state: "injected",
  target: "a",
};

await t.test("durability gives stored histories the verdict in their name", (t) => {
  for (const { path, title, expected } of storedIn("durability")) {
    const { check } = checkDurability(operationsOf(readHistory(path).lines), [KILL]);
    t.equal(check.verdict, expected, `${title}: ${check.why}`);
  }
  t.end();
});

await t.test(
  "the age of a lost write runs from its ack to the last fault before its loss was seen",
  (t) => {
    const path = storedPath("durability/bad-once-key-missing.ndjson");
    const operations = operationsOf(readHistory(path).lines);
    const afterwards = { ...KILL, at: 90_000, atInjectUs: 90_000 };
    const figures = checkDurability(operations, [KILL, afterwards]);
    // Acknowledged at 4 ms, killed at 10 ms, read at 23 ms.
    t.same(figures.lost, { acknowledged: 1, oldestMs: 6 });
    t.same(figures.lostOperations, [2]);
    t.same(checkDurability(operations, []).lost, { acknowledged: 1, oldestMs: 19 });
    t.end();
  },
);

await t.test("one-runner gives stored events the verdict in their name", (t) => {
  for (const { path, title, expected } of storedIn("one-runner")) {
    const { check } = checkOneRunner(readEvents(path).lines);
    t.equal(check.verdict, expected, `${title}: ${check.why}`);
  }
  t.end();
});

await t.test(
  "an output event without its fields is refused, and the guard calls that unknown",
  (t) => {
    const events: readonly RunEvent[] = [{ at: 1, source: "switch s1", what: "outputs", gen: "g" }];
    t.throws(() => checkOneRunner(events), { code: "BAD_RECORD", message: /"n" must be a number/ });
    const guarded = guardChecker("one-runner", () => checkOneRunner(events));
    t.equal(guarded.figures, null);
    t.match(guarded.check, { name: "one-runner", verdict: "unknown", why: /the checker threw: / });
    t.end();
  },
);

const recoveryOf = (events: string, convergedAt: number | null): RecoveryFigures => {
  const { lines } = readHistory(storedPath("recovery/kill-active.history.ndjson"));
  const record = {
    lines,
    operations: operationsOf(lines),
    events: readEvents(storedPath(`recovery/${events}.events.ndjson`)).lines,
  };
  return checkRecovery(record, { convergedAt });
};

await t.test("recovery gives stored runs the verdict in their name", (t) => {
  const runs = storedIn("recovery-verdicts").filter(({ path }) => path.endsWith(".events.ndjson"));
  t.equal(runs.length, 5);
  for (const { path, title, expected } of runs) {
    const { lines } = readHistory(path.replace(".events.", ".history."));
    const events = readEvents(path).lines;
    const record = { lines, operations: operationsOf(lines), events };
    const { check } = checkRecovery(record, { convergedAt: 60_000 });
    t.equal(check.verdict, expected, `${title}: ${check.why}`);
    const isForgiven = checkRecovery(record, { convergedAt: 60_000, isServiceOwed: false }).check;
    t.not(isForgiven.verdict, "fail", `${title}: nothing is owed outside the budget`);
  }
  t.end();
});

await t.test("the interruption runs between durable acks and splits into stages", (t) => {
  const { check, recovery, availability } = recoveryOf("kill-active", 305_000);
  t.equal(check.verdict, "pass", check.why);
  t.equal(recovery.length, 1);
  // The ack at 22.4 ms was forgotten: the last durable one came at 20.5 ms, the first one after at 270.0 ms.
  t.match(recovery[0], {
    fault: "kill-host",
    target: "a",
    interruptionMs: 249.5,
    measuredMs: 249.5,
    // The lag of 90 ms lies before the gap.
    resolutionMs: 3.2,
    stages: { detectMs: 100, arbitrateMs: 10, startMs: 120, serveMs: 19.5 },
    redundantMs: null,
    otherGaps: [],
  });
  // Of the slots from 20 to 310 ms two were served before the gap and 16 after it, 123 not.
  t.equal(availability, 18 / 141);
  t.end();
});

/** The probe of a site that is served all the time: a write every 2 ms, each read back. */
function servedProbe(site: string, endUs: number): readonly HistoryLine[] {
  const lines: HistoryLine[] = [];
  const each = (begin: number, f: "write" | "read"): void => {
    for (let slot = 0; slot * 2_000 < endUs; slot += 1) {
      const [at, key] = [begin + slot * (f === "write" ? 2_000 : 10), `${site}.p${slot}`];
      const common = { process: 9_001, op: begin + 10_000_000 + slot };
      const value = f === "write" ? String(slot) : null;
      const role = f === "write" ? "probe" : "readback";
      lines.push({ type: "invoke", at, ...common, f, key, value, role, site });
      lines.push({ type: "ok", at: at + 5, ...common, value: f === "write" ? null : String(slot) });
    }
  };
  each(0, "write");
  each(endUs + 100_000, "read");
  return lines;
}

await t.test("each site with a probe has an interruption of its own", (t) => {
  const { lines } = readHistory(storedPath("recovery/kill-active.history.ndjson"));
  const first = lines.map((line) => (line.type === "invoke" ? { ...line, site: "s1" } : line));
  const both = [...first, ...servedProbe("s2", 310_000)];
  const events = readEvents(storedPath("recovery/kill-active.events.ndjson")).lines;
  const { check, recovery } = checkRecovery(
    { lines: both, operations: operationsOf(both), events },
    { convergedAt: 305_000 },
  );
  t.match(recovery, [
    { site: "s1", fault: "kill-host", interruptionMs: 249.5 },
    { site: "s2", fault: "kill-host", interruptionMs: 2 },
  ]);
  t.match(check.why, /clients of s1: interrupted for 249\.5 .*clients of s2: interrupted for 2\.0/);
  const dark = first.filter((line) => line.type !== "ok");
  const none = [...dark, ...servedProbe("s2", 310_000)];
  const unserved = checkRecovery(
    { lines: none, operations: operationsOf(none), events },
    { convergedAt: 305_000 },
  );
  t.equal(unserved.check.verdict, "fail", "one site served does not serve the other");
  t.end();
});

await t.test("redundancy is back when the second host says duplex again", (t) => {
  t.equal(recoveryOf("return", 700_000).recovery[0]?.redundantMs, 600);
  t.end();
});

await t.test(
  "a silence that lasts to the end of the window is no interruption but a missing service",
  (t) => {
    const { check, recovery } = recoveryOf("kill-active", 200_000);
    t.match(recovery[0], { interruptionMs: null, measuredMs: null, resolutionMs: null });
    t.equal(check.verdict, "fail", "a service that is owed and does not come back is a failure");
    t.end();
  },
);

await t.test("a client that was late makes the interruption unknown, not the verdict", (t) => {
  const { lines } = readHistory(storedPath("recovery/kill-active.history.ndjson"));
  const lag: HistoryLine = { type: "lag", at: 250_000, lagUs: 26_000 };
  const events = readEvents(storedPath("recovery/kill-active.events.ndjson")).lines;
  const { check, recovery } = checkRecovery(
    { lines: [...lines, lag], operations: operationsOf(lines), events },
    { convergedAt: 305_000 },
  );
  t.equal(check.verdict, "pass");
  t.match(recovery[0], { interruptionMs: null, measuredMs: 249.5, resolutionMs: 26 });
  t.end();
});

await t.test("without a fault or a probe recovery is unknown", (t) => {
  const { lines } = readHistory(storedPath("recovery/kill-active.history.ndjson"));
  const operations = operationsOf(lines);
  const none = checkRecovery({ lines, operations, events: [] }, { convergedAt: null });
  t.equal(none.check.verdict, "unknown");
  t.equal(none.availability, null);
  const idle = checkRecovery({ lines: [], operations: [], events: [KILL] }, { convergedAt: null });
  t.equal(idle.check.verdict, "unknown");
  t.end();
});

await t.test("invariants gives stored events the verdict in their name", (t) => {
  for (const { path, title, expected } of storedIn("invariants")) {
    const check = checkInvariants(readEvents(path).lines);
    t.equal(check.verdict, expected, `${title}: ${check.why}`);
  }
  t.end();
});

await t.test("a broken rule fails by event and by exit status", (t) => {
  const violation = {
    at: 5,
    source: "invariant",
    what: "violation",
    name: "one-right",
    detail: "",
  };
  t.match(checkInvariants([KILL, violation]), { verdict: "fail", why: /one-right at 0.005 ms/ });
  const exit = { at: 5, source: "harness", what: "exit", process: "b", status: 10 };
  t.match(checkInvariants([exit]), { verdict: "fail", why: /b ended itself/ });
  t.equal(checkInvariants([{ ...exit, status: null }]).verdict, "pass");
  t.equal(checkInvariants([]).verdict, "unknown");
  t.end();
});

await t.test("the worst check decides, and no check decides nothing", (t) => {
  const check = (verdict: CheckResult["verdict"]): CheckResult => ({ name: "n", verdict, why: "" });
  t.equal(composeVerdict([]), "unknown");
  t.equal(composeVerdict([check("pass"), check("pass")]), "pass");
  t.equal(composeVerdict([check("pass"), check("unknown")]), "unknown");
  t.equal(composeVerdict([check("fail"), check("unknown"), check("pass")]), "fail");
  t.same(EXIT_STATUS, { pass: 0, fail: 1, unknown: 2, broken: 3 });
  t.end();
});

await t.test("percentiles are nearest-rank", (t) => {
  const twenty = Array.from({ length: 20 }, (_, index) => 20 - index);
  t.equal(percentile(twenty, 0.95), 19);
  t.same(summarize(twenty), { n: 20, p50: 10, p95: 19, max: 20 });
  t.equal(percentile([], 0.5), null);
  t.throws(() => percentile([1], 0), RangeError);
  t.end();
});

await t.test("an operation without an end counts as one that may have happened", (t) => {
  const { lines } = readHistory(storedPath("linearizability/good-unfinished.ndjson"));
  t.same(countOperations(operationsOf(lines)), { ok: 2, fail: 0, info: 2 });
  t.end();
});
