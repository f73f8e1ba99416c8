/** What a run amounts to: every checker that the plan asks for, and what must be true of any run before its verdict counts. */
import { type DurabilityFigures, durabilityOf } from "../harness/check/durability.ts";
import {
  checkInvariants,
  DISK_FAILED_STATUS,
  INVARIANT_STATUS,
} from "../harness/check/invariants.ts";
import { judgeLinearizability } from "../harness/check/linearizability.ts";
import { checkOneRunner } from "../harness/check/one-runner.ts";
import { countOperations, type Operation, operationsOf } from "../harness/check/operations.ts";
import { judgeWrites } from "../harness/check/read-back.ts";
import { checkRecovery, type RecoveryFigures } from "../harness/check/recovery.ts";
import { findSplit, solePeriods } from "../harness/check/sole-periods.ts";
import { checkSplitBrain, type SplitBrainFigures } from "../harness/check/split-brain.ts";
import {
  durabilityBySide,
  linearizabilityBySide,
  writesBySide,
} from "../harness/check/split-judge.ts";
import { splitSides } from "../harness/check/split-sides.ts";
import { composeVerdict, type Guarded, guardChecker } from "../harness/check/verdict.ts";
import type { CheckResult, Micros, RunEvent, VerdictDocument } from "../harness/record/types.ts";
import { type ProcessExit, WORKLOAD_PROCESS } from "../harness/rig/rig.ts";
import { type Evidence, exitsOf } from "./evidence.ts";
import { checkExpectations } from "./expectations.ts";
import type { Plan } from "./plan/plan.ts";
import type { CheckName } from "./plan/scenario.ts";
import { isFaultStep, nameOfStep } from "./plan/steps.ts";
import type { MissedStep } from "./timeline.ts";
import { isOwed } from "./waits.ts";

type Judged = Pick<
  VerdictDocument,
  | "verdict"
  | "checks"
  | "recovery"
  | "operations"
  | "lost"
  | "divergence"
  | "splitBrain"
  | "availability"
>;

/** Judges a run that went to its end. */
export function judge(evidence: Evidence): Judged {
  const { plan, lines, events, audit } = evidence;
  const read = guardChecker("history", () => {
    const operations = operationsOf(lines);
    const why = `${operations.length} operations`;
    return { operations, check: { name: "history", verdict: "pass", why } as const };
  });
  const operations = read.figures?.operations ?? [];
  const run = runCheckers(evidence, operations);
  const recovery = run.recovery.figures?.recovery ?? [];
  const asked = plan.checks.map((name) => checkOf(name, evidence, run));
  const expected = checkExpectations({
    bed: plan.bed,
    expect: plan.expect,
    events,
    faults: evidence.injected,
    recovery,
  });
  const premises = [
    ...(evidence.auditAtEnd === null || !plan.checks.includes("divergence")
      ? []
      : [evidence.auditAtEnd.check]),
    ...expected,
    ...(read.figures === null ? [read.check] : []),
    checkFaults(evidence),
    ...checkUnfinishedWrites(evidence, operations),
    checkConvergence(evidence),
    checkProcesses(evidence.exits.filter((exit) => !isOfBrokenDisk(exit, evidence))),
  ];
  const checks = [...asked, ...premises];
  return {
    verdict: composeVerdict(checks),
    checks,
    recovery,
    operations: countOperations(operations),
    lost: run.durability.figures?.lost ?? NOTHING_LOST,
    divergence: audit?.found?.divergence ?? NO_DIVERGENCE,
    ...(isSplitExpected(plan) ? { splitBrain: run.split.figures?.splitBrain ?? null } : {}),
    availability: run.recovery.figures?.availability ?? null,
  };
}

/** A scenario that asks for this check expects two hosts to go on alone; the other checks then judge each side by itself. */
export function isSplitExpected({
  checks,
  swarm,
  topology,
}: Pick<Plan, "checks" | "swarm" | "topology">): boolean {
  return checks.includes("split-brain") || (swarm && topology.peerLoss === "continue");
}

