/** Rules that the system under test broke by its own account, or by that of the simulator's step-by-step checks. */
import type { CheckResult, RunEvent } from "../record/types.ts";

/** Exit status of a process that ended itself because one of its rules did not hold. */
export const INVARIANT_STATUS = 10;

/** Exit status of a process whose disk failed. */
export const DISK_FAILED_STATUS = 11;

export interface InvariantOptions {
  /** Default `INVARIANT_STATUS`. */
  readonly status?: number;
}

export function checkInvariants(
  events: readonly RunEvent[],
  options: InvariantOptions = {},
): CheckResult {
  const name = "invariants";
  const status = options.status ?? INVARIANT_STATUS;
  const violations = events.flatMap((event): readonly string[] => {
    if (event.source === "invariant" && event.what === "violation") {
      return [`${text(event["name"])} at ${ms(event.at)} ms: ${text(event["detail"])}`];
    }
    if (event.what === "exit" && event["status"] === status) {
      return [`${text(event["process"])} ended itself at ${ms(event.at)} ms with status ${status}`];
    }
    return [];
  });
  const [first] = violations;
  if (first !== undefined) {
    const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
    return { name, verdict: "fail", why: `${first}${more}` };
  }
  if (events.length === 0) return { name, verdict: "unknown", why: "no event was recorded" };
  return { name, verdict: "pass", why: `no rule was reported broken in ${events.length} events` };
}

function text(value: unknown): string {
  if (value === undefined) return "?";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function ms(micros: number): string {
  return (micros / 1_000).toFixed(3);
}
