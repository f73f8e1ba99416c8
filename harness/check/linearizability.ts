/**
 * Linearizability, key by key: is there one order of a key's operations, each between its begin and its end, in which every read returns
 * what the writes before it left? `info` operations may take effect at any time after their begin, or never; `fail` ones never.
 * Keys do not influence each other, so a history is linearizable exactly when each of its keys is.
 */
import type { CheckResult, HistoryLine } from "../record/types.ts";
import { listModel, registerModel } from "./linear-models.ts";
import { explainList, explainRegister } from "./linear-reasons.ts";
import { isPlainlyLinearizable } from "./linear-replay.ts";
import { search } from "./linear-search.ts";
import type { Step } from "./linear-step.ts";
import { type Operation, operationsOf } from "./operations.ts";

export interface LinearizabilityOptions {
  /** Spent on all keys together; after that the keys left are `unknown`. Unit: milliseconds. Default 30,000. */
  readonly budgetMs?: number;
  /** Configurations visited per key; after that the key is `unknown`. Default 1,000,000 (some 2 s, at most 128 MiB). */
  readonly statesMax?: number;
  /** Clock of the budget. Unit: milliseconds. Default: the machine's monotonic clock. */
  readonly now?: () => number;
}

export interface LinearizabilityFigures {
  readonly check: CheckResult;
  /** Keys that were judged, and the operations on them. */
  readonly keys: number;
  readonly operations: number;
  /** The first ones, at most `VIOLATIONS_MAX`. */
  readonly violations: readonly { readonly key: string; readonly reason: string }[];
  /** Keys that ran out of budget or cannot be judged. */
  readonly undecided: readonly { readonly key: string; readonly reason: string }[];
}

/** After so many broken keys the rest tells nothing new. */
const VIOLATIONS_MAX = 5;

/** The check's answer on one key. */
type KeyAnswer =
  | { readonly kind: "linearizable" }
  | { readonly kind: "violation" | "undecided"; readonly reason: string };

/** @throws HarnessError BAD_RECORD for a history that is malformed */
export function checkLinearizability(
  lines: readonly HistoryLine[],
  options: LinearizabilityOptions = {},
): LinearizabilityFigures {
  return judgeLinearizability(operationsOf(lines), options);
}

export function judgeLinearizability(
  all: readonly Operation[],
  options: LinearizabilityOptions = {},
): LinearizabilityFigures {
  const now = options.now ?? (() => performance.now());
  const { budgetMs = 30_000, statesMax = 1_000_000 } = options;
  const budget = { now, budgetMs, statesMax, deadline: now() + budgetMs };
  const keys = operationsByKey(all);
  const violations: { key: string; reason: string }[] = [];
  const undecided: { key: string; reason: string }[] = [];
  let operations = 0;
  let judged = 0;
  for (const [key, ofKey] of keys) {
    if (violations.length === VIOLATIONS_MAX) break;
    operations += ofKey.length;
    judged += 1;
    const answer = judgeKey(ofKey, budget);
    if (answer.kind === "violation") violations.push({ key, reason: answer.reason });
    if (answer.kind === "undecided") undecided.push({ key, reason: answer.reason });
  }
  const figures = { keys: judged, operations, violations, undecided };
  return { check: summarize(figures), ...figures };
}

function operationsByKey(operations: readonly Operation[]): ReadonlyMap<string, Operation[]> {
  const keys = new Map<string, Operation[]>();
  for (const operation of operations) {
    if (operation.f === "ping") continue;
    const known = keys.get(operation.key);
    if (known === undefined) keys.set(operation.key, [operation]);
    else known.push(operation);
  }
  return keys;
}

interface Budget {
  readonly now: () => number;
  readonly budgetMs: number;
  readonly deadline: number;
  readonly statesMax: number;
}

function judgeKey(operations: readonly Operation[], budget: Budget): KeyAnswer {
  let isList = false;
  let isRegister = false;
  for (const { f } of operations) {
    if (f === "append" || f === "list") isList = true;
    else if (f !== "delete") isRegister = true;
  }
  if (isList && isRegister) {
    return { kind: "undecided", reason: "it is used as a register and as a list" };
  }
  if (isPlainlyLinearizable(operations)) return { kind: "linearizable" };
  if (budget.now() >= budget.deadline) {
    const reason = `the budget of ${budget.budgetMs} ms for all keys was spent before its turn`;
    return { kind: "undecided", reason };
  }
  const model = isList ? listModel(operations) : registerModel(operations);
  let states = 0;
  const result = search(model, () => {
    states += 1;
    // Asking the clock costs as much as a configuration.
    return states < budget.statesMax && (states % 256 !== 0 || budget.now() < budget.deadline);
  });
  switch (result.kind) {
    case "linearizable":
      return result;
    case "gave-up": {
      const spent = nameSpent(result.why === "memory", states, budget);
      const looked = `${states} configurations of its ${operations.length} operations`;
      return { kind: "undecided", reason: `${spent} was spent after ${looked}` };
    }
    case "violation": {
      const explain = isList ? explainList : explainRegister;
      return {
        kind: "violation",
        reason: explain(model.steps) ?? explainSearch(result.blocked, states),
      };
    }
    default:
      return unreachable(result);
  }
}

function nameSpent(isMemory: boolean, states: number, { budgetMs, statesMax }: Budget): string {
  if (isMemory) return "the memory for one key";
  if (states >= statesMax) return `the budget of ${statesMax} configurations for one key`;
  return `the budget of ${budgetMs} ms for all keys`;
}

function explainSearch(blocked: Step | null, states: number): string {
  const where =
    blocked === null
      ? ""
      : `; the furthest one stops at the ${blocked.operation.f} of operation ${blocked.operation.op}`;
  return `no order of its operations explains what the reads returned (${states} tried)${where}`;
}

function summarize(figures: Omit<LinearizabilityFigures, "check">): CheckResult {
  const name = "linearizability";
  const { keys, operations, violations, undecided } = figures;
  const looked = `${operations} operations on ${keys} keys`;
  const [violation] = violations;
  if (violation !== undefined) {
    const more = violations.length > 1 ? ` (and ${violations.length - 1} more keys)` : "";
    const why = `${looked}: key ${JSON.stringify(violation.key)}${more}: ${violation.reason}`;
    return { name, verdict: "fail", why };
  }
  const [first] = undecided;
  if (first !== undefined) {
    const more = undecided.length > 1 ? ` (and ${undecided.length - 1} more keys)` : "";
    const why = `${looked}: key ${JSON.stringify(first.key)}${more}: ${first.reason}`;
    return { name, verdict: "unknown", why };
  }
  if (operations === 0) return { name, verdict: "unknown", why: "no operation to judge" };
  return { name, verdict: "pass", why: `${looked}: every key has a valid order` };
}

function unreachable(value: never): never {
  throw new TypeError(`no such result: ${JSON.stringify(value)}`);
}
