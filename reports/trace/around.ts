/** The rows around one event. */
import type { Micros } from "../../harness/record/types.ts";
import type { Mistake } from "./filter.ts";
import { textIn } from "./recorded.ts";
import type { Row } from "./rows.ts";

export interface Around {
  /** Number of a row, an instant, or a word. */
  readonly event: string;
  /** Rows before it, and as many after it. 0: it alone. */
  readonly lines: number;
}

export interface Window {
  readonly rows: readonly Row[];
  /** Its number; null: an instant was asked for, or the event is not among the rows. */
  readonly id: string | null;
}

const NUMBER = /^h?\d+$/;
const INSTANT = /^(\d+(?:\.\d+)?)(ms|s)?$/;

/**
 * @param all every row of the record, among which the event is looked for
 * @param kept those that are shown otherwise
 */
export function windowOf(
  { event, lines }: Around,
  all: readonly Row[],
  kept: readonly Row[],
): { readonly ok: true; readonly value: Window } | Mistake {
  const place = placeOf(event, all);
  if (!place.ok) return place;
  const { at, row } = place;
  const index = row === null ? -1 : kept.indexOf(row);
  // Where the event itself is filtered out, its place is where it would stand.
  const order = new Map(all.map((one, position) => [one, position]));
  const target = row === null ? null : (order.get(row) ?? 0);
  const isBefore = (one: Row): boolean =>
    target === null ? one.at < at : (order.get(one) ?? 0) < target;
  const before = kept.filter(isBefore).length;
  const next = index >= 0 ? before + 1 : before;
  const rows = kept.slice(Math.max(0, before - lines), next + lines);
  return { ok: true, value: { rows, id: index < 0 ? null : (row?.id ?? null) } };
}

type Place = { readonly ok: true; readonly at: Micros; readonly row: Row | null } | Mistake;

function placeOf(event: string, all: readonly Row[]): Place {
  if (NUMBER.test(event)) {
    const row = all.find(({ id }) => id === event);
    if (row !== undefined) return { ok: true, at: row.at, row };
    const hint = event.startsWith("h")
      ? "Lines of the history have rows only with --history."
      : "The first column of the table has the numbers; write an instant as 1500ms.";
    return { ok: false, why: `there is no event ${event}`, hint };
  }
  const instant = INSTANT.exec(event);
  if (instant !== null) {
    const factor = instant[2] === "s" ? 1_000_000 : 1_000;
    return { ok: true, at: Math.round(Number(instant[1]) * factor), row: null };
  }
  const word = event.toLowerCase();
  const row =
    all.find((one) => wordsOf(one).includes(word)) ??
    all.find(({ text }) => text.toLowerCase().includes(word));
  if (row !== undefined) return { ok: true, at: row.at, row };
  const hint =
    "Use fault, heal, violation, alert, exit, announced, split-brain, any word of a row, the number of a row, or an instant such as 1500ms.";
  return { ok: false, why: `no event matches "${event}"`, hint };
}

const WORD_FIELDS = ["state", "derived", "code", "fault", "name", "op", "right", "copy", "mark"];

function wordsOf({ what, mark, event }: Row): readonly (string | null)[] {
  const fields = WORD_FIELDS.map((field) => textIn(event, field));
  return [what, mark, ...fields].map((word) => word?.toLowerCase() ?? null);
}
