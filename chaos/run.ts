/**
 * One run: plan → bed → load → faults → convergence → final reads → audit of the disks → teardown → verdict. The folder is written from
 * the first moment, and whatever goes wrong, the bed is torn down and a verdict stands in it.
 */
import { existsSync, statfsSync } from "node:fs";
import { AUDIT, auditFields } from "../harness/check/audit-event.ts";
import { HarnessError } from "../harness/errors.ts";
import { readHistory } from "../harness/record/reader.ts";
import type { HistoryLine, Micros, VerdictDocument } from "../harness/record/types.ts";
import type { ClusterSpec, Rig } from "../harness/rig/rig.ts";
import { compareDisks } from "./compare-disks.ts";
import { describeViews, isRedundant, waitForConvergence } from "./converge.ts";
import { evidenceOf } from "./evidence.ts";
import { Interrupted, interruptibleRig } from "./interruptible-rig.ts";
import { isSplitExpected, judge, judgeUnfinished, NOTHING_JUDGED } from "./judge.ts";
import type { Plan } from "./plan/plan.ts";
import { openRunRecord, type RunRecord, unwrittenRecord } from "./run-record.ts";
import { createTimeline, type Timeline } from "./timeline.ts";

/** From the bed's start to a redundant pair. Unit: microseconds. */
const DUPLEX_WITHIN_US = 10_000_000;
/** For clients to end and every key to be read. Unit: microseconds. */
const FINAL_READS_US = 10_000_000;
/** Less than this left in a run's file system may have failed any write of the run. Unit: bytes. */
const SPACE_LEFT_MIN = 256 * 1024;

/** Brings up the bed that the plan names. The run's folder exists; the bed writes `history.ndjson` and logs into it. */
export type StartBed = (
  spec: ClusterSpec,
  run: {
    /** Empty: nothing is to be written. */
    readonly runDir: string;
    readonly scenario: string;
    readonly plan: Plan;
    readonly onProgress: (line: string) => void;
  },
) => Promise<Rig>;

export interface RunOptions {
  readonly startBed: StartBed;
  /** The run's folder is made in `<runRoot>/runs/`. */
  readonly runRoot: string;
  readonly startedAt: Date;
  /** Of the program, for the record. */
  readonly commit: string;
  /** Facts of the machine, for `environment.json`. */
  readonly environment: Readonly<Record<string, unknown>>;
  /** A command that can be pasted, by the run's folder. */
  readonly replayOf: (folder: string) => string;
  /** One line for people, without its end. */
  readonly onProgress: (line: string) => void;
  /** Called before everything is ended, if the run has not passed so far; everything waits for it. */
  readonly keep?: (rig: Rig) => Promise<void>;
  /** False: nothing is written; for a simulated run, which can be had again at any time. Default: true. */
  readonly isRecorded?: boolean;
  /** Ends the run early: the bed is torn down, the record is kept, the verdict is `unknown`. */
  readonly signal?: AbortSignal;
}

export interface RunOutcome {
  readonly verdict: VerdictDocument;
  readonly folder: string;
  /** `signal` ended it. */
  readonly isInterrupted: boolean;
  readonly covered: Covered;
}

/** How far a run went. */
export interface Covered {
  /** Run clock at its end. Unit: microseconds. */
  readonly us: Micros;
  /** Steps of the bed; 0 where they are not counted. */
  readonly steps: number;
  /** Rare branches of the core that were reached, by name: how often. Empty where they are not counted. */
  readonly marks: Readonly<Record<string, number>>;
}

/** Rejects with HarnessError RUN_FOLDER when nothing can be recorded; everything else becomes a verdict. */
export async function runScenario(plan: Plan, options: RunOptions): Promise<RunOutcome> {
  const { runRoot: root, startedAt, environment } = options;
  const record =
    options.isRecorded === false
      ? unwrittenRecord()
      : openRunRecord({ root, startedAt, plan, environment });
  const began = performance.now();
  const run = await perform(plan, record, options);
  const verdict = conclude(plan, { run, record, options });
  record.close(verdict, { tookMs: Math.round(performance.now() - began) });
  return {
    verdict,
    folder: record.folder,
    isInterrupted: run.failure instanceof Interrupted,
    covered: coveredBy(run.rig),
  };
}

/** What a run came to, however far it got. */
interface Performed {
  readonly rig: Rig | null;
  /** It got as far as its audit. */
  readonly isFinished: boolean;
  readonly lines: readonly HistoryLine[];
  /** What kept it from its end, or from ending everything. */
  readonly failure: unknown;
}

