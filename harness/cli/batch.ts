/** Many seeds of one scenario, and what they come to: in the order of the seeds, whoever ran them. */
import type { Covered } from "../../chaos/run.ts";
import { type BatchResult, renderBatch, summarizeBatch } from "../../reports/batch.ts";
import { EXIT_STATUS } from "../check/verdict.ts";
import { canonicalJson } from "../record/json.ts";
import type { VerdictDocument } from "../record/types.ts";
import { progressTo } from "./progress.ts";
import { type Shell, STATUS } from "./shell.ts";
import type { SeedRange } from "./values.ts";

/** What one seed came to. Goes from thread to thread. */
export interface SeedResult {
  readonly verdict: VerdictDocument;
  readonly folder: string;
  readonly isInterrupted: boolean;
  readonly covered: Covered;
}

export type RunSeed = (seed: number) => Promise<SeedResult>;

export interface BatchOptions {
  readonly seeds: SeedRange;
  /** Each runs one seed at a time. */
  readonly runners: readonly RunSeed[];
  readonly json: boolean;
  /** As the last line names it. */
  readonly runsFolder: string;
  readonly shell: Shell;
}

/**
 * The worst verdict decides: fail, broken, unknown, pass. After a Ctrl-C no seed is begun, and what was begun is awaited.
 *
 * @returns the exit status
 */
export async function runBatch(options: BatchOptions): Promise<number> {
  const { seeds, runners, json, shell } = options;
  const progress = progressTo(shell, { isQuiet: json });
  const early = new Map<number, SeedResult>();
  const results: BatchResult[] = [];
  let next = seeds.first;
  const take = (seed: number, result: SeedResult): void => {
    early.set(seed, result);
    for (let due = seeds.first + results.length; ; due += 1) {
      const found = early.get(due);
      if (found === undefined) return;
      early.delete(due);
      results.push({ verdict: found.verdict, record: found.folder });
      progress(`seed ${due}: ${describeResult(found)}`);
    }
  };
  let isOver = false;
  const runOut = async (runSeed: RunSeed): Promise<void> => {
    while (next <= seeds.last && !isOver && !shell.signal.aborted) {
      const seed = next;
      next += 1;
      try {
        const result = await runSeed(seed);
        if (result.isInterrupted) return;
        take(seed, result);
      } catch (error: unknown) {
        isOver = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(runners.map(runOut));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  // Behind a seed that was interrupted.
  const rest = [...early].sort(([left], [right]) => left - right);
  for (const [, { verdict, folder }] of rest) results.push({ verdict, record: folder });
  const summary = summarizeBatch(results);
  if (json) shell.out(`${canonicalJson(summary, 2)}\n`);
  else shell.out(`${renderBatch(summary, shell.outScreen)}\n${options.runsFolder}\n`);
  return shell.signal.aborted ? STATUS.interrupted : EXIT_STATUS[summary.verdict];
}

function describeResult({ verdict: document }: SeedResult): string {
  const { verdict, recovery, checks, broken } = document;
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
