/**
 * Parts a history where the pair parted. Up to the split there is one history; from then on each side goes on from it with the operations
 * that its own host served, and knows nothing of the other's. Which host served an operation shows in which one the client's switch followed.
 *
 * An operation under way when the pair parted is its own side's; on the other side it may have happened or not: its write may lie on that
 * disk already, but nobody there was told.
 */
import type { CheckResult, Micros, RunEvent } from "../record/types.ts";
import { nameOf } from "./events.ts";
import type { Operation } from "./operations.ts";
import type { SolePeriod, Split } from "./sole-periods.ts";

/** One side of a split, as its clients saw it. */
export interface SplitSide {
  readonly host: string;
  /** Its host gave its copy up for the other side's. */
  readonly isGivenUp: boolean;
  /** Every operation that this side knows of, in the order of their begins. */
  readonly operations: readonly Operation[];
  /** Acknowledged writes, appends, cas and deletes that this host alone served, since the pair parted. */
  readonly acknowledged: readonly Operation[];
}

export function splitSides(
  operations: readonly Operation[],
  events: readonly RunEvent[],
  split: Split,
): readonly [SplitSide, SplitSide] {
  const hostOf = servingHost(operations, events);
  const served = operations.map((operation) => {
    return { operation, host: lineageOf(hostOf(operation), operation, split) };
  });
  const sideOf = (own: SolePeriod, other: SolePeriod): SplitSide => {
    const view = served.flatMap(({ operation, host }): readonly Operation[] => {
      if (isCommon(operation, split.from) || host === own.host) return [operation];
      const isForeign = host === other.host && operation.invokedAt > split.from;
      return isForeign ? [] : doubted(operation);
    });
    const acknowledged = served.flatMap(({ operation, host }) => {
      const isOwn = host === own.host && operation.invokedAt > split.from;
      return isOwn && operation.end.kind === "ok" && isChange(operation) ? [operation] : [];
    });
    const { host, isGivenUp } = own;
    return { host, isGivenUp, operations: view, acknowledged };
  };
  const [left, right] = split.sides;
  return [sideOf(left, right), sideOf(right, left)];
}

/** A host that gave its side up holds the other side's history from then on, and may serve it. */
function lineageOf(
  host: string | null,
  { invokedAt }: Operation,
  { sides: [left, right] }: Split,
): string | null {
  const hasJoined = ({ host: own, isGivenUp, until }: SolePeriod): boolean =>
    own === host && isGivenUp && invokedAt >= until;
  if (hasJoined(left)) return right.host;
  return hasJoined(right) ? left.host : host;
}

/** One answer for both sides: the worst of them, with what each said. */
export function joinSides(
  name: string,
  sides: readonly { readonly host: string; readonly check: CheckResult }[],
): CheckResult {
  const why = sides.map(({ host, check }) => `side ${host}: ${check.why}`).join("; ");
  const verdicts = sides.map(({ check }) => check.verdict);
  const worst = (["fail", "unknown"] as const).find((verdict) => verdicts.includes(verdict));
  return { name, verdict: worst ?? (sides.length === 0 ? "unknown" : "pass"), why };
}

/** It was over before the pair parted. */
function isCommon({ end }: Operation, from: Micros): boolean {
  return end.kind === "fail" || (end.kind === "ok" && end.at <= from);
}

/** As somebody knows it who was never told how it ended. */
function doubted(operation: Operation): readonly Operation[] {
  return isChange(operation) ? [{ ...operation, end: { kind: "info" } }] : [];
}

function isChange({ f }: Operation): boolean {
  return f === "write" || f === "append" || f === "cas" || f === "delete";
}

/** The host that the operation's switch followed when it began; null: none, or the switch said nothing of it. */
function servingHost(
  operations: readonly Operation[],
  events: readonly RunEvent[],
): (operation: Operation) => string | null {
  const followed = new Map<string, { readonly at: Micros; readonly host: string }[]>();
  for (const event of events) {
    const name = nameOf(event.source, "switch");
    const { what, state, host } = event;
    if (name === null || what !== "announce" || state !== "accepted") continue;
    const known = followed.get(name) ?? [];
    known.push({ at: event.at, host: String(host) });
    followed.set(name, known);
  }
  for (const known of followed.values()) known.sort((left, right) => left.at - right.at);
  const switchOf = siteSwitches(operations, [...followed.keys()].sort());
  return ({ site, invokedAt }) => {
    const known = followed.get(switchOf(site) ?? "") ?? [];
    return known.findLast(({ at }) => at <= invokedAt)?.host ?? null;
  };
}

/** A site is named by its switch; where it has another name, sites and switches belong together in the order of their names. */
function siteSwitches(
  operations: readonly Operation[],
  switches: readonly string[],
): (site: string | null) => string | undefined {
  const sites = new Set(operations.flatMap(({ site }) => site ?? []));
  const byOrder = [...sites].sort();
  return (site) => {
    if (site === null) return switches[0];
    return switches.includes(site) ? site : switches[byOrder.indexOf(site)];
  };
}
