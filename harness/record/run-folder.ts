import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { threadId } from "node:worker_threads";
import { HarnessError } from "../errors.ts";

/** Runs of one scenario and seed that may begin in the same millisecond. */
const NAME_TRIES = 100;

export interface RunFolder {
  /** Folder of this run. */
  readonly path: string;
  /** Symbolic link to the newest run. */
  readonly latest: string;
}

/** Files of a run folder (docs/record.md). Beside them one `<process>.log` per process. */
export const RUN_FILES = {
  plan: "plan.json",
  history: "history.ndjson",
  events: "events.ndjson",
  verdict: "verdict.json",
  environment: "environment.json",
} as const;

/**
 * Makes `<root>/runs/<time>-<scenario>-<seed>/` and points `<root>/runs/latest` at it. The link is replaced in one step: whoever follows
 * it finds the older run or this one.
 *
 * @throws HarnessError RUN_FOLDER when it cannot be made
 */
export function createRunFolder(options: {
  readonly root: string;
  readonly startedAt: Date;
  readonly scenario: string;
  readonly seed: number;
}): RunFolder {
  const runs = join(options.root, "runs");
  const time = options.startedAt.toISOString().replaceAll(/[-:]/g, "").replace(".", "_");
  const scenario = options.scenario.replaceAll(/[^A-Za-z0-9.]+/g, "-");
  const name = `${time}-${scenario}-${options.seed}`;
  try {
    mkdirSync(runs, { recursive: true });
    const chosen = makeFresh(runs, name);
    const latest = join(runs, "latest");
    const draft = join(runs, `.latest-${process.pid}-${threadId}`);
    rmSync(draft, { force: true });
    symlinkSync(chosen, draft, "dir");
    renameSync(draft, latest);
    return { path: join(runs, chosen), latest };
  } catch (cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HarnessError("RUN_FOLDER", `cannot make a run folder in ${runs}: ${why}`, {
      hint: "Name a writable folder with --out.",
      cause,
    });
  }
}

function makeFresh(runs: string, name: string): string {
  for (let attempt = 1; attempt < NAME_TRIES; attempt += 1) {
    const candidate = attempt === 1 ? name : `${name}-${attempt}`;
    try {
      mkdirSync(join(runs, candidate));
      return candidate;
    } catch (error: unknown) {
      if (!isExisting(error)) throw error;
    }
  }
  mkdirSync(join(runs, `${name}-${NAME_TRIES}`));
  return `${name}-${NAME_TRIES}`;
}

function isExisting(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}
