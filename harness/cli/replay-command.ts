/** Runs the plan of a recorded run again: in simulated time it must come out the same to the byte, in real time to the same verdict. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Plan } from "../../chaos/plan/plan.ts";
import type { RunOutcome } from "../../chaos/run.ts";
import { isSameReason, reasonOf } from "../../chaos/shrink/reason.ts";
import { renderVerdict } from "../../reports/line.ts";
import { painter } from "../../reports/screen.ts";
import { EXIT_STATUS } from "../check/verdict.ts";
import { type Difference, firstDifference } from "../record/first-difference.ts";
import { canonicalJson } from "../record/json.ts";
import { commitOf } from "../record/origin.ts";
import { RUN_FILES } from "../record/run-folder.ts";
import { RECORD_SCHEMA } from "../record/types.ts";
import { UsageError } from "./failure.ts";
import { planRunner, type RunPlan } from "./plan-runs.ts";
import { progressTo } from "./progress.ts";
import { stopAt } from "./replay-until.ts";
import { row } from "./rows.ts";
import { quoted, shortPath } from "./scenario-runs.ts";
import { type Shell, STATUS } from "./shell.ts";
import { openStoredRun, type StoredRun } from "./stored-run.ts";

export interface ReplayCommandOptions {
  /** Number of an event, or an instant: the run stops there. Bed `sim`. */
  readonly until?: string | undefined;
  /** Rows of the trace before it. */
  readonly lines: number;
  /** Bed `local`: repetitions. */
  readonly times?: number | undefined;
  readonly hostCommand?: string | undefined;
  readonly out: string;
  readonly json: boolean;
}

/** Of bed `local`, where one run proves little. */
const TIMES = 5;
/** Signs of a line shown before the first one that differs. */
const SHOWN_BEFORE = 16;

/**
 * @returns the exit status
 * @throws UsageError when there is no such run, or an option is for the other bed; HarnessError BAD_RECORD, BAD_SCENARIO, RUN_FOLDER
 */
export async function replayCommand(
  given: string,
  options: ReplayCommandOptions,
  shell: Shell,
): Promise<number> {
  const stored = openStoredRun(given, shell);
  const { plan } = stored;
  refuseOtherBed(plan, options);
  const commit = commitOf(shell.packageRoot);
  if (options.until !== undefined) {
    const { until, lines, json } = options;
    return stopAt(until, { stored, given, lines, json, commit, shell });
  }
  const hostCommand = options.hostCommand?.split(" ").filter((word) => word !== "");
  const runPlan = planRunner({ out: options.out, commit, hostCommand }, shell);
  const by = { runPlan, commit, options, shell };
  return plan.bed === "sim" ? replaySim(stored, by) : replayLocal(stored, by);
}

function refuseOtherBed({ bed }: Plan, { until, times, hostCommand }: ReplayCommandOptions): void {
  if (bed === "sim" && (times !== undefined || hostCommand !== undefined)) {
    throw new UsageError(
      "--times and --host-command are for real processes, this run is of bed sim",
      "Leave them out: simulated time repeats itself exactly, once is enough.",
    );
  }
  if (bed !== "sim" && until !== undefined) {
    throw new UsageError(
      `--until is for simulated time, this run is of bed ${bed}`,
      "Real processes do not repeat to the event; faultline trace --around shows what was recorded.",
    );
  }
}

interface By {
  readonly runPlan: RunPlan;
  readonly commit: string;
  readonly options: ReplayCommandOptions;
  readonly shell: Shell;
}

const runOnce = ({ runPlan, shell }: By, { plan }: StoredRun, progress: (line: string) => void) =>
  runPlan(plan, {
    replayOf: (folder) => `npx faultline replay ${quoted(shortPath(folder, shell.cwd))}`,
    onProgress: progress,
  });

/** A file of both records, at the first place where they are not the same. */
interface FoundDifference extends Difference {
  readonly file: string;
}

