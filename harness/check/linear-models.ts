/**
 * Turns the operations of one key into small integers for the search (linear-search.ts). A *state* is a number: 0 and up are states that
 * somebody saw (or the initial one), `UNSEEN` stands for all others at once: nothing needs them, so they need no telling apart.
 *
 * What can be dropped or bounded is, before the search begins:
 * - an `info` operation whose value nobody saw may as well never have happened: in an order in which it takes effect, no look comes
 *   between it and the next write (or delete, for lists), so the order without it is valid too;
 * - an `info` operation whose value only it wrote and somebody saw did happen, at the latest when the first who saw it ended: it becomes
 *   an operation that ended then.
 * What remains without an end are deletes and values written twice.
 */
import type { Micros } from "../record/types.ts";
import { createPending, type Pending } from "./linear-pending.ts";
import { ANY, isOwed, NOWHERE, type Step, UNSEEN } from "./linear-step.ts";
import { createListTrie, type ListTrie } from "./list-trie.ts";
import type { Operation } from "./operations.ts";

export interface Model {
  readonly steps: readonly Step[];
  readonly initial: number;
  /** `NOWHERE` when the step cannot come in this state. */
  next(state: number, step: Step): number;
  /** After the one step the other, which changes nothing, can come. May miss some: a hint where to search first. */
  serves(step: Step, read: Step): boolean;
  /** To be told of every step that is placed, and when that is undone. */
  place(index: number): void;
  putBack(index: number): void;
  /** No order of what is left can be valid after going from one state to the other. May miss dead ends. */
  isDeadEnd(from: number, to: number): boolean;
}

/** Registers: read, write, compare-and-set, delete. A delete writes null. */
export function registerModel(operations: readonly Operation[]): Model {
  const firstSeen = valuesSeen(operations);
  const observed = observedValues(operations, firstSeen);
  const states = new Map<string | null, number>([[null, 0]]);
  for (const value of observed) if (!states.has(value)) states.set(value, states.size);
  const happened = operations.filter((operation) => mayHaveHappened(operation, observed));
  const writes = new Map<string | null, number>();
  for (const { f, value } of happened) {
    if (f !== "read") writes.set(value, (writes.get(value) ?? 0) + 1);
  }
  const stateOf = (value: string | null): number => states.get(value) ?? UNSEEN;
  const steps = happened.map((operation) => {
    const { f, value, expected } = operation;
    const isSole = f !== "read" && value !== null && writes.get(value) === 1;
    const endedAt = effectiveEnd(operation, isSole ? firstSeen.get(value) : undefined);
    const seen = f === "read" ? registerValue(operation) : expected;
    const isRead = f === "read" || (f === "cas" && expected === value);
    const isUnread = !isRead && !observed.has(value);
    return {
      operation,
      invokedAt: operation.invokedAt,
      endedAt,
      isRead,
      isMute: isUnread && f !== "cas",
      isReset: f === "write" || f === "delete",
      needs: isRead || f === "cas" ? stateOf(seen) : ANY,
      argument: isUnread ? UNSEEN : stateOf(isRead ? seen : value),
    };
  });
  const owed = createPending(steps, needOf, ({ endedAt }) => endedAt);
  const writers = createPending(steps, writtenState, ({ invokedAt }) => invokedAt);
  return {
    steps,
    initial: 0,
    next: nextRegister,
    serves: (step, read) => read.isRead && step.argument === read.needs,
    ...together([owed, writers]),
    isDeadEnd: (from, to) => from !== to && writers.smallest(from) > owed.smallest(from),
  };
}

function nextRegister(state: number, { needs, argument }: Step): number {
  return needs === ANY || needs === state ? argument : NOWHERE;
}

function needOf(step: Step): number {
  return isOwed(step) ? step.needs : UNSEEN;
}

function writtenState({ isRead, argument }: Step): number {
  return isRead ? UNSEEN : argument;
}

function together(all: readonly Pending[]): Pick<Model, "place" | "putBack"> {
  return {
    place(index) {
      for (const one of all) one.place(index);
    },
    putBack(index) {
      for (const one of all) one.putBack(index);
    },
  };
}