/** What every check of a run draws on. */
interface Checked {
  readonly operations: readonly Operation[];
  readonly split: Guarded<SplitBrainFigures & { readonly sides: Sides | null }>;
  readonly durability: Guarded<DurabilityFigures>;
  readonly recovery: Guarded<RecoveryFigures>;
}

type Sides = ReturnType<typeof splitSides>;

function runCheckers(evidence: Evidence, operations: readonly Operation[]): Checked {
  const { plan, lines, events, audit } = evidence;
  const split = guardChecker("split-brain", () => {
    const found = isSplitExpected(plan) ? findSplit(solePeriods(events)) : null;
    const sides = found === null ? null : splitSides(operations, events, found);
    const seen = { split: found, sides: sides ?? [], events, audit: audit?.found ?? null };
    return { ...checkSplitBrain(seen), sides };
  });
  const sides = split.figures?.sides ?? null;
  const writes = sides === null ? judgeWrites(operations) : writesBySide(sides);
  const durability = guardChecker("durability", () =>
    sides === null ? durabilityOf(writes, events) : durabilityBySide(sides, events),
  );
  const recovery = guardChecker("recovery", () =>
    checkRecovery(
      { lines, operations, events, writes },
      {
        convergedAt: evidence.convergedAt,
        probePeriodUs: plan.workload.probePeriodMs * 1_000,
        isServiceOwed: plan.budget === "inside",
      },
    ),
  );
  return { operations, split, durability, recovery };
}

/**
 * Judges a run that its rig could not bring to its end: only what the system under test did wrong by its own account counts, for that may
 * be what stopped the rig. Null: nothing of the kind.
 */
export function judgeUnfinished(events: readonly RunEvent[]): Judged | null {
  const checks = [
    guardChecker("invariants", () => ({ check: checkInvariants(events) })).check,
    // The clients are the rig's own.
    checkProcesses(exitsOf(events).filter(({ process }) => process !== WORKLOAD_PROCESS)),
  ].filter(({ verdict }) => verdict === "fail");
  return checks.length === 0 ? null : { ...NOTHING_JUDGED, verdict: "fail", checks };
}

const NOTHING_LOST: VerdictDocument["lost"] = { acknowledged: 0, oldestMs: null };
const NO_DIVERGENCE: VerdictDocument["divergence"] = {
  knownBlocks: 0,
  silentBlocks: 0,
  way: "none",
};

/** Figures of a run that nobody judged. Its `verdict` is the caller's. */
export const NOTHING_JUDGED: Omit<Judged, "verdict"> = {
  checks: [],
  recovery: [],
  operations: { ok: 0, fail: 0, info: 0 },
  lost: NOTHING_LOST,
  divergence: NO_DIVERGENCE,
  availability: null,
};

function checkOf(name: CheckName, { plan, events, audit }: Evidence, run: Checked): CheckResult {
  switch (name) {
    case "linearizability": {
      const sides = run.split.figures?.sides ?? null;
      return guardChecker(name, () =>
        sides === null ? judgeLinearizability(run.operations) : linearizabilityBySide(sides),
      ).check;
    }
    case "durability":
      return run.durability.check;
    case "divergence":
      return audit?.check ?? { name, verdict: "unknown", why: "the disks were not read" };
    case "one-runner": {
      const options = { isSplitExpected: isSplitExpected(plan) };
      return guardChecker(name, () => checkOneRunner(events, options)).check;
    }
    case "invariants":
      return guardChecker(name, () => ({ check: checkInvariants(events) })).check;
    case "recovery":
      return run.recovery.check;
    case "split-brain":
      return run.split.check;
    default:
      return unreachable(name);
  }
}

