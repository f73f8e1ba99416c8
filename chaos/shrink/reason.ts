/** Why a run failed, in words that stay the same where instants and figures do not: two runs with equal reasons show one mistake. */
import type { CheckResult } from "../../harness/record/types.ts";

const BROKEN_RULE = /^(.+?) at \d+\.\d{3} ms: /;
const ENDED_ITSELF = /^\S+ ended itself at /;

/** Names of the checks that failed, each once, in order; of `invariants` also the rule. Empty: none failed. What is only unknown does not count. */
export function reasonOf(
  checks: readonly Pick<CheckResult, "name" | "verdict" | "why">[],
): readonly string[] {
  const failed = checks.filter(({ verdict }) => verdict === "fail");
  return [...new Set(failed.map(wordOf))].sort();
}

export function isSameReason(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((word, index) => word === right[index]);
}

function wordOf({ name, why }: Pick<CheckResult, "name" | "why">): string {
  if (name !== "invariants") return name;
  const rule =
    BROKEN_RULE.exec(why)?.[1] ?? (ENDED_ITSELF.test(why) ? "a process ended itself" : "");
  return rule === "" ? name : `${name}: ${rule}`;
}
