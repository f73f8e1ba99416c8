/** Runs of a plan that is there already, whatever drew it. */
import { resolve } from "node:path";
import type { Plan } from "../../chaos/plan/plan.ts";
import { type RunOptions, type RunOutcome, runScenario } from "../../chaos/run.ts";
import { factsOfMachine } from "../record/origin.ts";
import { bedStarter } from "./beds.ts";
import type { Shell } from "./shell.ts";

export interface PlanRunsAsked {
  /** Folder for run folders. */
  readonly out: string;
  /** Of the program, for the record. */
  readonly commit: string;
  /** Program in place of the built host; absent: none. */
  readonly hostCommand?: readonly string[] | undefined;
}

export type RunPlan = (
  plan: Plan,
  how: Pick<RunOptions, "replayOf" | "onProgress" | "keep" | "isRecorded"> &
    Partial<Pick<RunOptions, "startBed">>,
) => Promise<RunOutcome>;

/** The run rejects with HarnessError RUN_FOLDER; anything else becomes a verdict. */
export function planRunner(
  asked: PlanRunsAsked,
  place: Pick<Shell, "cwd" | "env" | "signal">,
): RunPlan {
  const environment = factsOfMachine();
  return (plan, how) =>
    runScenario(plan, {
      startBed: bedStarter(plan.bed, { env: place.env, hostCommand: asked.hostCommand }),
      runRoot: resolve(place.cwd, asked.out),
      startedAt: new Date(),
      commit: asked.commit,
      environment,
      signal: place.signal,
      ...how,
    });
}
