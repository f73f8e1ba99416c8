/** Many seeds of one scenario, one after the other, and what they come to. */
import { setImmediate } from "node:timers/promises";
import type { Plan } from "../../chaos/plan/plan.ts";
import type { RunOutcome } from "../../chaos/run.ts";
import { type BatchResult, renderBatch, summarizeBatch } from "../../reports/batch.ts";
import { EXIT_STATUS } from "../check/verdict.ts";
import { canonicalJson } from "../record/json.ts";
import { progressTo } from "./progress.ts";
import { type Shell, STATUS } from "./shell.ts";
import type { SeedRange } from "./values.ts";

export interface BatchOptions {
  readonly seeds: SeedRange;
  readonly planFor: (seed: number) => Plan;
  readonly runOne: (plan: Plan, onProgress: (line: string) => void) => Promise<RunOutcome>;
  readonly json: boolean;
  /** As the last line names it. */
  readonly runsFolder: string;
  readonly shell: Shell;
}

/** The worst verdict decides: fail, broken, unknown, pass. Returns the exit status. */
export async function runBatch(options: BatchOptions): Promise<number> {
  const { seeds, planFor, runOne, json, shell } = options;
  const progress = progressTo(shell, { isQuiet: json });
  const results: BatchResult[] = [];
  for (let seed = seeds.first; seed <= seeds.last && !shell.signal.aborted; seed += 1) {
    const { verdict, folder, isInterrupted } = await runOne(planFor(seed), () => undefined);
    if (isInterrupted) break;
    results.push({ verdict, record: folder });
    progress(`seed ${seed}: ${describeResult(verdict)}`);
    // A simulated run never waits for the machine: without this no Ctrl-C is heard.
    await setImmediate();
  }
  const summary = summarizeBatch(results);
  if (json) shell.out(`${canonicalJson(summary, 2)}\n`);
  else shell.out(`${renderBatch(summary, shell.outScreen)}\n${options.runsFolder}\n`);
  return shell.signal.aborted ? STATUS.interrupted : EXIT_STATUS[summary.verdict];
}

function describeResult({ verdict, recovery, checks, broken }: RunOutcome["verdict"]): string {
  const trouble =
    broken === null
      ? checks.find((check) => check.verdict === verdict && verdict !== "pass")
      : { name: broken.code, why: broken.message };
  if (trouble !== undefined) return `${verdict}, ${trouble.name}: ${trouble.why}`;
  const spans = recovery.map(({ interruptionMs }) =>
    interruptionMs === null ? "unknown" : `${interruptionMs.toFixed(1)} ms`,
  );
  return `${verdict}, interrupted for ${spans.join(", ")}`;
}