/** A fault that did not bite, or never came, tests nothing. */
function checkFaults({ plan, injected, missed, events }: Evidence): CheckResult {
  const name = "faults";
  const early = events.find(({ source, what }) => source === "harness" && what === "not-redundant");
  if (early !== undefined) {
    const why = `none injected: the pair had lost its redundancy before any fault (${String(early["hosts"])})`;
    return { name, verdict: "unknown", why };
  }
  if (plan.swarm) {
    const bitten = injected.filter(({ proof }) => proof?.hasBitten === true).length;
    const why = `${injected.length} of ${plan.steps.length} drawn steps taken, ${bitten} of them bit`;
    return { name, verdict: "pass", why };
  }
  const toothless = injected.filter(({ proof }) => proof?.hasBitten !== true);
  const said = injected.map(({ step, target, proof }) => {
    return `${nameOfStep(step)} of ${target}: ${proof?.why ?? "no proof was taken"}`;
  });
  const waited = missed === null ? "" : `, step ${describeMissed(missed)}`;
  const why = `${injected.length} of ${plan.steps.length} steps taken${waited}; ${said.join("; ")}`;
  const hasAll = injected.length === plan.steps.length && toothless.length === 0;
  return { name, verdict: hasAll ? "pass" : "unknown", why };
}

/**
 * Counted from the clients' history, which is exact in every bed. In real time a fault cannot be aimed within a round trip, so there a
 * miss is only reported.
 */
function checkUnfinishedWrites(
  { plan, injected }: Evidence,
  operations: readonly Operation[],
): readonly CheckResult[] {
  if (plan.swarm) return [];
  const aimed = injected.filter(({ step }) => isFaultStep(step) && step.intoWriteUs !== null);
  return aimed.map(({ step, target, at }) => {
    const count = operations.filter((operation) => isWriteUnderWay(operation, at)).length;
    const isMissed = count === 0 && plan.bed === "sim";
    const why = `${count} writes were unfinished at ${nameOfStep(step)} of ${target}`;
    return { name: "unfinished-write", verdict: isMissed ? "unknown" : "pass", why };
  });
}

function isWriteUnderWay({ f, invokedAt, end }: Operation, at: Micros): boolean {
  if (f !== "write" && f !== "append" && f !== "delete") return false;
  return invokedAt <= at && (end.kind === "info" || end.at > at);
}

function checkConvergence({ plan, injected, missed, convergedAt }: Evidence): CheckResult {
  const name = "convergence";
  const { converge, deadlineMs, budget } = plan;
  const when = missed?.step.when ?? null;
  if (missed !== null && when !== null && isOwed(when) && budget === "inside") {
    return { name, verdict: "fail", why: `step ${describeMissed(missed)}` };
  }
  if (injected.length === 0 && !plan.swarm) {
    return { name, verdict: "unknown", why: "no fault was injected" };
  }
  if (converge === "safety-only") {
    return { name, verdict: "pass", why: "outside the fault budget: none is owed" };
  }
  const last = Math.max(0, ...injected.map(({ at }) => at));
  if (convergedAt === null) {
    const why = `no ${converge} within ${deadlineMs} ms of the last fault`;
    return { name, verdict: "fail", why };
  }
  const span = ((convergedAt - last) / 1_000).toFixed(0);
  return { name, verdict: "pass", why: `${converge} ${span} ms after the last fault` };
}

function describeMissed({ number, step }: MissedStep): string {
  const { when } = step;
  return `${number} (${nameOfStep(step)}) waited in vain for "${when?.after ?? "its instant"}"`;
}

/** A host that starts on a disk which a fault has broken can only end. */
function isOfBrokenDisk({ status, process }: ProcessExit, { injected }: Evidence): boolean {
  return (
    status === DISK_FAILED_STATUS &&
    injected.some(({ step, target }) => nameOfStep(step) === "break-disk" && target === process)
  );
}

/** A process that ended without being told to, however politely, was not there when it was needed. */
function checkProcesses(exits: readonly ProcessExit[]): CheckResult {
  const name = "processes";
  const surprising = exits.filter(
    ({ expected, status }) => !expected && status !== INVARIANT_STATUS,
  );
  const said = surprising.map(({ process, status, signal }) => {
    return `${process} ended with ${signal ?? `status ${status}`}`;
  });
  if (said.length > 0) return { name, verdict: "fail", why: `not told to: ${said.join("; ")}` };
  return { name, verdict: "pass", why: `${exits.length} ended, each as it was told to` };
}

function unreachable(value: never): never {
  throw new TypeError(`no such check: ${JSON.stringify(value)}`);
}
