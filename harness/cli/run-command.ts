import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { readDataFile } from "../../chaos/plan/data-file.ts";
import { type Plan, parsePlan } from "../../chaos/plan/plan.ts";
import type { BedName, WorkloadName } from "../../chaos/plan/scenario.ts";
import type { RunOutcome } from "../../chaos/run.ts";
import { renderVerdict } from "../../reports/line.ts";
import { EXIT_STATUS } from "../check/verdict.ts";
import { clusterFolder } from "../cluster/cluster-file.ts";
import { canonicalJson } from "../record/json.ts";
import { commitOf } from "../record/origin.ts";
import type { Rig } from "../rig/rig.ts";
import { type RunSeed, runBatch } from "./batch.ts";
import { renderCluster } from "./cluster-text.ts";
import { UsageError } from "./failure.ts";
import { openJobs } from "./jobs.ts";
import { progressTo } from "./progress.ts";
import { prepareRuns, type RunsAsked, type ScenarioRuns, shortPath } from "./scenario-runs.ts";
import { type Shell, STATUS } from "./shell.ts";
import type { SeedRange } from "./values.ts";

export interface RunCommandOptions {
  readonly seed?: number | undefined;
  readonly seeds?: SeedRange | undefined;
  /** Threads of a simulated batch; undefined: one for each core. */
  readonly jobs?: number | undefined;
  readonly bed?: BedName | undefined;
  readonly workload?: WorkloadName | undefined;
  readonly bootMs: number;
  readonly plan?: string | undefined;
  readonly hostCommand?: string | undefined;
  readonly keep: boolean;
  readonly out: string;
  readonly json: boolean;
}

/** A seed that nobody asked for is easy to type again. */
const DRAWN_SEED_BELOW = 1_000_000;

/**
 * @returns the exit status
 * @throws UsageError, HarnessError BAD_SCENARIO before anything is started; HarnessError RUN_FOLDER
 */
export async function runCommand(
  name: string,
  options: RunCommandOptions,
  shell: Shell,
): Promise<number> {
  refuseConflicts(options);
  const { bed, workload, bootMs, out } = options;
  const hostCommand = options.hostCommand?.split(" ").filter((word) => word !== "");
  const commit = commitOf(shell.packageRoot);
  const asked = { name, bed, workload, bootMs, out, commit, hostCommand };
  const runs = prepareRuns(asked, shell);
  refuseJobs(runs, options);
  refuseOutsideLocal(runs, options);
  const planned = options.plan === undefined ? null : readPlan(options.plan, runs, options, shell);
  if (options.seeds !== undefined) return runSeeds(options.seeds, runs, asked, options, shell);
  const plan = planned ?? runs.planFor(options.seed ?? randomInt(DRAWN_SEED_BELOW));
  const progress = progressTo(shell, { isQuiet: options.json });
  progress(`${plan.scenario}, seed ${plan.seed}, bed ${plan.bed}`);
  const keep = options.keep ? (rig: Rig) => keepFailed(rig, { plan, out, shell }) : undefined;
  return print(await runs.run(plan, progress, keep), options, shell);
}

/** Until Ctrl-C, or `faultline down`. */
async function keepFailed(
  rig: Rig,
  by: { readonly plan: Plan; readonly out: string; readonly shell: Shell },
): Promise<void> {
  const { plan, out } = by;
  // stdout holds the verdict alone.
  const shell = { ...by.shell, out: by.shell.err, outScreen: by.shell.errScreen };
  const { LocalRig } = await import("../local/local-rig.ts");
  if (!(rig instanceof LocalRig)) return;
  const { KeptCluster } = await import("./kept-cluster.ts");
  const name = `kept-${plan.seed}`;
  const folder = clusterFolder(resolve(shell.cwd, out));
  const { runDir } = rig;
  const kept = new KeptCluster(rig, { name, folder, runDir, shell });
  try {
    await rig.release();
    await kept.open();
    shell.err(
      `not passed: the cluster is left up as ${name}; faultline down, or Ctrl-C, ends it\n`,
    );
    shell.err(renderCluster(kept.status(), shortPath(runDir, shell.cwd), shell.errScreen));
    await kept.keep();
  } finally {
    kept.leave();
  }
}

