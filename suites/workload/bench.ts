/** A workload beside fake guests, with its history in memory; all of it ends with the test. */
import type { Test } from "tap";
import { createRecorder, type Recorder } from "../../harness/workload/recorder.ts";
import {
  type RunningWorkload,
  startWorkload,
  type WorkloadOptions,
} from "../../harness/workload/workload.ts";
import { type FakeGuest, startFakeGuest } from "./fake-guest.ts";
import { type KeptHistory, keepHistory } from "./kept-history.ts";

interface Bench {
  readonly history: KeptHistory;
  readonly recorder: Recorder;
  readonly now: () => number;
}

/** Closed with the test, also after a failure: nothing keeps the file from ending. */
export async function guestOf(t: Test, port = 0): Promise<FakeGuest> {
  const guest = await startFakeGuest(port);
  t.teardown(() => guest.close());
  return guest;
}

/** As `startWorkload`, ended with the test. */
export function workloadOf(t: Test, options: WorkloadOptions): RunningWorkload {
  const workload = startWorkload(options);
  let isFinished = false;
  t.teardown(() => (isFinished ? undefined : workload.finish(0)));
  return {
    phase: (name) => workload.phase(name),
    finish(deadline) {
      isFinished = true;
      return workload.finish(deadline);
    },
  };
}

export function bench(): Bench {
  const history = keepHistory();
  const start = process.hrtime.bigint();
  const now = (): number => Number((process.hrtime.bigint() - start) / 1_000n);
  return { history, recorder: createRecorder(history.write, now), now };
}

export const targetOf = (port: number): { address: string; port: number } => ({
  address: "127.0.0.1",
  port,
});

/** One guest a site: s1, s2. */
export const at = (...guests: readonly FakeGuest[]): WorkloadOptions["targets"] =>
  guests.map(({ port }, index) => ({ site: `s${index + 1}`, target: targetOf(port) }));

export const SPEC = {
  kind: "reference",
  clients: 8,
  thinkMs: 1,
  warmUpMs: 0,
  calmMs: 0,
  seed: 1,
} as const;
