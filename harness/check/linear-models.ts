/**
 * Turns the operations of one key into small integers for the search (linear-search.ts). A *state* is a number: 0 and up are states that
 * some read saw (or the initial one), `UNSEEN` stands for all others at once: no read matches it, so they need no telling apart.
 *
 * What can be dropped or bounded is, before the search begins:
 * - an `info` operation whose value no read returned may as well never have happened: in an order in which it takes effect, no read comes
 *   between it and the next write (or delete, for lists), so the order without it is valid too;
 * - an `info` operation whose value only it wrote and a read returned did happen, at the latest when the first such read ended: it becomes
 *   an operation that ended then.
 * What remains without an end are deletes and values written twice.
 */
import type { Micros } from "../record/types.ts";
import type { Operation } from "./operations.ts";

export const UNSEEN = -1;

/** One operation as the search sees it. */
export interface Step {
  readonly operation: Operation;
  readonly invokedAt: Micros;
  /** Infinity: may take effect at any time, or never. */
  readonly endedAt: Micros;
  /** Reads need the state `argument`. */
  readonly isRead: boolean;
  /** Leads to UNSEEN from every state. */
  readonly isMute: boolean;
  /** Leads to the same state from every state. */
  readonly isReset: boolean;
  readonly argument: number;
}

export interface Model {
  readonly steps: readonly Step[];
  readonly initial: number;
  next(state: number, step: Step): number;
  /** Keeps the counts behind `isDeadEnd`: `by` is −1 when the step is placed, 1 when that is undone. */
  count(step: Step, by: 1 | -1): void;
  /** No order of what is left can be valid after going from one state to the other. May miss dead ends. */
  isDeadEnd(from: number, to: number): boolean;
}

/** Registers: read, write, delete. A delete writes null. */
export function registerModel(operations: readonly Operation[]): Model {
  const seen = new Map<string | null, number>([[null, 0]]);
  for (const operation of operations) {
    if (operation.end.kind !== "ok" || operation.f !== "read") continue;
    const value = registerValue(operation);
    if (!seen.has(value)) seen.set(value, seen.size);
  }
  const firstSeen = new Map<string | null, Micros>();
  for (const operation of operations) {
    if (operation.end.kind !== "ok" || operation.f !== "read") continue;
    noteEarlier(firstSeen, registerValue(operation), operation.end.at);
  }
  const writers = countBy(
    operations.filter((operation) => operation.f !== "read" && operation.end.kind !== "fail"),
    (operation) => operation.value,
  );
  const steps = operations.flatMap((operation): readonly Step[] => {
    const isRead = operation.f === "read";
    const value = isRead ? registerValue(operation) : operation.value;
    const isUnread = !isRead && !firstSeen.has(value);
    const isSole = !isRead && value !== null && writers.get(value) === 1;
    const endedAt = effectiveEnd(operation, isSole ? firstSeen.get(value) : undefined);
    if (endedAt === null || (endedAt === Number.POSITIVE_INFINITY && (isRead || isUnread))) {
      return [];
    }
    const argument = isUnread ? UNSEEN : (seen.get(value) ?? UNSEEN);
    return [
      {
        operation,
        invokedAt: operation.invokedAt,
        endedAt,
        isRead,
        isMute: isUnread,
        isReset: !isRead,
        argument,
      },
    ];
  });
  const reads = new Int32Array(seen.size);
  const writes = new Int32Array(seen.size);
  const count = (step: Step, by: number): void => {
    const counts = step.isRead ? reads : writes;
    if (step.argument !== UNSEEN) counts[step.argument] = (counts[step.argument] ?? 0) + by;
  };
  for (const step of steps) count(step, 1);
  return {
    steps,
    initial: 0,
    next: (_state, step) => step.argument,
    count,
    isDeadEnd: (from, to) => from !== to && (reads[from] ?? 0) > 0 && (writes[from] ?? 0) === 0,
  };
}

