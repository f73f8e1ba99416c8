/** What the hosts' events say about one interruption: where its time went, and when the pair was redundant again. */
import type { Micros, RunEvent, Stages } from "../record/types.ts";
import { type FaultInstant, nameOf } from "./events.ts";

export const UNSEEN_STAGES: Stages = {
  detectMs: null,
  arbitrateMs: null,
  startMs: null,
  serveMs: null,
};

/** Neighbouring durable acks. */
export interface Gap {
  readonly from: Micros;
  readonly to: Micros;
}

/**
 * Consecutive spans that sum to the gap when all are seen: *detect* to the survivor's suspicion or claim, *arbitrate* to its durable right
 * to go on alone, *start* to its announcement of the VM, *serve* to the first durable ack. A stage is null when either of its marks is
 * unseen: a standby's death, for instance, starts nothing.
 */
export function stagesOf(gap: Gap, fault: FaultInstant, events: readonly RunEvent[]): Stages {
  const window = events
    .filter((event) => event.at >= Math.min(gap.from, fault.at) && event.at <= gap.to)
    .sort((left, right) => left.at - right.at);
  const survivor = survivorOf(gap, window);
  if (survivor === null) return UNSEEN_STAGES;
  const own = window.filter((event) => nameOf(event.source, "host") === survivor);
  const right = own.find((event) => event.what === "page" && event["right"] === "sole")?.at ?? null;
  const suspected = own.find(
    (event) => isSuspicion(event) && (right === null || event.at <= right),
  );
  const announced = own.find(
    (event) => isAnnouncement(event) && (right === null || event.at >= right),
  );
  const marks = clampMarks([suspected?.at ?? null, right, announced?.at ?? null], gap);
  const [detected, decided, started] = marks;
  return {
    detectMs: span(gap.from, detected),
    arbitrateMs: span(detected, decided),
    startMs: span(decided, started),
    serveMs: span(started, gap.to),
  };
}

/**
 * From the fault instant until the last word of both hosts is `duplex`, after at least one of them had said otherwise or ended. 0 when
 * neither ever did. Null: not duplex again. Unit: milliseconds.
 */
export function redundantAfter(fault: FaultInstant, events: readonly RunEvent[]): number | null {
  const sorted = [...events].sort((left, right) => left.at - right.at);
  const states = new Map<string, string | null>();
  const isDuplex = (): boolean =>
    states.size >= 2 && [...states.values()].every((state) => state === "duplex");
  let isLost = false;
  for (const event of sorted) {
    const changed = stateChange(event, states);
    if (changed === null) continue;
    states.set(changed.host, changed.state);
    if (event.at < fault.at) continue;
    if (changed.state !== "duplex") isLost = true;
    else if (isLost && isDuplex()) return (event.at - fault.at) / 1_000;
  }
  return !isLost && isDuplex() ? 0 : null;
}

function stateChange(
  event: RunEvent,
  known: ReadonlyMap<string, string | null>,
): { host: string; state: string | null } | null {
  const host = nameOf(event.source, "host");
  const derived = event["derived"];
  if (host !== null && event.what === "state" && typeof derived === "string") {
    return { host, state: derived };
  }
  const process = event["process"];
  if (event.what !== "exit" || typeof process !== "string") return null;
  const ended = nameOf(process, "host") ?? process;
  return known.has(ended) ? { host: ended, state: null } : null;
}

/** Who was first given the right to go on alone inside the window, else who announced the VM inside the gap. */
function survivorOf(gap: Gap, window: readonly RunEvent[]): string | null {
  const sole = window.find(
    (event) =>
      nameOf(event.source, "host") !== null && event.what === "page" && event["right"] === "sole",
  );
  const announced = window.find((event) => isAnnouncement(event) && event.at >= gap.from);
  const chosen = sole ?? announced;
  return chosen === undefined ? null : nameOf(chosen.source, "host");
}

function isSuspicion(event: RunEvent): boolean {
  return event.what === "suspect" || (event.what === "claim" && event["state"] === "sent");
}

function isAnnouncement(event: RunEvent): boolean {
  return (
    nameOf(event.source, "host") !== null && event.what === "vm" && event["state"] === "announced"
  );
}

type Marks = readonly [Micros | null, Micros | null, Micros | null];

/**
 * A mark before the gap is moved to its begin when the next one lies inside: acks under way may arrive after the survivor's first
 * suspicion. When the next one is not inside either, it belongs to something else.
 */
function clampMarks([first, second, third]: Marks, gap: Gap): Marks {
  const last = third !== null && third >= gap.from ? third : null;
  const middle = clampMark(second, last, gap);
  return [clampMark(first, middle, gap), middle, last];
}

function clampMark(mark: Micros | null, next: Micros | null, gap: Gap): Micros | null {
  if (mark === null || mark >= gap.from) return mark;
  return next === null ? null : gap.from;
}

function span(from: Micros | null | undefined, to: Micros | null | undefined): number | null {
  if (from === null || from === undefined || to === null || to === undefined) return null;
  return (to - from) / 1_000;
}
