/** When which host had the right to go on alone by its durable page; two hosts at once are a split brain. */
import type { Micros, RunEvent } from "../record/types.ts";
import { nameOf, numberField, textField } from "./events.ts";

/** A generation that one host held alone. */
export interface SolePeriod {
  readonly host: string;
  readonly gen: string;
  readonly n: number;
  /** When the page became durable. */
  readonly from: Micros;
  /** When another right became durable; Infinity: it did not. A dead host keeps what its disk says. */
  readonly until: Micros;
  /** It ended because the host gave its copy up, for another host's; else it was made whole, or goes on. */
  readonly isGivenUp: boolean;
}

/** Two hosts that were alone at once, neither knowing of the other. */
export interface Split {
  /** Both hosts' periods, in the order of the hosts' names. */
  readonly sides: readonly [SolePeriod, SolePeriod];
  /** When the first of both went on alone: up to here there was one history. */
  readonly from: Micros;
}

/** In the order of their begins. */
export function solePeriods(events: readonly RunEvent[]): readonly SolePeriod[] {
  const open = new Map<string, SolePeriod>();
  const closed: SolePeriod[] = [];
  for (const event of events) {
    const host = event.what === "page" ? nameOf(event.source, "host") : null;
    if (host === null) continue;
    const known = open.get(host);
    const isSole = event["right"] === "sole";
    if (known !== undefined && !(isSole && event["gen"] === known.gen)) {
      const isGivenUp = event["right"] === "ceded" || event["right"] === "none";
      closed.push({ ...known, until: event.at, isGivenUp });
      open.delete(host);
    }
    if (!isSole || open.has(host)) continue;
    const [gen, n] = [textField(event, "gen"), numberField(event, "n")];
    const unended = { until: Number.POSITIVE_INFINITY, isGivenUp: false };
    open.set(host, { host, gen, n, from: event.at, ...unended });
  }
  return [...closed, ...open.values()].sort((left, right) => left.from - right.from);
}

/** The first one; null: there was none. */
export function findSplit(periods: readonly SolePeriod[]): Split | null {
  for (const [index, later] of periods.entries()) {
    const earlier = periods.slice(0, index).find((one) => areSplit(one, later));
    if (earlier === undefined) continue;
    const sides = earlier.host < later.host ? [earlier, later] : [later, earlier];
    const [left = earlier, right = later] = sides;
    return { sides: [left, right], from: earlier.from };
  }
  return null;
}

export function areSplit(one: SolePeriod, other: SolePeriod): boolean {
  if (one.host === other.host || one.gen === other.gen) return false;
  return one.from < other.until && other.from < one.until;
}