/** Append-lists: append, list, delete. States are the prefixes of all lists that were read. */
export function listModel(operations: readonly Operation[]): Model {
  const trie = new Trie();
  const firstSeen = new Map<string | null, Micros>();
  for (const operation of operations) {
    if (operation.f !== "list" || operation.end.kind !== "ok") continue;
    trie.add(listValue(operation));
    for (const element of listValue(operation)) noteEarlier(firstSeen, element, operation.end.at);
  }
  const appenders = countBy(
    operations.filter((operation) => operation.f === "append" && operation.end.kind !== "fail"),
    (operation) => operation.value,
  );
  const steps = operations.flatMap((operation): readonly Step[] => {
    const isRead = operation.f === "list";
    const isUnread = operation.f === "append" && !firstSeen.has(operation.value);
    const isSole = operation.f === "append" && appenders.get(operation.value) === 1;
    const endedAt = effectiveEnd(operation, isSole ? firstSeen.get(operation.value) : undefined);
    if (endedAt === null || (endedAt === Number.POSITIVE_INFINITY && (isRead || isUnread))) {
      return [];
    }
    return [
      {
        operation,
        invokedAt: operation.invokedAt,
        endedAt,
        isRead,
        isMute: isUnread,
        isReset: operation.f === "delete",
        argument: isRead ? trie.add(listValue(operation)) : trie.element(operation.value),
      },
    ];
  });
  let reads = 0;
  let deletes = 0;
  const count = (step: Step, by: number): void => {
    if (step.isRead) reads += by;
    if (step.isReset) deletes += by;
  };
  for (const step of steps) count(step, 1);
  return {
    steps,
    initial: 0,
    next: (state, step) => (step.isReset ? 0 : trie.child(state, step.argument)),
    count,
    isDeadEnd: (_from, to) => to === UNSEEN && reads > 0 && deletes === 0,
  };
}

/** What a register read returned. */
export function registerValue(operation: Operation): string | null {
  const value = operation.end.kind === "ok" ? operation.end.value : null;
  return typeof value === "string" ? value : null;
}

/** What a list read returned; a missing key is an empty list. */
export function listValue(operation: Operation): readonly string[] {
  const value = operation.end.kind === "ok" ? operation.end.value : null;
  return value !== null && typeof value !== "string" ? value : [];
}

/** Null: certainly did not happen. */
function effectiveEnd(operation: Operation, firstSeen: Micros | undefined): Micros | null {
  switch (operation.end.kind) {
    case "ok":
      return Math.min(operation.end.at, Math.max(firstSeen ?? Infinity, operation.invokedAt));
    case "fail":
      return null;
    case "info":
      return Math.max(firstSeen ?? Infinity, operation.invokedAt);
    default:
      return unreachable(operation.end);
  }
}

function noteEarlier(
  first: Map<string | null, Micros>,
  value: string | null,
  endedAt: Micros,
): void {
  const known = first.get(value);
  if (known === undefined || endedAt < known) first.set(value, endedAt);
}

function countBy(
  operations: readonly Operation[],
  keyOf: (operation: Operation) => string | null,
): ReadonlyMap<string | null, number> {
  const counts = new Map<string | null, number>();
  for (const operation of operations) {
    const key = keyOf(operation);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

class Trie {
  private readonly children: Map<number, number>[] = [new Map<number, number>()];
  private readonly elements = new Map<string | null, number>();

  /** Node of this list, made where it is missing. */
  add(list: readonly string[]): number {
    let node = 0;
    for (const text of list) {
      const element = this.element(text);
      const known = this.children[node]?.get(element);
      if (known === undefined) {
        const fresh = this.children.length;
        this.children.push(new Map());
        this.children[node]?.set(element, fresh);
        node = fresh;
      } else {
        node = known;
      }
    }
    return node;
  }

  child(node: number, element: number): number {
    return this.children[node]?.get(element) ?? UNSEEN;
  }

  element(text: string | null): number {
    const known = this.elements.get(text);
    if (known !== undefined) return known;
    this.elements.set(text, this.elements.size);
    return this.elements.size - 1;
  }
}

function unreachable(value: never): never {
  throw new TypeError(`no such end: ${JSON.stringify(value)}`);
}
