/** Reduces the plan of a simulated run that failed to a small one that fails for the same reason, and writes it where people can read it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadScenario } from "../../chaos/plan/catalogue.ts";
import { type Plan, planRun } from "../../chaos/plan/plan.ts";
import { isFaultStep, nameOfStep, type PlanStep } from "../../chaos/plan/steps.ts";
import { planText, scenarioText } from "../../chaos/shrink/scenario-text.ts";
import { type Failure, type Shrunk, shrinkPlan } from "../../chaos/shrink/shrink-plan.ts";
import { painter } from "../../reports/screen.ts";
import { HarnessError } from "../errors.ts";
import { canonicalJson } from "../record/json.ts";
import { commitOf } from "../record/origin.ts";
import { RUN_FILES } from "../record/run-folder.ts";
import { RECORD_SCHEMA } from "../record/types.ts";
import { writeDocument } from "../record/writer.ts";
import { UsageError } from "./failure.ts";
import { planRunner } from "./plan-runs.ts";
import { progressTo } from "./progress.ts";
import { row } from "./rows.ts";
import { quoted, shortPath } from "./scenario-runs.ts";
import { type Shell, STATUS } from "./shell.ts";
import { failsFor } from "./shrink-runs.ts";
import { openStoredRun, type StoredRun } from "./stored-run.ts";

export interface ShrinkCommandOptions {
  /** No run is begun after so long. */
  readonly seconds: number;
  readonly json: boolean;
}

/** In the run's folder. */
const FOLDER = "shrunk";
/** Tries that do not help are told so often. Unit: milliseconds. */
const TELL_EVERY = 2_000;

/**
 * @returns the exit status
 * @throws UsageError when there is no such run, it did not fail, or it does not fail for that reason any more; HarnessError BAD_RECORD,
 * RUN_FOLDER
 */
export async function shrinkCommand(
  given: string,
  { seconds, json }: ShrinkCommandOptions,
  shell: Shell,
): Promise<number> {
  const stored = openStoredRun(given, shell);
  const { folder, reason } = failedIn(stored, given);
  const { plan } = stored;
  const commit = commitOf(shell.packageRoot);
  const fails = failsFor(reason, planRunner({ out: "", commit }, shell));
  const progress = progressTo(shell, { isQuiet: json });
  const began = performance.now();
  const before = countOf(plan.steps.length, "step");
  progress(`${plan.scenario}, seed ${plan.seed}: ${before}, ${reason.join(", ")}`);
  const first = await fails(plan);
  if (first === null) return refuse(stored, commit, shell);
  const shrunk = await shrink(plan, first, { fails, seconds, began, progress, shell });
  const written = await write(shrunk, { folder, reason, fails, shell });
  const took = (performance.now() - began) / 1_000;
  const counts = {
    steps: { before: plan.steps.length, after: shrunk.plan.steps.length },
    tries: shrunk.tries,
    seconds: Math.round(took * 10) / 10,
  };
  if (json) {
    const { unsaid: _unsaid, ...files } = written;
    const document = { schema: RECORD_SCHEMA, ...counts, reason, isDone: shrunk.isDone, ...files };
    shell.out(`${canonicalJson(document, 2)}\n`);
  } else {
    shell.out(render(shrunk, { ...counts, reason, written, shell }));
  }
  return shell.signal.aborted ? STATUS.interrupted : STATUS.done;
}

function failedIn(
  { plan, folder, verdict }: StoredRun,
  given: string,
): { readonly folder: string; readonly reason: readonly string[] } {
  if (plan.bed !== "sim") {
    throw new UsageError(
      `${given} is of bed ${plan.bed}: real time cannot be repeated exactly, so a plan that passes once says nothing`,
      `Count how often it fails: faultline replay ${given}`,
    );
  }
  if (folder === null || verdict === null) {
    throw new UsageError(
      `${given} has no verdict, so nothing says what is to be kept`,
      "Name the folder of a run that failed.",
    );
  }
  if (verdict.word !== "fail" || verdict.reason.length === 0) {
    throw new UsageError(
      `the verdict of ${given} is ${verdict.word}: only a failure can be kept while the plan is reduced`,
      "Name the folder of a run that failed.",
    );
  }
  return { folder, reason: verdict.reason };
}

function refuse({ verdict }: StoredRun, commit: string, { signal }: Shell): number {
  if (signal.aborted) return STATUS.interrupted;
  throw new UsageError(
    "the plan does not fail for that reason any more",
    `It was recorded by commit ${verdict?.commit ?? "unknown"}, this is ${commit}: use the program that failed.`,
  );
}

type Fails = (plan: Plan) => Promise<Failure | null>;

async function shrink(
  plan: Plan,
  first: Failure,
  by: {
    readonly fails: Fails;
    readonly seconds: number;
    readonly began: number;
    readonly progress: (line: string) => void;
    readonly shell: Shell;
  },
): Promise<Shrunk> {
  const { fails, seconds, began, progress, shell } = by;
  const end = began + seconds * 1_000;
  let toldAt = began;
  return shrinkPlan(plan, first, {
    fails,
    isOver: () => shell.signal.aborted || performance.now() >= end,
    onTry: ({ steps, tries, phase, isSmaller }) => {
      const now = performance.now();
      if (!isSmaller && now - toldAt < TELL_EVERY) return;
      toldAt = now;
      progress(`${countOf(steps, "step")} left after ${countOf(tries, "try", "tries")}: ${phase}`);
    },
  });
}