async function replaySim(stored: StoredRun, by: By): Promise<number> {
  const { options, shell, commit } = by;
  const progress = progressTo(shell, { isQuiet: options.json });
  const { plan } = stored;
  progress(`${plan.scenario}, seed ${plan.seed}, bed ${plan.bed}, again`);
  const outcome = await runOnce(by, stored, progress);
  if (outcome.isInterrupted) return STATUS.interrupted;
  const { verdict } = outcome;
  const folder = shortPath(outcome.folder, shell.cwd);
  const { difference, compared } = compare(stored.folder, outcome.folder);
  const storedCommit = stored.verdict?.commit ?? "unknown";
  const isSameCommit = storedCommit === commit;
  const status = statusOf({ difference, compared, isSameCommit, outcome });
  if (options.json) {
    const commits = { stored: stored.verdict === null ? null : storedCommit, now: commit };
    const found = difference === null ? null : inJson(difference);
    const result = {
      isIdentical: compared.length > 0 && found === null,
      compared,
      difference: found,
    };
    const document = { schema: RECORD_SCHEMA, bed: "sim", ...result, commits, folder, verdict };
    shell.out(`${canonicalJson(document, 2)}\n`);
    return status;
  }
  const text = renderSim(outcome, { stored, difference, compared, commit, shell });
  shell.out(`${text}\n\n${folder}\n`);
  return status;
}

function renderSim(
  { verdict }: RunOutcome,
  of: {
    readonly stored: StoredRun;
    readonly difference: FoundDifference | null;
    readonly compared: readonly string[];
    readonly commit: string;
    readonly shell: Shell;
  },
): string {
  const { stored, difference, compared, commit, shell } = of;
  const { outScreen } = shell;
  const paint = painter(outScreen);
  const head = (word: string, colour: "green" | "red" | "yellow", text: string): string =>
    `${paint(colour, paint("bold", word))}  ${text}`;
  if (compared.length === 0) {
    const why = head("NOT COMPARED", "yellow", "no record lies beside the plan");
    return `${renderVerdict(verdict, outScreen)}\n${why}`;
  }
  if (difference === null) {
    return [
      head("identical", "green", `${compared.join(" and ")}, to the byte`),
      ...row("verdict", verdict.verdict, outScreen),
      ...row("commit", commit, outScreen),
    ].join("\n");
  }
  const storedCommit = stored.verdict?.commit ?? "unknown";
  const { file, line } = difference;
  const colour = storedCommit === commit ? "red" : "yellow";
  const verdicts = `${stored.verdict?.word ?? "none"} stored, ${verdict.verdict} now`;
  return [
    head("DIFFERENT", colour, `from ${file}, line ${line} on`),
    ...differenceRows(difference, outScreen.width),
    ...row("verdict", verdicts, outScreen),
    ...commitRows(storedCommit, commit, shell),
  ].join("\n");
}

/** Another program may do it otherwise: that is no finding. A run that the rig could not bring to its end proves nothing. */
function statusOf(of: {
  readonly difference: FoundDifference | null;
  readonly compared: readonly string[];
  readonly isSameCommit: boolean;
  readonly outcome: RunOutcome;
}): number {
  const { difference, compared, isSameCommit, outcome } = of;
  const { verdict } = outcome.verdict;
  if (compared.length === 0) return EXIT_STATUS[verdict];
  if (difference === null) return STATUS.done;
  if (verdict === "broken") return EXIT_STATUS.broken;
  return isSameCommit ? EXIT_STATUS.fail : EXIT_STATUS.unknown;
}

const COMPARED = [RUN_FILES.events, RUN_FILES.history];

function compare(
  stored: string | null,
  again: string,
): { readonly difference: FoundDifference | null; readonly compared: readonly string[] } {
  const compared = stored === null ? [] : COMPARED.filter((file) => existsSync(join(stored, file)));
  for (const file of compared) {
    const found = firstDifference(join(stored ?? "", file), join(again, file));
    if (found !== null) return { difference: { file, ...found }, compared };
  }
  return { difference: null, compared };
}

