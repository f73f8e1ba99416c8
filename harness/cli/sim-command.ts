/** Seeds of a profile in simulated time, as many as there are cores at once, until they are through, time is up, or one fails. */
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import type { ProfileName } from "../../chaos/swarm/profiles.ts";
import { renderCampaign, summarizeCampaign } from "../../reports/campaign.ts";
import { EXIT_STATUS } from "../check/verdict.ts";
import { canonicalJson } from "../record/json.ts";
import { commitOf } from "../record/origin.ts";
import { LISTED_MARKS } from "../sim/marks.ts";
import type { RunSeed } from "./batch.ts";
import { Campaign } from "./campaign.ts";
import { openJobs } from "./jobs.ts";
import { progressTo } from "./progress.ts";
import { type Shell, STATUS } from "./shell.ts";
import type { SeedRange } from "./values.ts";

export interface SimCommandOptions {
  readonly seeds: SeedRange;
  readonly profile: ProfileName;
  readonly jobs?: number | undefined;
  /** No seed is begun after so long. */
  readonly minutes?: number | undefined;
  readonly keepGoing: boolean;
  readonly resume: boolean;
  /** Every mark must be reached, however few seeds there are. */
  readonly requireMarks: boolean;
  readonly out: string;
  readonly json: boolean;
}

/** How often progress is told: on a terminal, and where lines are kept. Unit: milliseconds. */
const TELL_EVERY = { tty: 2_000, log: 30_000 } as const;
/** What an interrupted campaign can lose. Unit: milliseconds. */
const SAVE_EVERY = 5_000;

/**
 * @returns the exit status
 * @throws UsageError when there is nothing to resume; HarnessError RUN_FOLDER, NOT_BUILT
 */
export async function simCommand(options: SimCommandOptions, shell: Shell): Promise<number> {
  const { seeds, profile, out, json } = options;
  const commit = commitOf(shell.packageRoot);
  const folder = resolve(shell.cwd, out);
  const file = join(folder, "sim", `${profile}-${seeds.first}-${seeds.last}.json`);
  const campaign = Campaign.open({ file, profile, seeds, commit, isResumed: options.resume });
  const asked = { name: `swarm/${profile}`, bootMs: 0, out, commit, isLean: true };
  const count = Math.min(options.jobs ?? availableParallelism(), campaign.left());
  const progress = progressTo(shell, { isQuiet: json });
  progress(`${asked.name}, seeds ${seeds.first}..${seeds.last}, ${count} at a time`);
  const every = shell.errScreen.isTty ? TELL_EVERY.tty : TELL_EVERY.log;
  const telling = setInterval(() => progress(campaign.progress()), every);
  const saving = setInterval(() => campaign.save(), SAVE_EVERY);
  const threads = openJobs(count, asked, shell);
  try {
    await runAll(campaign, threads.runners, { options, shell, progress });
  } finally {
    clearInterval(telling);
    clearInterval(saving);
    await threads.close();
    campaign.save();
  }
  const summary = summarizeCampaign(campaign.state(), {
    listed: LISTED_MARKS,
    jobs: count,
    requireMarks: options.requireMarks,
  });
  if (json) shell.out(`${canonicalJson(summary, 2)}\n`);
  else shell.out(`${renderCampaign(summary, shell.outScreen)}\n`);
  return shell.signal.aborted ? STATUS.interrupted : EXIT_STATUS[summary.verdict];
}

async function runAll(
  campaign: Campaign,
  runners: readonly RunSeed[],
  by: {
    readonly options: SimCommandOptions;
    readonly shell: Shell;
    readonly progress: (line: string) => void;
  },
): Promise<void> {
  const { options, shell, progress } = by;
  const until = performance.now() + (options.minutes ?? Number.POSITIVE_INFINITY) * 60_000;
  let isOver = false;
  const runOut = async (runSeed: RunSeed): Promise<void> => {
    while (!isOver && !shell.signal.aborted && performance.now() < until) {
      const seed = campaign.take();
      if (seed === null) return;
      const began = performance.now();
      const result = await runSeed(seed);
      if (result.isInterrupted) return;
      const failure = campaign.add(seed, result, performance.now() - began);
      if (failure === null) continue;
      progress(`seed ${seed} ${failure.verdict}: ${failure.why[0] ?? ""}`);
      progress(`  ${failure.replay}`);
      isOver ||= !options.keepGoing;
    }
  };
  const ends = await Promise.allSettled(runners.map(runOut));
  const broken = ends.find((end) => end.status === "rejected");
  if (broken !== undefined) throw broken.reason;
}