async function runSeeds(
  seeds: SeedRange,
  runs: ScenarioRuns,
  asked: RunsAsked,
  { jobs, json, out }: RunCommandOptions,
  shell: Shell,
): Promise<number> {
  const runsFolder = shortPath(join(resolve(shell.cwd, out), "runs"), shell.cwd);
  const wanted = runs.bed === "sim" ? (jobs ?? availableParallelism()) : 1;
  const count = Math.min(wanted, seeds.last - seeds.first + 1);
  if (count === 1) {
    return runBatch({ seeds, runners: [runHere(runs)], json, runsFolder, shell });
  }
  const threads = openJobs(count, asked, shell);
  try {
    return await runBatch({ seeds, runners: threads.runners, json, runsFolder, shell });
  } finally {
    await threads.close();
  }
}

function runHere(runs: ScenarioRuns): RunSeed {
  return async (seed) => {
    const outcome = await runs.run(runs.planFor(seed), () => undefined);
    // A simulated run never waits for the machine: without this no Ctrl-C is heard.
    await setImmediate();
    return outcome;
  };
}

function print(outcome: RunOutcome, { json }: RunCommandOptions, shell: Shell): number {
  const { verdict, folder, isInterrupted } = outcome;
  if (json) shell.out(`${canonicalJson(verdict, 2)}\n`);
  else shell.out(`${renderVerdict(verdict, shell.outScreen)}\n${shortPath(folder, shell.cwd)}\n`);
  return isInterrupted ? STATUS.interrupted : EXIT_STATUS[verdict.verdict];
}

function refuseConflicts({ seed, seeds, plan, workload, bootMs }: RunCommandOptions): void {
  if (seeds !== undefined && (seed !== undefined || plan !== undefined)) {
    throw new UsageError(
      "--seeds runs many plans, --seed and --plan name one",
      "Give one of them.",
    );
  }
  if (plan !== undefined && (workload !== undefined || bootMs !== 0)) {
    throw new UsageError(
      "--plan holds the workload and the boot delay already",
      "Leave --workload and --boot-ms out, or change the plan file.",
    );
  }
}

function refuseOutsideLocal(
  { bed }: ScenarioRuns,
  { hostCommand, keep, seeds }: RunCommandOptions,
): void {
  if (bed !== "local" && (hostCommand !== undefined || keep)) {
    throw new UsageError(
      "--host-command and --keep are for real processes",
      "Add --bed local, or leave them out.",
    );
  }
  if (keep && seeds !== undefined) {
    throw new UsageError("--keep waits for you, --seeds for nobody", "Give one of them.");
  }
}

function refuseJobs({ bed }: ScenarioRuns, { jobs, seeds }: RunCommandOptions): void {
  if (jobs === undefined || (seeds !== undefined && bed === "sim")) return;
  throw new UsageError(
    "--jobs is for many seeds in bed sim",
    "Leave it out: runs in real time need the machine for themselves.",
  );
}

function readPlan(
  given: string,
  { name }: ScenarioRuns,
  options: RunCommandOptions,
  shell: Shell,
): Plan {
  const path = resolve(shell.cwd, given);
  const plan = parsePlan(readDataFile(path), given);
  const { seed, bed } = options;
  if (plan.scenario !== name) {
    throw new UsageError(
      `${given} is a plan of ${plan.scenario}, not of ${name}`,
      `Run it as: faultline run ${plan.scenario} --plan ${given}`,
    );
  }
  if ((seed ?? plan.seed) !== plan.seed || (bed ?? plan.bed) !== plan.bed) {
    throw new UsageError(
      `${given} has seed ${plan.seed} and bed ${plan.bed}`,
      "Leave --seed and --bed out, or leave --plan out.",
    );
  }
  return plan;
}
