import type { Micros } from "../record/types.ts";

/** The run's clock: the machine's monotonic one, from the run's start on. */
export interface RunClock {
  /** Where this clock reads 0 on the machine's. Unit: microseconds. */
  readonly startUs: number;
  now(): Micros;
}

export function startRunClock(): RunClock {
  const startUs = machineUs();
  return { startUs, now: () => machineUs() - startUs };
}

/** The machine's monotonic clock, which all its processes share. Exact: 2^53 µs are 285 years. Unit: microseconds. */
function machineUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}