function inJson({ file, line, left, right }: FoundDifference): object {
  return { file, line, stored: left, again: right };
}

/** Both lines, from a little before the first sign that differs, as far as the screen goes. */
function differenceRows({ column, left, right }: Difference, width: number): string[] {
  const begin = Math.max(0, column - SHOWN_BEFORE);
  const room = width - 16;
  const shown = (text: string | null): string => {
    if (text === null) return "(the file has ended)";
    const rest = `${begin > 0 ? "…" : ""}${text.slice(begin)}`;
    return rest.length <= room ? rest : `${rest.slice(0, room - 1)}…`;
  };
  return [`  ${"stored".padEnd(14)}${shown(left)}`, `  ${"again".padEnd(14)}${shown(right)}`];
}

function commitRows(stored: string, now: string, { outScreen }: Shell): readonly string[] {
  if (stored !== now) {
    return [
      ...row("stored commit", stored, outScreen),
      ...row("this commit", now, outScreen),
      ...row("", "Two programs: the difference is no finding.", outScreen),
    ];
  }
  const isLoose = now === "unknown" || now.endsWith("-dirty");
  const why = "The sources are not those of a commit: they may have changed in between.";
  return [...row("commit", now, outScreen), ...(isLoose ? row("", why, outScreen) : [])];
}

async function replayLocal(stored: StoredRun, by: By): Promise<number> {
  const { options, shell } = by;
  const { plan } = stored;
  const progress = progressTo(shell, { isQuiet: options.json });
  const times = options.times ?? TIMES;
  const wanted = stored.verdict;
  if (wanted === null) {
    throw new UsageError(
      "no verdict lies beside the plan: there is nothing to come to again",
      `Run it with: faultline run ${plan.scenario} --plan <file>`,
    );
  }
  const runs: { verdict: string; reason: readonly string[]; isSame: boolean; folder: string }[] =
    [];
  let isInterrupted = false;
  for (let time = 1; time <= times; time += 1) {
    progress(`${plan.scenario}, seed ${plan.seed}, bed ${plan.bed}: ${time} of ${times}`);
    const outcome = await runOnce(by, stored, () => undefined);
    isInterrupted = outcome.isInterrupted;
    if (isInterrupted) break;
    const { verdict, checks } = outcome.verdict;
    const reason = reasonOf(checks);
    const isSame = verdict === wanted.word && isSameReason(reason, wanted.reason);
    runs.push({ verdict, reason, isSame, folder: shortPath(outcome.folder, shell.cwd) });
  }
  const same = runs.filter(({ isSame }) => isSame).length;
  if (options.json) {
    const aim = { verdict: wanted.word, reason: wanted.reason };
    const document = { schema: RECORD_SCHEMA, bed: plan.bed, stored: aim, same, of: runs.length };
    shell.out(`${canonicalJson({ ...document, runs }, 2)}\n`);
  } else {
    const aim = describe(wanted.word, wanted.reason);
    const lines = [
      ...runs.flatMap(({ verdict, reason, isSame, folder }) => [
        `  ${(isSame ? "the same" : "otherwise").padEnd(14)}${describe(verdict, reason)}`,
        `  ${" ".repeat(14)}${folder}`,
      ]),
      "",
      `${same} of ${runs.length} runs came to the stored verdict (${aim})`,
    ];
    shell.out(`${lines.join("\n")}\n`);
  }
  if (isInterrupted) return STATUS.interrupted;
  return same === runs.length ? STATUS.done : EXIT_STATUS.fail;
}

function describe(verdict: string, reason: readonly string[]): string {
  return reason.length === 0 ? verdict : `${verdict}: ${reason.join(", ")}`;
}
