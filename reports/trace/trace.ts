/** From a record and what somebody asks of it to the rows that answer. */
import { type Around, windowOf } from "./around.ts";
import { type Processes, processesIn } from "./columns.ts";
import { keeperOf, type Mistake, type TraceFilter } from "./filter.ts";
import { countOk } from "./history-rows.ts";
import { type Recorded, textIn } from "./recorded.ts";
import { type Row, rowsOf } from "./rows.ts";

export interface TraceOptions {
  readonly filter: TraceFilter;
  /** Null: all rows. */
  readonly around: Around | null;
  /** Also events that are many and say little one by one. */
  readonly all: boolean;
}

export interface Trace {
  readonly record: Recorded;
  readonly options: TraceOptions;
  readonly processes: Processes;
  /** Whose states the columns show; null: events name none. */
  readonly vm: string | null;
  readonly vms: readonly string[];
  readonly rows: readonly Row[];
  /** Rows that the filter keeps, noise not counted unless it is shown. */
  readonly kept: number;
  /** All rows of the record, likewise. */
  readonly total: number;
  /** Noise among what the filter keeps, by kind; empty where it is shown. */
  readonly leftOut: ReadonlyMap<string, number>;
  /** Operations without a row, because they went well. Null: the history was not looked at. */
  readonly okOperations: number | null;
  /** The row that was asked for with `around`; null: none, or it is not shown. */
  readonly target: string | null;
}

/** @returns the trace; a mistake where something is asked for that the record does not know */
export function traceOf(
  record: Recorded,
  options: TraceOptions,
): { readonly ok: true; readonly value: Trace } | Mistake {
  const { filter, around } = options;
  const { events, history } = record;
  const processes = processesIn(events);
  const vms = [...new Set(events.flatMap((event) => textIn(event, "vm") ?? []))].sort();
  const vm = filter.vm ?? vms[0] ?? null;
  const keeper = keeperOf(filter, { processes, vms });
  if (!keeper.ok) return keeper;
  const every = rowsOf(record, { processes, vm });
  const isShown = ({ noise }: Row): boolean => options.all || noise === null;
  const relevant = every.filter(keeper.value);
  const kept = relevant.filter(isShown);
  const leftOut = new Map<string, number>();
  for (const { noise } of relevant.filter((row) => !isShown(row))) {
    if (noise !== null) leftOut.set(noise, (leftOut.get(noise) ?? 0) + 1);
  }
  const window = around === null ? null : windowOf(around, every, kept);
  if (window?.ok === false) return window;
  const value: Trace = {
    ...{ record, options, processes, vm, vms, leftOut },
    rows: window?.value.rows ?? kept,
    kept: kept.length,
    total: every.filter(isShown).length,
    okOperations: history === null ? null : countOk(history),
    target: window?.value.id ?? null,
  };
  return { ok: true, value };
}