async function perform(plan: Plan, record: RunRecord, options: RunOptions): Promise<Performed> {
  const { onProgress, startBed, signal } = options;
  let rig: Rig | null = null;
  let timeline: Timeline | null = null;
  let isFinished = false;
  let failure: unknown = null;
  try {
    const { folder: runDir } = record;
    rig = await startBed(plan.topology, { runDir, scenario: plan.scenario, plan, onProgress });
    record.follow(rig.events.bind(rig));
    const driven = signal === undefined ? rig : interruptibleRig(rig, signal);
    timeline = createTimeline(driven, plan, onProgress);
    await drive(plan, { rig: driven, timeline, onProgress });
    isFinished = true;
  } catch (error: unknown) {
    failure = error;
  }
  if (rig !== null && options.keep !== undefined && !(failure instanceof Interrupted)) {
    const isGood = failure === null && hasPassedSoFar(plan, record, rig);
    // Who looks at it must not keep it from being ended.
    if (!isGood) await options.keep(rig).catch((error: unknown) => onProgress(String(error)));
  }
  const leftover = rig === null ? null : await endOf(rig, timeline, isFinished);
  failure ??= leftover;
  const held = rig?.history;
  const history = held === undefined ? readHistoryOf(record) : { lines: held, failure: null };
  failure ??= history.failure;
  return { rig, isFinished, lines: history.lines, failure };
}

function coveredBy(rig: Rig | null): Covered {
  if (rig === null) return { us: 0, steps: 0, marks: {} };
  return { us: rig.now(), steps: rig.steps ?? 0, marks: Object.fromEntries(rig.marks ?? []) };
}

/** What is judged at the end, but for what ending shows. A record that cannot be written shows nothing. */
function hasPassedSoFar(plan: Plan, record: RunRecord, rig: Rig): boolean {
  const lines = rig.history ?? readHistoryOf(record).lines;
  try {
    return judge(evidenceOf(plan, lines, record.events())).verdict === "pass";
  } catch {
    return false;
  }
}

async function drive(
  plan: Plan,
  run: {
    readonly rig: Rig;
    readonly timeline: Timeline;
    readonly onProgress: (line: string) => void;
  },
): Promise<void> {
  const { rig, timeline, onProgress } = run;
  await untilRedundant(rig, plan);
  onProgress(`redundant after ${seconds(rig.now())} s`);
  const { spec } = plan.workload;
  const workload = await rig.startWorkload(spec);
  onProgress(`load: ${plan.workload.name}, ${describeLoad(plan)}`);
  await rig.until(rig.now() + spec.warmUpMs * 1_000);
  await workload.phase("calm");
  await rig.until(rig.now() + spec.calmMs * 1_000);
  await workload.phase("fault");
  await timeline.run(workload, () => isRedundant(rig.hosts(), plan.topology));
  await untilConverged(plan, { rig, timeline, onProgress });
  // The clients wait meanwhile; nothing is measured any more.
  await audit(plan, { rig, name: "divergence" });
  await rig.release();
  onProgress("reading back");
  await timeline.healAll();
  await workload.finish(rig.now() + FINAL_READS_US);
  onProgress("comparing the disks");
  await audit(plan, { rig, name: "divergence-at-end" });
}

async function audit(
  plan: Plan,
  { rig, name }: { readonly rig: Rig; readonly name: string },
): Promise<void> {
  await rig.quiesce();
  const owed = { mustBeEqual: isEqualityOwed(plan), isSplitExpected: isSplitExpected(plan) };
  rig.report(AUDIT, auditFields(compareDisks(rig, { name, ...owed })));
}

async function untilConverged(
  plan: Plan,
  run: {
    readonly rig: Rig;
    readonly timeline: Timeline;
    readonly onProgress: (line: string) => void;
  },
): Promise<void> {
  const { rig, timeline, onProgress } = run;
  const injected = timeline.injected();
  if (injected.length === 0 && !plan.swarm) {
    rig.report("not-redundant", { hosts: describeViews(rig.hosts()) });
    onProgress("not redundant when the fault was due");
    return;
  }
  const last = Math.max(rig.now(), ...injected.map(({ at }) => at));
  const convergedAt = await waitForConvergence(rig, plan, last + plan.deadlineMs * 1_000);
  const reached = convergedAt === null ? "not-converged" : "converged";
  const found = { converge: plan.converge, hosts: describeViews(rig.hosts()) };
  rig.report(reached, convergedAt === null ? found : { ...found, convergedAtUs: convergedAt });
  onProgress(convergedAt === null ? "no convergence" : "converged");
}

