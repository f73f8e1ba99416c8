/** What one row of docs/measurements.md says, and whether it is what was aimed at. */
import { type Summary, summarize } from "../../harness/check/stats.ts";

export type Statistic = "p50" | "p95" | "max";

/** `atMost` or `atLeast`, in the row's unit. */
export interface Bound {
  readonly of: Statistic;
  readonly atMost?: number;
  readonly atLeast?: number;
}

export interface Row {
  readonly what: string;
  readonly found: string;
  /** Empty: nothing is aimed at. */
  readonly target: string;
  /** Empty: met. */
  readonly missed: readonly string[];
}

export interface FigureOptions {
  readonly unit: string;
  /** Decimals that mean something. Default 0. */
  readonly decimals?: number;
  readonly bounds?: readonly Bound[];
  /** How fine the figure can be, and what else must be known to read it. */
  readonly note?: string;
}

/** A row of measured values: n, p50, p95 and the largest. No value at all misses every bound. */
export function figure(what: string, values: readonly number[], options: FigureOptions): Row {
  return figureOf(what, summarize(values), options);
}

export function figureOf(what: string, summary: Summary, options: FigureOptions): Row {
  const { unit, decimals = 0, bounds = [], note } = options;
  const word = (value: number | null): string =>
    value === null ? "unknown" : `${value.toFixed(decimals)}${unit === "" ? "" : ` ${unit}`}`;
  const { n, p50, p95, max } = summary;
  const found = `n = ${n}: p50 ${word(p50)}, p95 ${word(p95)}, max ${word(max)}`;
  return {
    what,
    found: note === undefined ? found : `${found}; ${note}`,
    target: bounds.map((bound) => `${bound.of} ${limitOf(bound, word)}`).join(", "),
    missed: bounds.flatMap((bound) => missOf(bound, summary[bound.of], word) ?? []),
  };
}

/** A row that is one statement. */
export function fact(
  what: string,
  found: string,
  aim: { readonly target: string; readonly isMet: boolean; readonly by?: string } | null = null,
): Row {
  if (aim === null) return { what, found, target: "", missed: [] };
  return {
    what,
    found,
    target: aim.target,
    missed: aim.isMet ? [] : [aim.by ?? "not so"],
  };
}

/** What a row that could not be measured says; it counts as missed. */
export function unmeasured(what: string, error: unknown): Row {
  const why = error instanceof Error ? error.message : String(error);
  return { what, found: `not measured: ${why}`, target: "measured", missed: ["not measured"] };
}

function limitOf({ atMost, atLeast }: Bound, word: (value: number) => string): string {
  if (atMost !== undefined) return `≤ ${word(atMost)}`;
  return `≥ ${word(atLeast ?? 0)}`;
}

/** Null: the bound holds. */
function missOf(
  { of, atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY }: Bound,
  value: number | null,
  word: (value: number) => string,
): string | null {
  if (value === null) return `${of} is unknown`;
  if (value > atMost) return `${of} by ${word(value - atMost)}`;
  if (value < atLeast) return `${of} by ${word(atLeast - value)}`;
  return null;
}
