/** What a run's folder holds, as far as a trace needs it. Read by whoever calls; nothing here touches a file. */
import { canonicalJson } from "../../harness/record/json.ts";
import type { HistoryLine, RunEvent } from "../../harness/record/types.ts";

export type Fields = Readonly<Record<string, unknown>>;

export interface Recorded {
  /** Path of the folder, for the replay command. */
  readonly folder: string;
  /** `plan.json`; null: there is none. */
  readonly plan: Fields | null;
  /** `verdict.json`; null: there is none. */
  readonly verdict: Fields | null;
  /** `events.ndjson`, none left out: the n-th is line n. */
  readonly events: readonly RunEvent[];
  /** `history.ndjson`, none left out. Null: not asked for, or there is none. */
  readonly history: readonly HistoryLine[] | null;
  /** What is cut short or missing, a sentence each. */
  readonly gaps: readonly string[];
}

/** Text of a field; null where it has none. */
export function textIn(fields: Fields | null, name: string): string | null {
  const value = fields?.[name];
  return typeof value === "string" ? value : null;
}

export function numberIn(fields: Fields | null, name: string): number | null {
  const value = fields?.[name];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** Any value as a word: a text as it is, `?` for nothing, else JSON. */
export function wordOf(value: unknown): string {
  if (value === undefined) return "?";
  return typeof value === "string" ? value : canonicalJson(value);
}

/** Microseconds as the milliseconds of a table, to the microsecond. */
export function ms(us: number): string {
  return (us / 1_000).toFixed(3);
}
