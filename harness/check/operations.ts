import { HarnessError } from "../errors.ts";
import type { HistoryEvent, HistoryLine, Micros, OperationName } from "../record/types.ts";

export type OperationEnd =
  | { readonly kind: "ok"; readonly at: Micros; readonly value: string | null | readonly string[] }
  /** Certainly did not happen. */
  | { readonly kind: "fail"; readonly at: Micros }
  /** May have happened, may still happen. An operation without an end in the history is one of these. */
  | { readonly kind: "info" };

/** An `invoke` together with its end. */
export interface Operation {
  readonly op: number;
  readonly process: number;
  readonly f: OperationName;
  readonly key: string;
  /** Written or appended value; null for other operations. */
  readonly value: string | null;
  /** Of a cas: what it replaces, null: nothing. Null for other operations too. */
  readonly expected: string | null;
  readonly role: "probe" | "load" | "readback";
  /** Null: the history does not say. */
  readonly site: string | null;
  readonly invokedAt: Micros;
  readonly end: OperationEnd;
}

/**
 * Operations in the order of their `invoke` lines.
 *
 * @throws HarnessError BAD_RECORD for an end without its `invoke`, a second end, an op number used twice, or an end before its beginning
 */
export function operationsOf(lines: readonly HistoryLine[]): readonly Operation[] {
  const found = new Map<number, { invoke: Invoke; end: OperationEnd | null }>();
  for (const line of lines) {
    if (line.type === "invoke") {
      if (found.has(line.op)) throw malformed(line.op, "is invoked twice");
      found.set(line.op, { invoke: line, end: null });
    } else if (line.type === "ok" || line.type === "fail" || line.type === "info") {
      const entry = found.get(line.op);
      if (entry === undefined) throw malformed(line.op, "ends without having been invoked");
      if (entry.end !== null) throw malformed(line.op, "ends twice");
      if (line.at < entry.invoke.at) throw malformed(line.op, "ends before it is invoked");
      entry.end = endOf(line);
    }
  }
  return [...found.values()].map(({ invoke, end }) => ({
    op: invoke.op,
    process: invoke.process,
    f: invoke.f,
    key: invoke.key,
    value: invoke.value,
    expected: invoke.expected ?? null,
    role: invoke.role,
    site: invoke.site ?? null,
    invokedAt: invoke.at,
    end: end ?? { kind: "info" },
  }));
}

/** Operations that ended, by how. One without an end in the history counts as `info`. */
export function countOperations(operations: readonly Operation[]): {
  readonly ok: number;
  readonly fail: number;
  readonly info: number;
} {
  const counts = { ok: 0, fail: 0, info: 0 };
  for (const operation of operations) counts[operation.end.kind] += 1;
  return counts;
}

/** Instant of the first line of this phase; null when the history has none. */
export function phaseStart(
  lines: readonly HistoryLine[],
  phase: "warm-up" | "calm" | "fault" | "final-reads" | "end",
): Micros | null {
  for (const line of lines) {
    if (line.type === "phase" && line.phase === phase) return line.at;
  }
  return null;
}

type Invoke = Extract<HistoryEvent, { type: "invoke" }>;

function endOf(line: Exclude<HistoryEvent, { type: "invoke" }>): OperationEnd {
  switch (line.type) {
    case "ok":
      return { kind: "ok", at: line.at, value: line.value };
    case "fail":
      return { kind: "fail", at: line.at };
    case "info":
      return { kind: "info" };
    default:
      return unreachable(line);
  }
}

function malformed(op: number, why: string): HarnessError {
  return new HarnessError("BAD_RECORD", `operation ${op} ${why}`, {
    hint: "Every op number has one invoke and at most one end (docs/record.md).",
  });
}

function unreachable(value: never): never {
  throw new TypeError(`no such end: ${JSON.stringify(value)}`);
}
