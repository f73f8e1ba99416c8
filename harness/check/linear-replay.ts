/**
 * Most keys of a run are touched by one client at a time: they have one order, and carrying it out in it is all there is to do. The search
 * gives the same answer at twenty times the cost.
 */
import { listValue, registerValue } from "./linear-models.ts";
import type { Operation } from "./operations.ts";

/** True: the operations come one after the other and explain each other. False: only the search can tell. */
export function isPlainlyLinearizable(operations: readonly Operation[]): boolean {
  let register: string | null = null;
  let list: string[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const operation of operations) {
    const { f, end, invokedAt, value, expected } = operation;
    if (end.kind === "fail") continue;
    if (end.kind === "info" || invokedAt <= last) return false;
    last = end.at;
    switch (f) {
      case "write":
        register = value;
        break;
      case "cas":
        if (register !== expected) return false;
        register = value;
        break;
      case "append":
        list.push(value ?? "");
        break;
      case "delete":
        register = null;
        list = [];
        break;
      case "read":
        if (registerValue(operation) !== register) return false;
        break;
      case "list":
        if (!isSame(listValue(operation), list)) return false;
        break;
      case "ping":
        break;
      default:
        return unreachable(f);
    }
  }
  return true;
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((text, index) => text === right[index]);
}

function unreachable(value: never): never {
  throw new TypeError(`no such operation: ${JSON.stringify(value)}`);
}
