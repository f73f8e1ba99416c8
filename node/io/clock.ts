/** The machine's monotonic clock, which every process of a run shares. */

/** Unit: milliseconds, with fractions. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The same clock. Unit: microseconds, whole. */
export function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}
