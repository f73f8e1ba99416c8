/**
 * Says in one sentence why a key has no valid order, where a single read or a pair of them shows it. Looks for the read that ended first;
 * null where only the whole search shows it. A cas that succeeded counts as a read of what it expected.
 */
import { listValue, registerValue } from "./linear-models.ts";
import { isOwed, type Step } from "./linear-step.ts";
import type { Operation } from "./operations.ts";

/** Comparing every read with every pair of writes of a longer key would take longer than the search did. */
const STEPS_MAX = 5_000;

export function explainRegister(steps: readonly Step[]): string | null {
  if (steps.length > STEPS_MAX) return null;
  const writes = steps.filter((step) => !step.isRead);
  for (const read of readsByEnd(steps)) {
    const value = seenValue(read.operation);
    const writers = writes.filter((write) => write.operation.value === value);
    const early = writers.filter((write) => write.invokedAt <= read.endedAt);
    if (early.length === 0 && value !== null) {
      const [late] = writers;
      const why =
        late === undefined ? "nobody wrote it" : `it was written only later, ${named(late)}`;
      return `${returned(read, value)}, but ${why}`;
    }
    // The latest writer first: it explains almost every read at once.
    const origins = early.map((writer) => writer.endedAt).reverse();
    if (value === null) origins.push(Number.NEGATIVE_INFINITY);
    if (origins.some((writtenBy) => overwriterOf(writtenBy, read, writes) === null)) continue;
    const killer = overwriterOf(origins[0] ?? Number.NEGATIVE_INFINITY, read, writes);
    if (killer === null) continue;
    return `${returned(read, value)}, but that was overwritten before it began, by ${named(killer)}`;
  }
  return null;
}

export function explainList(steps: readonly Step[]): string | null {
  if (steps.length > STEPS_MAX) return null;
  const reads = readsByEnd(steps);
  const appends = steps.filter((step) => !step.isRead && !step.isReset);
  const deletes = steps.filter((step) => step.isReset);
  for (const read of reads) {
    const elements = listValue(read.operation);
    const foreign = elements.find(
      (element) =>
        !appends.some(
          (append) => append.operation.value === element && append.invokedAt <= read.endedAt,
        ),
    );
    if (foreign !== undefined) {
      return `${returned(read, elements)}, but nobody had appended ${JSON.stringify(foreign)} by then`;
    }
    const missing = appends.find(
      (append) =>
        append.endedAt < read.invokedAt &&
        !elements.includes(append.operation.value ?? "") &&
        !deletes.some((gone) => gone.invokedAt <= read.endedAt && gone.endedAt >= append.invokedAt),
    );
    if (missing !== undefined) {
      return `${returned(read, elements)}, but it lacks what was appended before, ${named(missing)}`;
    }
  }
  return deletes.length === 0 ? explainOrder(reads) : null;
}

/** Without deletes, of two lists one begins with the other. */
function explainOrder(reads: readonly Step[]): string | null {
  let longest: Step | undefined;
  for (const read of reads) {
    if (longest === undefined) {
      longest = read;
      continue;
    }
    const known = listValue(longest.operation);
    const found = listValue(read.operation);
    const shared = Math.min(known.length, found.length);
    for (let index = 0; index < shared; index += 1) {
      if (known[index] === found[index]) continue;
      return `${returned(read, found)}, but ${returned(longest, known)}: they differ at element ${index}`;
    }
    if (found.length >= known.length) longest = read;
  }
  return null;
}

/** A write that certainly lies between the end of another write and the begin of this read. */
function overwriterOf(writtenBy: number, read: Step, writes: readonly Step[]): Step | null {
  const value = seenValue(read.operation);
  const between = writes.findLast(
    (write) =>
      write.operation.value !== value &&
      write.invokedAt > writtenBy &&
      write.endedAt < read.invokedAt,
  );
  return between ?? null;
}

function readsByEnd(steps: readonly Step[]): readonly Step[] {
  return steps
    .filter(isOwed)
    .sort((left, right) => left.endedAt - right.endedAt || left.operation.op - right.operation.op);
}

function seenValue(operation: Operation): string | null {
  return operation.f === "cas" ? operation.expected : registerValue(operation);
}

function returned(read: Step, value: string | null | readonly string[]): string {
  const span = `${milliseconds(read.invokedAt)}…${milliseconds(read.endedAt)}`;
  const { f, op } = read.operation;
  const verb = f === "cas" ? "found" : "returned";
  return `the ${f} of operation ${op} at ${span} ms ${verb} ${shortened(value)}`;
}

function named(step: Step): string {
  const { op, f, value } = step.operation;
  const end = step.endedAt === Infinity ? "?" : milliseconds(step.endedAt);
  const what = f === "delete" ? "" : ` of ${shortened(value)}`;
  return `operation ${op} (${f}${what} at ${milliseconds(step.invokedAt)}…${end} ms)`;
}

function shortened(value: string | null | readonly string[]): string {
  const text = JSON.stringify(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}

function milliseconds(micros: number): string {
  return (micros / 1_000).toFixed(3);
}