/** Append-lists: append, list, delete. States are the prefixes of all lists that were read. */
export function listModel(operations: readonly Operation[]): Model {
  const trie = createListTrie();
  const nodes = addLists(trie, operations);
  const appends = new Map<string | null, number>();
  for (const { f, value, end } of operations) {
    if (f === "append" && end.kind !== "fail") appends.set(value, (appends.get(value) ?? 0) + 1);
  }
  const steps = operations.flatMap((operation): readonly Step[] => {
    const { f, value, end } = operation;
    const element = f === "append" ? trie.element(value ?? "") : undefined;
    const isUnread = f === "append" && element === undefined;
    if (end.kind === "fail" || (end.kind === "info" && (f === "list" || isUnread))) return [];
    const isSole = f === "append" && appends.get(value) === 1;
    const state = nodes.get(operation);
    return [
      {
        operation,
        invokedAt: operation.invokedAt,
        endedAt: effectiveEnd(operation, isSole ? element?.firstSeen : undefined),
        isRead: f === "list",
        isMute: isUnread,
        isReset: f === "delete",
        needs: state ?? ANY,
        argument: state ?? element?.id ?? UNSEEN,
      },
    ];
  });
  const isSole = trie.elements().map((text) => appends.get(text) === 1);
  return {
    steps,
    initial: 0,
    next(state, step) {
      if (step.isRead) return step.needs === state ? state : NOWHERE;
      if (step.isReset) return 0;
      const child = trie.child(state, step.argument);
      // Somebody saw the element, and nobody else appends it: here he could not.
      return child === UNSEEN && isSole[step.argument] === true ? NOWHERE : child;
    },
    serves: () => false,
    ...listDeadEnds(steps, trie, isSole),
  };
}

function addLists(
  trie: ListTrie,
  operations: readonly Operation[],
): ReadonlyMap<Operation, number> {
  const reads = operations.flatMap((operation) =>
    operation.f === "list" && operation.end.kind === "ok"
      ? [{ operation, endedAt: operation.end.at }]
      : [],
  );
  // The earliest end first, so that a node is made by the first read that saw it.
  reads.sort((left, right) => left.endedAt - right.endedAt);
  return new Map(
    reads.map(({ operation, endedAt }) => [operation, trie.add(listValue(operation), endedAt)]),
  );
}

/**
 * A list that was left comes back by a delete alone, in time for the first read that waits for it; and where its first element was
 * appended only once, never.
 */
function listDeadEnds(
  steps: readonly Step[],
  trie: ListTrie,
  isSole: readonly boolean[],
): Pick<Model, "place" | "putBack" | "isDeadEnd"> {
  const endOf = ({ endedAt }: Step): number => endedAt;
  const here = createPending(steps, needOf, endOf);
  const anywhere = createPending(steps, ({ isRead }) => (isRead ? 0 : UNSEEN), endOf);
  const below = createPending(steps, (step) => trie.rootOf(needOf(step)), endOf);
  const deletes = createPending(
    steps,
    ({ isReset }) => (isReset ? 0 : UNSEEN),
    ({ invokedAt }) => invokedAt,
  );
  return {
    ...together([here, anywhere, below, deletes]),
    isDeadEnd(from, to) {
      if (from === to) return false;
      const root = trie.rootOf(from);
      const isLast = root > 0 && isSole[trie.elementAt(root)] === true;
      if (to <= 0 && isLast && below.smallest(root) !== Number.POSITIVE_INFINITY) return true;
      if (to === 0) return false;
      const lost = here.smallest(from);
      if (isLast && lost !== Number.POSITIVE_INFINITY) return true;
      return deletes.smallest(0) > (to === UNSEEN ? anywhere.smallest(0) : lost);
    },
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

/** Values that an operation certainly saw, with the end of the first that did. A successful cas saw what it expected. */
function valuesSeen(operations: readonly Operation[]): ReadonlyMap<string | null, Micros> {
  const first = new Map<string | null, Micros>();
  for (const operation of operations) {
    const { f, end } = operation;
    if (end.kind !== "ok" || (f !== "read" && f !== "cas")) continue;
    const value = f === "read" ? registerValue(operation) : operation.expected;
    const known = first.get(value);
    if (known === undefined || end.at < known) first.set(value, end.at);
  }
  return first;
}

/** With what may have been seen: an unfinished cas whose own value was seen may have found what it expected. */
function observedValues(
  operations: readonly Operation[],
  firstSeen: ReadonlyMap<string | null, Micros>,
): ReadonlySet<string | null> {
  const observed = new Set(firstSeen.keys());
  const unfinished = operations.filter(({ f, end }) => f === "cas" && end.kind === "info");
  for (let size = -1; size !== observed.size; ) {
    size = observed.size;
    for (const { value, expected } of unfinished) {
      if (value !== expected && observed.has(value)) observed.add(expected);
    }
  }
  return observed;
}

function mayHaveHappened(operation: Operation, observed: ReadonlySet<string | null>): boolean {
  const { f, value, expected, end } = operation;
  if (end.kind !== "info") return end.kind === "ok";
  return f !== "read" && observed.has(value) && (f !== "cas" || value !== expected);
}

/** `firstSeen`: end of the first operation that saw what this one alone wrote. */
function effectiveEnd({ end, invokedAt }: Operation, firstSeen: Micros | undefined): Micros {
  const known = end.kind === "ok" ? end.at : Number.POSITIVE_INFINITY;
  return firstSeen === undefined ? known : Math.min(known, Math.max(firstSeen, invokedAt));
}