async function untilRedundant(rig: Rig, plan: Plan): Promise<void> {
  const { topology } = plan;
  const deadline = rig.now() + DUPLEX_WITHIN_US;
  if (await rig.waitFor(() => isRedundant(rig.hosts(), topology), deadline)) return;
  const span = DUPLEX_WITHIN_US / 1_000;
  throw new HarnessError(
    "NO_CONVERGENCE",
    `the pair was not redundant within ${span} ms of its start: ${describeViews(rig.hosts())}`,
    { hint: "Read the hosts' logs in the run folder; the last alert says what they wait for." },
  );
}

/** Where the pair is redundant again, its disks are equal. */
function isEqualityOwed({ converge }: Plan): boolean {
  return converge === "duplex" || converge === "pre-elected";
}

/** Heals and ends everything. Returns what could not be ended, as an error; null in a good run. */
async function endOf(rig: Rig, timeline: Timeline | null, isFinished: boolean): Promise<unknown> {
  try {
    // A run that ended early may have left links cut on a proxy that outlives it.
    if (!isFinished) await timeline?.healAll();
  } catch {
    // Nothing more can be mended; the teardown says what is left.
  }
  rig.report("teardown", {});
  try {
    const left = await rig.teardown();
    if (left.length === 0) return null;
    return new HarnessError("LEFTOVERS", `not ended: ${left.join("; ")}`, {
      hint: "End them by hand, so that they do not disturb the next run.",
    });
  } catch (error: unknown) {
    return error;
  }
}

function conclude(
  plan: Plan,
  of: { readonly run: Performed; readonly record: RunRecord; readonly options: RunOptions },
): VerdictDocument {
  const { run, record, options } = of;
  const { scenario, seed, bed, level, schema } = plan;
  const head = {
    schema,
    scenario,
    seed,
    bed,
    level,
    proxy: run.rig?.proxy ?? "none (not started)",
    commit: options.commit,
    replay: options.replayOf(record.folder),
  };
  if (isRuleOfCore(run.failure, plan)) {
    const at = run.rig?.now() ?? 0;
    const detail = "the core ended the simulated process";
    record.add({ at, source: "invariant", what: "violation", name: run.failure.message, detail });
  }
  const broken = (failure: unknown): VerdictDocument => {
    return { ...head, ...NOTHING_JUDGED, verdict: "broken", broken: describeFailure(failure) };
  };
  const full = bed === "sim" ? null : spaceFailure(record.folder);
  if (run.isFinished && run.failure === null) {
    const judged = judge(evidenceOf(plan, run.lines, record.events()));
    if (judged.verdict !== "pass" && full !== null) return broken(full);
    return { ...head, ...judged, broken: null };
  }
  if (run.failure instanceof Interrupted) {
    const why = "the run was interrupted";
    const check = { name: "run", verdict: "unknown", why } as const;
    return { ...head, ...NOTHING_JUDGED, verdict: "unknown", checks: [check], broken: null };
  }
  if (full !== null) return broken(full);
  const failed = judgeUnfinished(record.events());
  if (failed !== null) return { ...head, ...failed, broken: null };
  return broken(run.failure);
}

/** Processes write disks, stores and logs into the run's folder: where no space is left, their failures say nothing about them. Null: there is space. */
function spaceFailure(folder: string): HarnessError | null {
  const { bavail, bsize } = statfsSync(folder);
  const left = bavail * bsize;
  if (left >= SPACE_LEFT_MIN) return null;
  const why = `${folder}: its file system has ${left} bytes left, and the run did not go well`;
  return new HarnessError("RUN_FOLDER", why, {
    hint: "Make space, or name a folder on another file system with --out.",
  });
}

/** The core of a simulated host runs in this process: a rule that it breaks is a finding, not a failure of the rig. */
function isRuleOfCore(failure: unknown, { bed }: Plan): failure is Error {
  return bed === "sim" && failure instanceof Error && failure.name === "InvariantViolation";
}

/** A bed has written all of it when it is torn down. */
function readHistoryOf({ historyPath }: RunRecord): {
  readonly lines: readonly HistoryLine[];
  readonly failure: unknown;
} {
  if (!existsSync(historyPath)) return { lines: [], failure: null };
  try {
    return { lines: readHistory(historyPath).lines, failure: null };
  } catch (failure: unknown) {
    return { lines: [], failure };
  }
}

function describeFailure(failure: unknown): VerdictDocument["broken"] {
  if (failure instanceof HarnessError) {
    const { code, message, hint } = failure;
    return { code, message, hint };
  }
  const message = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
  return { code: "INTERNAL", message, hint: "This is a mistake in Faultline: please report it." };
}

function describeLoad({ workload }: Plan): string {
  const { kind, clients } = workload.spec;
  return kind === "reference" ? `the probe and ${clients} clients` : "the probe alone";
}

function seconds(us: Micros): string {
  return (us / 1_000_000).toFixed(2);
}
