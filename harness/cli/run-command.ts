import { randomInt } from "node:crypto";
import { isAbsolute, join, relative, resolve } from "node:path";
import { loadScenario } from "../../chaos/plan/catalogue.ts";
import { readDataFile } from "../../chaos/plan/data-file.ts";
import { type Plan, parsePlan, planRun } from "../../chaos/plan/plan.ts";
import type { BedName, Scenario, WorkloadName } from "../../chaos/plan/scenario.ts";
import { type RunOutcome, runScenario } from "../../chaos/run.ts";
import { renderVerdict } from "../../reports/line.ts";
import { EXIT_STATUS } from "../check/verdict.ts";
import { canonicalJson } from "../record/json.ts";
import { runBatch } from "./batch.ts";
import { bedStarter } from "./beds.ts";
import { UsageError } from "./failure.ts";
import { commitOf, factsOfMachine } from "./origin.ts";
import { progressTo } from "./progress.ts";
import { type Shell, STATUS } from "./shell.ts";
import type { SeedRange } from "./values.ts";

export interface RunCommandOptions {
  readonly seed?: number | undefined;
  readonly seeds?: SeedRange | undefined;
  readonly bed?: BedName | undefined;
  readonly workload?: WorkloadName | undefined;
  readonly bootMs: number;
  readonly plan?: string | undefined;
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
  const scenario = loadScenario(resolveIn(shell, name));
  const bed = bedOf(scenario, options);
  const planned =
    options.plan === undefined ? null : readPlan(options.plan, scenario, options, shell);
  const commit = commitOf(shell.packageRoot);
  const runOne = async (plan: Plan, onProgress: (line: string) => void): Promise<RunOutcome> =>
    runScenario(plan, {
      startBed: bedStarter(plan.bed, shell),
      runRoot: resolve(shell.cwd, options.out),
      startedAt: new Date(),
      commit,
      environment: factsOfMachine(),
      replayOf: (folder) => replayCommand({ name, plan, folder, options, shell }),
      onProgress,
      signal: shell.signal,
    });
  const planFor = (seed: number): Plan =>
    planRun(scenario, {
      seed,
      bed,
      bootDelayMs: options.bootMs,
      ...(options.workload === undefined ? {} : { workload: options.workload }),
    });
  if (options.seeds !== undefined) {
    const { seeds, json, out } = options;
    const runsFolder = shortPath(join(resolve(shell.cwd, out), "runs"), shell);
    return runBatch({ seeds, planFor, runOne, json, runsFolder, shell });
  }
  const plan = planned ?? planFor(options.seed ?? randomInt(DRAWN_SEED_BELOW));
  const progress = progressTo(shell, { isQuiet: options.json });
  progress(`${plan.scenario}, seed ${plan.seed}, bed ${plan.bed}`);
  return print(await runOne(plan, progress), options, shell);
}

function print(outcome: RunOutcome, { json }: RunCommandOptions, shell: Shell): number {
  const { verdict, folder, isInterrupted } = outcome;
  if (json) shell.out(`${canonicalJson(verdict, 2)}\n`);
  else shell.out(`${renderVerdict(verdict, shell.outScreen)}\n${shortPath(folder, shell)}\n`);
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

function bedOf({ name, beds }: Scenario, { bed }: RunCommandOptions): BedName {
  const chosen = bed ?? beds[0];
  if (chosen !== undefined && beds.includes(chosen)) return chosen;
  throw new UsageError(
    `${name} does not run in bed ${String(chosen)}`,
    `Use --bed ${beds.join(" or --bed ")}.`,
  );
}

function readPlan(
  given: string,
  scenario: Scenario,
  options: RunCommandOptions,
  shell: Shell,
): Plan {
  const path = resolve(shell.cwd, given);
  const plan = parsePlan(readDataFile(path), given);
  const { seed, bed } = options;
  if (plan.scenario !== scenario.name) {
    throw new UsageError(
      `${given} is a plan of ${plan.scenario}, not of ${scenario.name}`,
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

/** In `sim` seed and commit are enough. In real time the plan is what can be repeated, even after what draws it has changed. */
function replayCommand(of: {
  readonly name: string;
  readonly plan: Plan;
  readonly folder: string;
  readonly options: RunCommandOptions;
  readonly shell: Shell;
}): string {
  const { name, plan, folder, options, shell } = of;
  const { seed, bed } = plan;
  const words = ["npx", "faultline", "run", name, "--seed", String(seed), "--bed", bed];
  if (bed === "local") {
    words.push("--plan", `${shortPath(folder, shell)}/plan.json`);
  } else {
    if (options.workload !== undefined) words.push("--workload", options.workload);
    if (options.bootMs !== 0) words.push("--boot-ms", String(options.bootMs));
  }
  return words.map(quoted).join(" ");
}

/** As a person at this place would type it. */
function shortPath(path: string, { cwd }: Shell): string {
  const short = relative(cwd, path);
  return short.startsWith("..") || isAbsolute(short) ? path : short;
}

function resolveIn({ cwd }: Shell, name: string): string {
  return /\.(ya?ml|json)$/.test(name) ? resolve(cwd, name) : name;
}

function quoted(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
