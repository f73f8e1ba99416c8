import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import type { Endpoint } from "../../node/ports/process-file.ts";
import { HarnessError } from "../errors.ts";
import { type Child, lastLines, spawnChild } from "../process/child.ts";
import { within } from "../process/deadline.ts";
import { readLines } from "../process/lines.ts";
import { RUN_FILES } from "../record/run-folder.ts";
import { WORKLOAD_PROCESS, type Workload, type WorkloadSpec } from "../rig/rig.ts";
import type { SiteTarget } from "../workload/places.ts";
import { parseWith } from "./control-messages.ts";
import { nameOfExit } from "./ready.ts";
import type { RunClock } from "./run-clock.ts";

/** From the spawn to the guest's first answer. */
const READY_DEADLINE_MS = 10_000;
/** The clients end at the deadline they are given; then they have this long to say so. */
const FINISH_GRACE_MS = 5_000;

const LineSchema = v.union([
  v.object({ ready: v.literal(true) }),
  v.object({ inFlightWrites: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) }),
  v.object({ done: v.literal(true) }),
]);

export interface WorkloadOptions {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly spec: WorkloadSpec;
  readonly targets: readonly SiteTarget<Endpoint>[];
  readonly runDir: string;
  readonly clock: RunClock;
  readonly scenario: string;
  readonly seed: number;
  /** Called with the process as soon as it exists, before it is ready. */
  readonly onSpawn: (child: Child) => void;
  readonly onChange: () => void;
}

/**
 * Starts the clients in a process of their own and waits until the guest answered one.
 *
 * @throws HarnessError WORKLOAD_FAILED when it ends, says nonsense or is not ready in time
 */
export async function startWorkloadProcess(options: WorkloadOptions): Promise<Workload> {
  const { runDir, clock } = options;
  const file = join(runDir, "workload.json");
  writeFileSync(file, `${JSON.stringify(contentOf(options), null, 2)}\n`);
  const child = await spawnChild({
    name: WORKLOAD_PROCESS,
    command: [...options.command, "--file", file],
    env: options.env,
    stderrFile: join(runDir, "workload.stderr"),
    stdout: "pipe",
  });
  options.onSpawn(child);
  const heard = listen(child, options.onChange);
  await within(heard.ready, READY_DEADLINE_MS, () => {
    return failed(child, `no answer of the guest within ${READY_DEADLINE_MS} ms`);
  });
  return {
    phase(name) {
      child.stdin.write(`phase ${name}\n`);
      return Promise.resolve();
    },
    inFlightWrites: () => heard.inFlightWrites(),
    async finish(deadline) {
      child.stdin.write(`finish ${deadline}\n`);
      const spanMs = Math.max(0, deadline - clock.now()) / 1_000 + FINISH_GRACE_MS;
      await within(heard.done, spanMs, () => {
        return failed(child, `not finished ${FINISH_GRACE_MS} ms after its deadline`);
      });
    },
  };
}

function contentOf({ spec, targets, runDir, clock, scenario, seed }: WorkloadOptions): unknown {
  const historyFile = join(runDir, RUN_FILES.history);
  return { schema: 1, spec, targets, historyFile, runStartUs: clock.startUs, scenario, seed };
}

interface Heard {
  readonly ready: Promise<void>;
  readonly done: Promise<void>;
  inFlightWrites(): number;
}

function listen(child: Child, onChange: () => void): Heard {
  let inFlightWrites = 0;
  const ready = settleable();
  const done = settleable();
  const fail = (why: string): void => {
    ready.reject(failed(child, why));
    done.reject(failed(child, why));
  };
  const onLine = (text: string): void => {
    const line = parseWith(LineSchema, text);
    if (!line.ok) {
      fail(`it said "${text.slice(0, 100)}": ${line.why}`);
      return;
    }
    if ("ready" in line.value) ready.resolve();
    if ("inFlightWrites" in line.value) inFlightWrites = line.value.inFlightWrites;
    if ("done" in line.value) {
      child.expectEnd();
      done.resolve();
    }
    onChange();
  };
  const { stdout } = child;
  if (stdout === null) throw failed(child, "its stdout is no pipe");
  readLines(stdout, onLine, () => fail("it wrote an endless line"));
  void child.ended.then((exit) => {
    const report = (): void => {
      fail(`it ended with ${nameOfExit(exit)}: ${lastLines(child.stderrFile)}`);
    };
    // Its last lines may still be in the pipe.
    if (stdout.closed) report();
    else stdout.once("close", report);
  });
  return { ready: ready.promise, done: done.promise, inFlightWrites: () => inFlightWrites };
}

function settleable(): {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
} {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((onResolved, onRejected) => {
    resolve = onResolved;
    reject = onRejected;
  });
  // Nobody may be waiting when the process ends.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

function failed(child: Child, why: string): HarnessError {
  return new HarnessError("WORKLOAD_FAILED", `workload: ${why}`, {
    hint: `Read ${child.stderrFile}.`,
  });
}
