/** What the checkers are given, from a run's record alone: a verdict can be reached again wherever the folder is. */
import { AUDIT, type AuditFigures, auditOf } from "../harness/check/audit-event.ts";
import { numberField, textField } from "../harness/check/events.ts";
import type { HistoryLine, Micros, RunEvent } from "../harness/record/types.ts";
import type { ProcessExit } from "../harness/rig/rig.ts";
import type { Proof } from "./faults/fault.ts";
import type { Plan } from "./plan/plan.ts";
import type { InjectedFault, MissedStep } from "./timeline.ts";

export interface Evidence {
  readonly plan: Plan;
  readonly lines: readonly HistoryLine[];
  readonly events: readonly RunEvent[];
  readonly exits: readonly ProcessExit[];
  readonly injected: readonly InjectedFault[];
  /** Null: every step was taken, or none. */
  readonly missed: MissedStep | null;
  /** Null: not before the deadline. */
  readonly convergedAt: Micros | null;
  /** At the end of the fault phase. Null: the run did not get there. */
  readonly audit: AuditFigures | null;
  /** After everything was healed and read back. Null: the run did not get there, or is of a release that did not look again. */
  readonly auditAtEnd: AuditFigures | null;
}

/** @throws HarnessError BAD_RECORD for an event without the fields it must have */
export function evidenceOf(
  plan: Plan,
  lines: readonly HistoryLine[],
  events: readonly RunEvent[],
): Evidence {
  const own = events.filter(({ source }) => source === "harness");
  const [audit, auditAtEnd] = own.filter(({ what }) => what === AUDIT);
  const converged = own.find(({ what }) => what === "converged");
  return {
    plan,
    lines,
    events,
    exits: exitsOf(events),
    injected: injectedIn(plan, own),
    missed: missedIn(plan, own),
    convergedAt: converged === undefined ? null : numberField(converged, "convergedAtUs"),
    audit: audit === undefined ? null : auditOf(audit),
    auditAtEnd: auditAtEnd === undefined ? null : auditOf(auditAtEnd),
  };
}

/** Processes that ended, in the order of their ends. */
export function exitsOf(events: readonly RunEvent[]): readonly ProcessExit[] {
  return events
    .filter(({ source, what }) => source === "harness" && what === "exit")
    .map((event) => ({
      process: textField(event, "process"),
      status: typeof event["status"] === "number" ? event["status"] : null,
      signal: typeof event["signal"] === "string" ? event["signal"] : null,
      expected: event["expected"] === true,
    }));
}

function injectedIn(plan: Plan, events: readonly RunEvent[]): readonly InjectedFault[] {
  const proofs = events.filter(({ what }) => what === "proof");
  return events
    .filter(({ what, state }) => what === "fault" && state === "injected")
    .flatMap((event): readonly InjectedFault[] => {
      const step = plan.steps[numberField(event, "step") - 1];
      const [fault, target] = [textField(event, "fault"), textField(event, "target")];
      const at = numberField(event, "atInjectUs");
      const proof = proofs.find(
        (one) => one["fault"] === fault && one["target"] === target && one["atInjectUs"] === at,
      );
      return step === undefined ? [] : [{ step, target, at, proof: proofOf(proof) }];
    });
}

function proofOf(event: RunEvent | undefined): Proof | null {
  if (event === undefined) return null;
  return { hasBitten: event["hasBitten"] === true, why: textField(event, "why") };
}

function missedIn(plan: Plan, events: readonly RunEvent[]): MissedStep | null {
  const event = events.find(({ what }) => what === "not-reached");
  if (event === undefined) return null;
  const number = numberField(event, "step");
  const step = plan.steps[number - 1];
  return step === undefined ? null : { number, step };
}