/** As paths and commands that can be typed from here. */
interface Written {
  readonly plan: string;
  /** Null: a scenario cannot say what is needed. */
  readonly scenario: string | null;
  readonly replay: string;
  readonly unsaid: readonly string[];
}

async function write(
  { plan }: Shrunk,
  by: {
    readonly folder: string;
    readonly reason: readonly string[];
    readonly fails: Fails;
    readonly shell: Shell;
  },
): Promise<Written> {
  const { reason, fails, shell } = by;
  const folder = join(by.folder, FOLDER);
  const [planPath, yamlPath, scenarioPath] = [RUN_FILES.plan, "plan.yaml", "scenario.yaml"].map(
    (name) => join(folder, name),
  ) as [string, string, string];
  const short = (path: string): string => shortPath(path, shell.cwd);
  const { scenario: origin, seed, topology } = plan;
  const boot = topology.bootDelayMs === 0 ? "" : ` --boot-ms ${topology.bootDelayMs}`;
  const bySeed = `npx faultline run ${quoted(short(scenarioPath))} --seed ${seed} --bed sim${boot}`;
  const byPlan = `npx faultline replay ${quoted(short(planPath))}`;
  const head = [`Reduced from ${origin}, seed ${seed}. Fails: ${reason.join(", ")}`];
  const { text, unsaid } = scenarioText(plan, scenarioName(plan), [...head, `Again: ${bySeed}`]);
  saving(folder, () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(yamlPath, planText(plan, [...head, `Again: ${byPlan}`]));
    writeFileSync(scenarioPath, text);
  });
  writeDocument(planPath, plan, false);
  const again = planRun(loadScenario(scenarioPath), {
    ...{ seed, bed: "sim" as const },
    bootDelayMs: topology.bootDelayMs,
  });
  // After Ctrl-C no run is made any more; an equal plan is an equal run.
  const isSame = shell.signal.aborted ? unsaid.length === 0 : (await fails(again)) !== null;
  if (isSame) {
    return { plan: short(planPath), scenario: short(scenarioPath), replay: bySeed, unsaid };
  }
  const warning = `# This scenario does not fail as the plan does. Use: ${byPlan}\n`;
  saving(folder, () => writeFileSync(scenarioPath, warning + text));
  return { plan: short(planPath), scenario: null, replay: byPlan, unsaid };
}

/** The scenario's own name, marked, and its seed. */
function scenarioName({ scenario, seed }: Plan): string {
  return `${scenario.startsWith("shrunk/") ? scenario : `shrunk/${scenario}`}-${seed}`;
}

/** @throws HarnessError RUN_FOLDER */
function saving(folder: string, act: () => void): void {
  try {
    act();
  } catch (cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HarnessError("RUN_FOLDER", `cannot write ${folder}: ${why}`, {
      hint: "Make the run's folder writable.",
      cause,
    });
  }
}

function render(
  { plan, isDone }: Shrunk,
  of: {
    readonly steps: { readonly before: number; readonly after: number };
    readonly tries: number;
    readonly seconds: number;
    readonly reason: readonly string[];
    readonly written: Written;
    readonly shell: Shell;
  },
): string {
  const { steps, tries, seconds, reason, written } = of;
  const { outScreen } = of.shell;
  const paint = painter(outScreen);
  const head = `${plan.scenario}, seed ${plan.seed}: ${countOf(steps.before, "step")} to ${steps.after} in ${countOf(tries, "try", "tries")}, ${seconds} s`;
  const { scenario, unsaid } = written;
  const lines = [
    `${paint("bold", "SHRUNK")}  ${head}`,
    "",
    ...row("fails", reason.join(", "), outScreen),
    ...plan.steps.flatMap((step, index) => row(`step ${index + 1}`, sayStep(step), outScreen)),
    ...(isDone ? [] : row("not done", "time was over: more may go, see --seconds", outScreen)),
    ...unsaid.flatMap((field) => row("not said", `in the scenario: ${field}`, outScreen)),
    ...(scenario === null
      ? row("scenario", "does not fail as the plan does: a scenario cannot say it", outScreen)
      : row("scenario", scenario, outScreen)),
    ...row("plan", written.plan, outScreen),
    // On one line, so that it can be copied.
    `  ${"replay".padEnd(14)}${written.replay}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Every field that is said, in words. */
function sayStep(step: PlanStep): string {
  const { atMs, when, ...rest } = step;
  const name = nameOfStep(step);
  const instant = when === null ? `at ${atMs ?? 0} ms` : `after ${when.after} + ${when.plusMs} ms`;
  const isSaid = ([field, value]: readonly [string, unknown]): boolean =>
    value !== null && value !== undefined && field !== (isFaultStep(step) ? "fault" : "operator");
  const fields = Object.entries(rest)
    .filter(isSaid)
    .map(([field, value]) => `${field} ${Array.isArray(value) ? value.join("+") : String(value)}`);
  return [`${name} ${instant}`, ...fields].join(", ");
}

function countOf(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
