/** Threads that run seeds side by side: a simulated run is one flow of control and fills one core. */
import { Worker } from "node:worker_threads";
import { HarnessError, type HarnessErrorCode } from "../errors.ts";
import { builtFile } from "../package-paths.ts";
import type { RunSeed, SeedResult } from "./batch.ts";
import type { RunsAsked } from "./scenario-runs.ts";
import type { Shell } from "./shell.ts";

export interface JobSetting {
  readonly asked: RunsAsked;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type JobRequest =
  | { readonly kind: "run"; readonly seed: number }
  /** The run under way is ended, in good order. */
  | { readonly kind: "stop" };

export type JobAnswer =
  | { readonly kind: "result"; readonly seed: number; readonly result: SeedResult }
  | {
      readonly kind: "refused";
      readonly seed: number;
      readonly code: HarnessErrorCode;
      readonly message: string;
      readonly hint: string;
    };

export interface Jobs {
  readonly runners: readonly RunSeed[];
  /** Ends the threads. */
  close(): Promise<void>;
}

/** @throws HarnessError NOT_BUILT */
export function openJobs(
  count: number,
  asked: RunsAsked,
  shell: Pick<Shell, "cwd" | "env" | "signal">,
): Jobs {
  const file = builtFile("harness/cli/batch-worker.js");
  const setting: JobSetting = { asked, cwd: shell.cwd, env: { ...shell.env } };
  const threads = Array.from({ length: count }, () => new Worker(file, { workerData: setting }));
  const stop = (): void => {
    for (const thread of threads) post(thread, { kind: "stop" });
  };
  shell.signal.addEventListener("abort", stop, { once: true });
  return {
    runners: threads.map(runnerOf),
    async close() {
      shell.signal.removeEventListener("abort", stop);
      await Promise.all(threads.map((thread) => thread.terminate()));
    },
  };
}

function post(thread: Worker, request: JobRequest): void {
  thread.postMessage(request);
}

/** It runs one seed at a time. */
function runnerOf(thread: Worker): RunSeed {
  let told: (answer: JobAnswer) => void = () => undefined;
  let failed: (error: unknown) => void = () => undefined;
  let ended: Error | null = null;
  const end = (error: Error): void => {
    ended ??= error;
    failed(ended);
  };
  thread.on("message", (answer: JobAnswer) => told(answer));
  thread.on("error", end);
  thread.on("exit", (code) => end(new Error(`a thread of the batch ended with code ${code}`)));
  return async (seed) => {
    const answer = await new Promise<JobAnswer>((resolve, reject) => {
      told = resolve;
      failed = reject;
      if (ended !== null) reject(ended);
      else post(thread, { kind: "run", seed });
    });
    if (answer.kind === "result") return answer.result;
    const { code, message, hint } = answer;
    throw new HarnessError(code, message, { hint });
  };
}
