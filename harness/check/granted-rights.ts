/**
 * How long a grant of the quorum service forbids others to take in input. A host that cancelled its claim (P10) uses no grant that answers
 * it, and a host that started anew knows of none: once it has met its peer in a session again, the peer runs on by right, until both have
 * agreed on a new generation. The grant stands again when a later claim gets it once more, or when the host is seen to have used it after all.
 */
import type { Micros, RunEvent } from "../record/types.ts";
import { nameOf, numberField, textField } from "./events.ts";

/** Somebody was given the right to go on alone. */
export interface Right {
  readonly gen: string;
  readonly n: number;
  readonly host: string;
  readonly at: Micros;
  /** From here on it forbids nothing; Infinity: for ever. */
  readonly until: Micros;
  readonly how: "granted" | "persisted";
}

/** In the order of the events. */
export function grantedRights(events: readonly RunEvent[]): readonly Right[] {
  return events.flatMap((event): readonly Right[] => {
    if (nameOf(event.source, "quorum") === null || event.what !== "granted") return [];
    const right = {
      gen: textField(event, "gen"),
      n: numberField(event, "n"),
      host: textField(event, "holder"),
      at: event.at,
      until: Number.POSITIVE_INFINITY,
      how: "granted",
    } as const;
    return spansOf(right, events);
  });
}

function spansOf(right: Right, events: readonly RunEvent[]): readonly Right[] {
  const { host, gen } = right;
  const own = events.filter(
    ({ source, what, process }) =>
      source === `host ${host}` || (source === "harness" && what === "exit" && process === host),
  );
  const sentAt = own.findIndex((event) => isClaim(event, "sent") && event["gen"] === gen);
  const afterwards = sentAt < 0 ? [] : own.slice(sentAt + 1);
  const endAt = afterwards.findIndex(
    (event) => event.what === "exit" || (isClaim(event, "cancelled") && event["gen"] === gen),
  );
  const granted = afterwards.findIndex(
    (event) => isClaim(event, "granted") && event["gen"] === gen,
  );
  if (endAt < 0 || (granted >= 0 && granted < endAt)) return [right];
  const later = afterwards.slice(endAt + 1);
  const met = later.find(({ what, state }) => what === "session" && state === "open");
  const use = later.find(
    (event) =>
      event["gen"] === gen &&
      (isClaim(event, "granted") || (event.what === "page" && event["right"] === "sole")),
  );
  if (met === undefined) return [right];
  const first = { ...right, until: met.at };
  if (use === undefined) return [first];
  // A grant that no later claim asked for was taken all the same.
  const isAskedAgain = later.some((event) => isClaim(event, "sent") && event.at <= use.at);
  return isAskedAgain && use.what === "claim" ? [first, { ...right, at: use.at }] : [right];
}

function isClaim({ what, state }: RunEvent, wanted: string): boolean {
  return what === "claim" && state === wanted;
}
