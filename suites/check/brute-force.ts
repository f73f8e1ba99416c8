/**
 * Linearizability by definition: tries every subset of the unfinished operations and every order. Shares no code with the checker.
 * For a handful of operations on one key.
 */
import type { HistoryLine } from "../../harness/record/types.ts";

interface Call {
  readonly f: string;
  readonly value: string | null;
  readonly expected: string | null;
  readonly begin: number;
  readonly end: number;
  readonly result: string | null;
}

export function isLinearizable(lines: readonly HistoryLine[]): boolean {
  const { definite, unfinished } = callsOf(lines);
  return subsets(unfinished).some((chosen) => hasOrder([...definite, ...chosen], []));
}

function callsOf(lines: readonly HistoryLine[]): { definite: Call[]; unfinished: Call[] } {
  const definite: Call[] = [];
  const unfinished: Call[] = [];
  for (const line of lines) {
    if (line.type !== "invoke") continue;
    const end = lines.find(
      (other) => other.type !== "invoke" && "op" in other && other.op === line.op,
    );
    const { f, value, expected = null, at } = line;
    const call = { f, value, expected, begin: at };
    if (end?.type === "ok") {
      definite.push({ ...call, end: end.at, result: resultOf(line.f, end.value) });
    } else if (end?.type !== "fail") {
      unfinished.push({ ...call, end: Number.POSITIVE_INFINITY, result: null });
    }
  }
  return { definite, unfinished };
}

function hasOrder(left: readonly Call[], done: readonly Call[]): boolean {
  if (left.length === 0) return isValid(done);
  return left.some((call) => {
    const others = left.filter((other) => other !== call);
    return !others.some((other) => other.end < call.begin) && hasOrder(others, [...done, call]);
  });
}

function isValid(order: readonly Call[]): boolean {
  let register: string | null = null;
  let list: string[] = [];
  for (const { f, value, expected, end, result } of order) {
    if (f === "cas" && register !== expected) return false;
    if (f === "write" || f === "cas") register = value;
    if (f === "append") list.push(value ?? "");
    if (f === "delete") {
      register = null;
      list = [];
    }
    // A read without an end returned nothing to anybody.
    if (end === Number.POSITIVE_INFINITY) continue;
    if (f === "read" && result !== resultOf(f, register)) return false;
    if (f === "list" && result !== resultOf(f, list)) return false;
  }
  return true;
}

function resultOf(f: string, value: string | null | readonly string[]): string {
  return JSON.stringify(f === "list" ? (value ?? []) : value);
}

function subsets(calls: readonly Call[]): readonly (readonly Call[])[] {
  const [first, ...rest] = calls;
  if (first === undefined) return [[]];
  return subsets(rest).flatMap((chosen) => [chosen, [first, ...chosen]]);
}
