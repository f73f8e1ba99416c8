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
 * Acknowledged writes and appends in the order of their begins. Judged are writes to keys written once, and appends, at the last read of
 * role `readback` that began after the acknowledgement and ended before any delete that may have come after the write.
 */
export function judgeWrites(operations: readonly Operation[]): readonly AcknowledgedWrite[] {
  const keys = new Map<string, Operation[]>();
  for (const operation of operations) {
    const known = keys.get(operation.key);
    if (known === undefined) keys.set(operation.key, [operation]);
    else known.push(operation);
  }
  const judgements = new Map<number, AcknowledgedWrite>();
  for (const ofKey of keys.values()) {
    for (const write of judgeKey(ofKey)) judgements.set(write.operation.op, write);
  }
  return operations.flatMap(({ op }) => {
    const write = judgements.get(op);
    return write === undefined ? [] : [write];
  });
}

function judgeKey(operations: readonly Operation[]): readonly AcknowledgedWrite[] {
  const happened = operations.filter((operation) => operation.end.kind !== "fail");
  const deletes = happened.filter((operation) => operation.f === "delete");
  const reads = happened.filter(
    (operation) =>
      operation.role === "readback" && (operation.f === "read" || operation.f === "list"),
  );
  const isWrittenOnce = happened.filter((operation) => operation.f === "write").length === 1;
  return happened.flatMap((operation): readonly AcknowledgedWrite[] => {
    if (operation.f !== "write" && operation.f !== "append") return [];
    if (operation.end.kind !== "ok") return [];
    const ackedAt = operation.end.at;
    const isJudged = operation.f === "append" || isWrittenOnce;
    const read = isJudged ? lastRead(operation, ackedAt, { reads, deletes }) : null;
    return [{ operation, ackedAt, judgement: judge(operation, read) }];
  });
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
