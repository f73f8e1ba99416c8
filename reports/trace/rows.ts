/** A record as rows of one table: what was said and seen, in the order of the run's clock, with the states after each of it. */
import { nameOf } from "../../harness/check/events.ts";
import type { Micros, RunEvent } from "../../harness/record/types.ts";
import { createColumns, type Processes, type Snapshot } from "./columns.ts";
import { type HistoryEntry, historyEntries } from "./history-rows.ts";
import { namesIn } from "./names.ts";
import { numberIn, type Recorded, wordOf } from "./recorded.ts";
import { isCommand, type Mark, noiseOf, tell } from "./words.ts";

export interface Row {
  /** Line of `events.ndjson`, from 1, or `h` and a line of `history.ndjson`. */
  readonly id: string;
  /** An injected fault stands at its fault instant, everything else when it was reported. */
  readonly at: Micros;
  /** Since the last fault, command or heal. Null: there was none. */
  readonly sinceUs: Micros | null;
  readonly mark: Mark | null;
  /** How many faults are in force. */
  readonly active: number;
  /** Who says so; empty: the harness, clients, a rule. */
  readonly who: string;
  readonly what: string;
  /** Kind of what is left out unless asked for; null: it never is. */
  readonly noise: string | null;
  readonly text: string;
  readonly after: Snapshot;
  /** Null: it is a line of the history. */
  readonly event: RunEvent | null;
  /** Of a line of the history: switch of the client's site. */
  readonly site: string | null;
}

interface Item {
  readonly at: Micros;
  /** Of two of one instant the lower comes first: a fault before what it does, clients last. */
  readonly rank: number;
  readonly line: number;
  readonly of: RunEvent | HistoryEntry;
}

/** @param shown whose columns, and of which VM */
export function rowsOf(
  { events, history }: Pick<Recorded, "events" | "history">,
  shown: { readonly processes: Processes; readonly vm: string | null },
): readonly Row[] {
  const names = namesIn(events);
  const columns = createColumns(shown.processes, shown.vm);
  const active = new Set<string>();
  let since: Micros | null = null;
  const entries = history === null ? [] : historyEntries(history, endOfFaults(events));
  return inOrder(events, entries).map((item): Row => {
    const { at, line, of } = item;
    if (!isEvent(of)) {
      const { what, text, mark, site } = of;
      const sinceUs = since === null ? null : at - since;
      const noise = what === "lag" ? what : null;
      const seen = { active: active.size, after: columns.snapshot(), event: null, site };
      return { id: `h${line}`, at, sinceUs, mark, who: "", what, noise, text, ...seen };
    }
    const { text, mark } = tell(of, names);
    columns.take(of);
    count(of, active);
    if (mark === "fault" || mark === "command" || mark === "heal") since = at;
    return {
      id: String(line),
      at,
      sinceUs: since === null ? null : at - since,
      mark,
      active: active.size,
      who: whoSays(of),
      what: of.what,
      noise: noiseOf(of),
      text,
      after: columns.snapshot(),
      event: of,
      site: null,
    };
  });
}

/** Until here what clients see is measured. */
function endOfFaults(events: readonly RunEvent[]): Micros {
  const ends = ["converged", "not-converged"];
  const end = events.find(({ source, what }) => source === "harness" && ends.includes(what));
  return end?.at ?? Number.POSITIVE_INFINITY;
}

function inOrder(events: readonly RunEvent[], entries: readonly HistoryEntry[]): readonly Item[] {
  const items = events.map((of, index): Item => {
    const isInjected = of.what === "fault" && of["state"] === "injected";
    const at = isInjected ? (numberIn(of, "atInjectUs") ?? of.at) : of.at;
    return { at, rank: isInjected ? 0 : 1, line: index + 1, of };
  });
  const clients = entries.map((of): Item => ({ at: of.at, rank: 2, line: of.line, of }));
  return [...items, ...clients].sort(
    (one, two) => one.at - two.at || one.rank - two.rank || one.line - two.line,
  );
}

function isEvent(of: RunEvent | HistoryEntry): of is RunEvent {
  return "source" in of;
}

function count(event: RunEvent, active: Set<string>): void {
  if (event.source !== "harness" || event.what !== "fault" || isCommand(event)) return;
  const fault = ["step", "fault", "target"].map((field) => wordOf(event[field])).join(" ");
  if (event["state"] === "healed") active.delete(fault);
  else active.add(fault);
}

function whoSays({ source }: RunEvent): string {
  if (source === "harness" || source === "invariant") return "";
  const kinds = ["host", "quorum", "switch"] as const;
  return kinds.map((kind) => nameOf(source, kind)).find((name) => name !== null) ?? source;
}
