/** Runs of one scenario as a command line asks for them: from a seed or a plan to its outcome. */
import { isAbsolute, relative, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { loadScenario } from "../../chaos/plan/catalogue.ts";
import { type Plan, planRun } from "../../chaos/plan/plan.ts";
import type { BedName, Scenario, WorkloadName } from "../../chaos/plan/scenario.ts";
import type { RunOutcome } from "../../chaos/run.ts";
import { planSwarm, profileNamed } from "../../chaos/swarm/draw-plan.ts";
import type { Rig } from "../rig/rig.ts";
import { UsageError } from "./failure.ts";
import { planRunner } from "./plan-runs.ts";
import type { Shell } from "./shell.ts";

/** What a person asked for. Goes from thread to thread. */
export interface RunsAsked {
  /** Of a scenario, or path of its file. */
  readonly name: string;
  readonly bed?: BedName | undefined;
  readonly workload?: WorkloadName | undefined;
  /** Unit: milliseconds. */
  readonly bootMs: number;
  /** Folder for run folders. */
  readonly out: string;
  /** Program in place of the built host; absent: none. */
  readonly hostCommand?: readonly string[] | undefined;
  /** Of the program, for the record. */
  readonly commit: string;
  /** Only a run that does not pass leaves a record: it is run once more. Bed `sim` alone. Absent: each does. */
  readonly isLean?: boolean;
}

export interface ScenarioRuns {
  /** Name of the scenario, or of the profile that draws the plans. */
  readonly name: string;
  readonly bed: BedName;
  planFor(seed: number): Plan;
  /** Rejects with HarnessError RUN_FOLDER; anything else becomes a verdict. */
  run(
    plan: Plan,
    onProgress: (line: string) => void,
    keep?: (rig: Rig) => Promise<void>,
  ): Promise<RunOutcome>;
}

/** @throws UsageError, HarnessError BAD_SCENARIO */
export function prepareRuns(
  asked: RunsAsked,
  place: Pick<Shell, "cwd" | "env" | "signal">,
): ScenarioRuns {
  const { cwd } = place;
  const runPlan = planRunner(asked, place);
  return {
    ...plansOf(asked, cwd),
    run: (plan, onProgress, keep) => {
      const run = (isRecorded: boolean): Promise<RunOutcome> =>
        runPlan(plan, {
          ...(keep === undefined ? {} : { keep }),
          isRecorded,
          replayOf: (folder) => replayCommand(asked, plan, shortPath(folder, cwd)),
          onProgress,
        });
      return asked.isLean === true ? runLean(run) : run(true);
    },
  };
}

/** The second run of a seed is the first one again, to the byte: where it is not, neither can be believed. */
async function runLean(run: (isRecorded: boolean) => Promise<RunOutcome>): Promise<RunOutcome> {
  const first = await run(false);
  if (first.verdict.verdict === "pass" || first.isInterrupted) return first;
  const second = await run(true);
  if (second.isInterrupted || isDeepStrictEqual(first.verdict.checks, second.verdict.checks)) {
    return second;
  }
  const message = "the same seed came to two verdicts in one process";
  const broken = { code: "INTERNAL", message, hint: "Please report it, with the seed and commit." };
  return { ...second, verdict: { ...second.verdict, verdict: "broken", broken } };
}

/** A scenario's plans, or those that a profile draws. */
function plansOf(
  { name, bed: asked, workload, bootMs }: RunsAsked,
  cwd: string,
): Pick<ScenarioRuns, "name" | "bed" | "planFor"> {
  const profile = profileNamed(name);
  if (profile !== null) {
    if (workload !== undefined || bootMs !== 0) {
      throw new UsageError(
        "a profile draws the workload and the boot delay itself",
        "Leave --workload and --boot-ms out.",
      );
    }
    const bed = asked ?? "sim";
    return { name, bed, planFor: (seed) => planSwarm(profile, { seed, bed }) };
  }
  const scenario = loadScenario(/\.(ya?ml|json)$/.test(name) ? resolve(cwd, name) : name);
  const bed = bedOf(scenario, asked);
  const options = workload === undefined ? {} : { workload };
  return {
    name: scenario.name,
    bed,
    planFor: (seed) => planRun(scenario, { seed, bed, bootDelayMs: bootMs, ...options }),
  };
}

/** As a person at this place would type it. */
export function shortPath(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short.startsWith("..") || isAbsolute(short) ? path : short;
}

function bedOf({ name, beds }: Scenario, bed: BedName | undefined): BedName {
  const chosen = bed ?? beds[0];
  if (chosen !== undefined && beds.includes(chosen)) return chosen;
  throw new UsageError(
    `${name} does not run in bed ${String(chosen)}`,
    `Use --bed ${beds.join(" or --bed ")}.`,
  );
}

/** In `sim` seed and commit are enough. In real time the plan is what can be repeated, even after what draws it has changed. */
function replayCommand(asked: RunsAsked, { seed, bed }: Plan, folder: string): string {
  const words = ["npx", "faultline", "run", asked.name, "--seed", String(seed), "--bed", bed];
  if (bed === "local") {
    words.push("--plan", `${folder}/plan.json`);
    if (asked.hostCommand !== undefined) words.push("--host-command", asked.hostCommand.join(" "));
  } else {
    if (asked.workload !== undefined) words.push("--workload", asked.workload);
    if (asked.bootMs !== 0) words.push("--boot-ms", String(asked.bootMs));
  }
  return words.map(quoted).join(" ");
}

/** As a shell reads it as one word. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
