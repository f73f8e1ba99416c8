/** Reads fields of events; what a field means stands in docs/record.md. */
import { HarnessError } from "../errors.ts";
import type { Micros, RunEvent } from "../record/types.ts";

/** @throws HarnessError BAD_RECORD when the field is no text */
export function textField(event: RunEvent, field: string): string {
  const value = event[field];
  if (typeof value !== "string") throw malformed(event, field, "a text");
  return value;
}

/** @throws HarnessError BAD_RECORD when the field is no finite number */
export function numberField(event: RunEvent, field: string): number {
  const value = event[field];
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw malformed(event, field, "a number");
  }
  return value;
}

/** Name of the process behind a source of this kind: `a` for `host a`; null for other kinds. */
export function nameOf(source: string, kind: "host" | "quorum" | "switch"): string | null {
  return source.startsWith(`${kind} `) ? source.slice(kind.length + 1) : null;
}

/** One injected fault. */
export interface FaultInstant {
  readonly fault: string;
  readonly target: string;
  /** Immediately before the injecting call. */
  readonly at: Micros;
}

/** Injected faults in the order of their instants. */
export function faultsOf(events: readonly RunEvent[]): readonly FaultInstant[] {
  return events
    .filter(
      (event) =>
        event.source === "harness" && event.what === "fault" && event["state"] === "injected",
    )
    .map((event) => ({
      fault: textField(event, "fault"),
      target: textField(event, "target"),
      at: numberField(event, "atInjectUs"),
    }))
    .sort((left, right) => left.at - right.at);
}

function malformed(event: RunEvent, field: string, expected: string): HarnessError {
  const value = event[field];
  const found = value === undefined ? "nothing" : JSON.stringify(value);
  const name = `event "${event.what}" of ${event.source} at ${event.at} µs`;
  return new HarnessError("BAD_RECORD", `${name}: "${field}" must be ${expected}, found ${found}`, {
    hint: "Compare the event with docs/record.md.",
  });
}
