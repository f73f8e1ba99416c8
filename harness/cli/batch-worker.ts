/** A thread that runs seeds of one scenario for a batch. */
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../../node/core/invariant.ts";
import { HarnessError } from "../errors.ts";
import type { JobAnswer, JobRequest, JobSetting } from "./jobs.ts";
import { prepareRuns } from "./scenario-runs.ts";

const port = parentPort;
invariant(port !== null, "this file runs as a thread");

// The one who starts this thread is of the same program.
const { asked, cwd, env } = workerData as JobSetting;
const interruption = new AbortController();
const runs = prepareRuns(asked, { cwd, env, signal: interruption.signal });

async function answer(seed: number): Promise<JobAnswer> {
  try {
    return { kind: "result", seed, result: await runs.run(runs.planFor(seed), () => undefined) };
  } catch (error: unknown) {
    if (!(error instanceof HarnessError)) throw error;
    const { code, message, hint } = error;
    return { kind: "refused", seed, code, message, hint };
  }
}

port.on("message", (request: JobRequest) => {
  if (request.kind === "stop") {
    interruption.abort();
    return;
  }
  // What else is thrown ends the thread, and the batch with it.
  void answer(request.seed).then((told) => port.postMessage(told));
});
