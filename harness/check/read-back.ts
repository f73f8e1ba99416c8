/** Decides for each acknowledged write whether it was still there when somebody looked for the last time. */
import type { Micros } from "../record/types.ts";
import { listValue, registerValue } from "./linear-models.ts";
import type { Operation } from "./operations.ts";

export type Judgement =
  | { readonly kind: "kept" }
  /** `seenAt`: end of the read that showed the loss. */
  | { readonly kind: "lost"; readonly seenAt: Micros; readonly found: string }
  /** Nobody read it back, or another write may have hidden it. */
  | { readonly kind: "unjudged" };

export interface AcknowledgedWrite {
  readonly operation: Operation;
  readonly ackedAt: Micros;
  readonly judgement: Judgement;
}

/**
 * Acknowledged writes, appends and compare-and-sets in the order of their begins. Judged are writes to keys written once, and appends, at
 * the last read of role `readback` that began after the acknowledgement and ended before any delete that may have come after the write.
 */
export function judgeWrites(operations: readonly Operation[]): readonly AcknowledgedWrite[] {
  const keys = new Map<string, KeyUse>();
  for (const operation of operations) noteUse(keys, operation);
  const judged: AcknowledgedWrite[] = [];
  for (const operation of operations) {
    const { f, end, key } = operation;
    if (end.kind !== "ok" || (f !== "append" && !isWrite(operation))) continue;
    const use = keys.get(key);
    const isJudged = use !== undefined && (f === "append" || use.writes === 1);
    const read = isJudged ? lastRead(operation, end.at, use) : null;
    judged.push({ operation, ackedAt: end.at, judgement: judge(operation, read) });
  }
  return judged;
}

/** What was done to a key, as far as it may have happened. */
interface KeyUse {
  writes: number;
  readonly deletes: Operation[];
  /** Reads of role `readback`. */
  readonly reads: Operation[];
}

function noteUse(keys: Map<string, KeyUse>, operation: Operation): void {
  const { f, key, role, end } = operation;
  if (end.kind === "fail") return;
  let use = keys.get(key);
  if (use === undefined) {
    use = { writes: 0, deletes: [], reads: [] };
    keys.set(key, use);
  }
  if (isWrite(operation)) use.writes += 1;
  else if (f === "delete") use.deletes.push(operation);
  else if (role === "readback" && (f === "read" || f === "list")) use.reads.push(operation);
}

function isWrite({ f }: Operation): boolean {
  return f === "write" || f === "cas";
}

interface EndedRead {
  readonly operation: Operation;
  readonly endedAt: Micros;
}

function lastRead(
  write: Operation,
  ackedAt: Micros,
  others: { readonly reads: readonly Operation[]; readonly deletes: readonly Operation[] },
): EndedRead | null {
  const wanted = write.f === "append" ? "list" : "read";
  let hiddenFrom = Number.POSITIVE_INFINITY;
  for (const gone of others.deletes) {
    const mayComeAfter = gone.end.kind !== "ok" || gone.end.at >= write.invokedAt;
    if (mayComeAfter) hiddenFrom = Math.min(hiddenFrom, gone.invokedAt);
  }
  let last: EndedRead | null = null;
  for (const operation of others.reads) {
    if (operation.f !== wanted || operation.end.kind !== "ok") continue;
    if (operation.invokedAt < ackedAt || operation.end.at > hiddenFrom) continue;
    if (last === null || operation.end.at >= last.endedAt) {
      last = { operation, endedAt: operation.end.at };
    }
  }
  return last;
}

function judge(write: Operation, read: EndedRead | null): Judgement {
  if (read === null) return { kind: "unjudged" };
  if (write.f === "append") {
    const elements = listValue(read.operation);
    if (elements.includes(write.value ?? "")) return { kind: "kept" };
    return { kind: "lost", seenAt: read.endedAt, found: `a list of ${elements.length} without it` };
  }
  const found = registerValue(read.operation);
  if (found === write.value) return { kind: "kept" };
  const text = found === null ? "nothing" : JSON.stringify(found);
  return { kind: "lost", seenAt: read.endedAt, found: text };
}
