/** Nearest-rank percentile: p95 of 20 is the 19th. `share` is above 0 and at most 1. Null for no values. */
export function percentile(values: readonly number[], share: number): number | null {
  if (!(share > 0 && share <= 1)) throw new RangeError(`no such share: ${share}`);
  const sorted = [...values].sort((left, right) => left - right);
  // 0.95 × 20 is 19.000000000000004 on some machines' decimals: without the rounding it would be the 20th.
  const rank = Math.ceil(Number((share * sorted.length).toFixed(9)));
  return sorted[rank - 1] ?? null;
}

export interface Summary {
  readonly n: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly max: number | null;
}

export function summarize(values: readonly number[]): Summary {
  return {
    n: values.length,
    p50: percentile(values, 0.5),
    p95: percentile(values, 0.95),
    max: percentile(values, 1),
  };
}
