/** A trace for programs: what `trace --json` prints. */
import { canonicalJson } from "../../harness/record/json.ts";
import { RECORD_SCHEMA } from "../../harness/record/types.ts";
import type { Snapshot } from "./columns.ts";
import { headOf } from "./head.ts";
import type { Row } from "./rows.ts";
import type { Trace } from "./trace.ts";

/** One JSON document, a line a row, ended by `\n`; reports/README.md describes its fields. */
export function renderTraceJson(trace: Trace): string {
  const { record, options, processes, vm, rows, kept, total, leftOut, okOperations } = trace;
  const { troubles: _troubles, ...head } = headOf(record);
  const document = {
    schema: RECORD_SCHEMA,
    ...head,
    gaps: record.gaps,
    ...{ vm, ...processes },
    ...{ filter: options.filter, around: options.around, target: trace.target },
    ...{ kept, total, leftOut: Object.fromEntries(leftOut), okOperations },
  };
  const lines = rows.map((row) => `    ${canonicalJson(documentOf(row, trace))}`);
  const opened = canonicalJson(document, 2).replace(/\n\}$/, "");
  return `${opened},\n  "rows": [\n${lines.join(",\n")}\n  ]\n}\n`;
}

function documentOf(row: Row, trace: Trace): object {
  const { id, at, sinceUs, mark, active, who, what, text, after, event } = row;
  return {
    ...{ id, atUs: at, sinceUs, mark, activeFaults: active, who, what, text },
    ...statesOf(after, trace),
    event,
  };
}

function statesOf(after: Snapshot, { processes }: Trace): object {
  const named = <Cell>(names: readonly string[], cells: readonly Cell[]): object =>
    Object.fromEntries(names.map((name, index) => [name, cells[index]]));
  const pointer = ({ isDead, host }: Snapshot["services"][number]): object => {
    const state = isDead ? "dead" : host === undefined ? "unheard" : "up";
    return { state, host: host ?? null };
  };
  return {
    hosts: named(processes.hosts, after.hosts),
    services: named(processes.services, after.services.map(pointer)),
    switches: named(processes.switches, after.switches.map(pointer)),
  };
}
