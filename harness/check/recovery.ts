/**
 * Recovery time on *durable* acks: an OK to the probe whose write was still there when it was read back. The longest silence between such
 * acks is the interruption; the longest gap between mere OKs would hide a system that acknowledges what it then forgets.
 */
import type { CheckResult, HistoryLine, Micros, Recovery, RunEvent } from "../record/types.ts";
import { type FaultInstant, faultsOf } from "./events.ts";
import { type Operation, phaseStart } from "./operations.ts";
import { type AcknowledgedWrite, judgeWrites } from "./read-back.ts";
import { type Gap, redundantAfter, stagesOf, UNSEEN_STAGES } from "./recovery-stages.ts";

export interface RecoveryOptions {
  /** End of the window that is looked at. Null: not reached, the window ends with the probe's last slot. */
  readonly convergedAt: Micros | null;
  /** Period of the probe's timetable. Unit: microseconds. Default 2,000. */
  readonly probePeriodUs?: number;
  /** The plan's faults are inside the budget, so the service must come back. Default true. */
  readonly isServiceOwed?: boolean;
}

export interface RecoveryFigures {
  readonly check: CheckResult;
  /** One entry per injected fault and site with a probe, in the order of the faults' instants. */
  readonly recovery: readonly Recovery[];
  /** Share of the probe's slots, from the first fault instant to the end of the fault phase, that were served within the deadline. */
  readonly availability: number | null;
  readonly durableAcks: number;
}

/** A worse resolution makes the figure unknown. Unit: milliseconds. */
const RESOLUTION_MAX = 25;
/** Served later is not served. Unit: microseconds. */
const PROBE_DEADLINE = 2_000_000;
/** Another gap is listed when it is longer than so many times the longest one of the calm phase. */
const GAP_FACTOR = 5;
/** A lag line reports the worst gap of the last 100 ms before it. Unit: microseconds. */
const LAG_REPORTED_WITHIN = 100_000;

export function checkRecovery(
  record: {
    readonly lines: readonly HistoryLine[];
    readonly operations: readonly Operation[];
    readonly events: readonly RunEvent[];
    /** What became of the acknowledged writes. Default: judged from the operations. */
    readonly writes?: readonly AcknowledgedWrite[];
  },
  options: RecoveryOptions,
): RecoveryFigures {
  const { lines, operations, events } = record;
  const faults = faultsOf(events);
  const probes = probesOf(operations, record.writes ?? judgeWrites(operations));
  const period = options.probePeriodUs ?? 2_000;
  const faultPhaseEnd = phaseStart(lines, "final-reads") ?? lastInstant(lines);
  const recovery = faults.flatMap((fault, index) => {
    const before = faults[index + 1]?.at ?? Number.POSITIVE_INFINITY;
    return probes.map(({ site, acks, lastAt }): Recovery => {
      const until = Math.min(options.convergedAt ?? Number.POSITIVE_INFINITY, lastAt);
      const entry = recoverFrom(fault, {
        gaps: gapsIn(acks, { after: fault.at, before, until }),
        openUs: openGap(acks, { before, until }),
        calmLongest: Math.max(longestCalmGap(acks, lines), period),
        period,
        lines,
        events,
      });
      return site === null ? entry : { ...entry, site };
    });
  });
  const availability = availabilityOf(operations, faults[0]?.at ?? null, faultPhaseEnd);
  const durableAcks = probes.reduce((sum, { acks }) => sum + acks.length, 0);
  const check = summarize({ recovery, availability, acks: durableAcks, options });
  return { check, recovery, availability, durableAcks };
}

/** The probe of one site. */
interface SiteProbe {
  /** Null where there is only one. */
  readonly site: string | null;
  /** Durable ones, in order. */
  readonly acks: readonly Micros[];
  /** When its timetable ended. */
  readonly lastAt: Micros;
}

/** At least one, in the order of their sites. */
function probesOf(
  operations: readonly Operation[],
  writes: readonly AcknowledgedWrite[],
): readonly SiteProbe[] {
  const probing = operations.filter(({ role }) => role === "probe");
  const sites = [...new Set(probing.map(({ site }) => site))].sort((left, right) =>
    (left ?? "") < (right ?? "") ? -1 : 1,
  );
  const kept = writes.filter(
    ({ operation, judgement }) => operation.role === "probe" && judgement.kind === "kept",
  );
  return (sites.length === 0 ? [null] : sites).map((site) => ({
    site,
    acks: kept
      .filter(({ operation }) => operation.site === site)
      .map(({ ackedAt }) => ackedAt)
      .sort((left, right) => left - right),
    lastAt: lastProbe(probing.filter((operation) => operation.site === site)),
  }));
}

/** A gap belongs to every fault that it touches: it ends after the fault and begins before the next one. */
function gapsIn(
  acks: readonly Micros[],
  window: { readonly after: Micros; readonly before: Micros; readonly until: Micros },
): readonly Gap[] {
  const gaps: Gap[] = [];
  for (let index = 1; index < acks.length; index += 1) {
    const from = acks[index - 1] ?? 0;
    const to = acks[index] ?? 0;
    if (to > window.after && to <= window.until && from < window.before) gaps.push({ from, to });
  }
  return gaps;
}

/**
 * Silence from the last durable ack to the end of the window. A service that never came back leaves no gap with an end: only this shows it.
 * 0 when that ack came after the next fault. Unit: microseconds.
 */
function openGap(
  acks: readonly Micros[],
  window: { readonly before: Micros; readonly until: Micros },
): number {
  const last = acks.filter((ack) => ack <= window.until).at(-1);
  return last === undefined || last >= window.before ? 0 : window.until - last;
}

function longestOf(gaps: readonly Gap[]): Gap | null {
  return gaps.reduce<Gap | null>(
    (best, gap) => (best === null || lengthOf(gap) > lengthOf(best) ? gap : best),
    null,
  );
}

function longestCalmGap(acks: readonly Micros[], lines: readonly HistoryLine[]): number {
  const from = phaseStart(lines, "calm") ?? 0;
  const to = phaseStart(lines, "fault") ?? from;
  const calm = acks.filter((ack) => ack >= from && ack < to);
  return calm.reduce((longest, ack, index) => Math.max(longest, ack - (calm[index - 1] ?? ack)), 0);
}

function recoverFrom(
  fault: FaultInstant,
  seen: {
    readonly gaps: readonly Gap[];
    readonly openUs: number;
    readonly calmLongest: number;
    readonly period: number;
    readonly lines: readonly HistoryLine[];
    readonly events: readonly RunEvent[];
  },
): Recovery {
  const named = { fault: fault.fault, target: fault.target };
  const redundantMs = redundantAfter(fault, seen.events);
  const longest = longestOf(seen.gaps);
  const isServed = seen.openUs <= GAP_FACTOR * seen.calmLongest;
  if (longest === null || (!isServed && seen.openUs > lengthOf(longest))) {
    const unknown = { interruptionMs: null, measuredMs: null, resolutionMs: null };
    return { ...named, ...unknown, stages: UNSEEN_STAGES, redundantMs, otherGaps: [] };
  }
  const measuredMs = lengthOf(longest) / 1_000;
  const resolutionMs = Math.max(seen.period, worstLag(longest, seen.lines)) / 1_000;
  return {
    ...named,
    interruptionMs: resolutionMs > RESOLUTION_MAX ? null : measuredMs,
    measuredMs,
    resolutionMs,
    stages: stagesOf(longest, fault, seen.events),
    redundantMs,
    otherGaps: seen.gaps
      .filter((gap) => gap !== longest && lengthOf(gap) > GAP_FACTOR * seen.calmLongest)
      .map((gap) => ({ atMs: gap.from / 1_000, gapMs: lengthOf(gap) / 1_000 })),
  };
}

function worstLag(gap: Gap, lines: readonly HistoryLine[]): number {
  let worst = 0;
  for (const line of lines) {
    if (line.type !== "lag" || line.at < gap.from || line.at > gap.to + LAG_REPORTED_WITHIN)
      continue;
    worst = Math.max(worst, line.lagUs);
  }
  return worst;
}

function availabilityOf(
  operations: readonly Operation[],
  from: Micros | null,
  to: Micros,
): number | null {
  if (from === null) return null;
  let slots = 0;
  let served = 0;
  for (const { role, invokedAt, end } of operations) {
    if (role !== "probe" || invokedAt < from || invokedAt > to) continue;
    slots += 1;
    if (end.kind === "ok" && end.at - invokedAt <= PROBE_DEADLINE) served += 1;
  }
  return slots === 0 ? null : served / slots;
}

function summarize(found: {
  readonly recovery: readonly Recovery[];
  readonly availability: number | null;
  readonly acks: number;
  readonly options: RecoveryOptions;
}): CheckResult {
  const name = "recovery";
  if (found.acks === 0) {
    return { name, verdict: "unknown", why: "the probe has no durable ack" };
  }
  if (found.recovery.length === 0) {
    return { name, verdict: "unknown", why: "no fault was injected" };
  }
  const described = found.recovery.map(describe).join("; ");
  const why = `${found.acks} durable acks: ${described}`;
  const isServed = found.recovery.every((entry) => entry.measuredMs !== null);
  if (!isServed && (found.options.isServiceOwed ?? true)) return { name, verdict: "fail", why };
  return { name, verdict: "pass", why };
}

function describe(entry: Recovery): string {
  const where = entry.site === undefined ? "" : `, clients of ${entry.site}`;
  const what = `${entry.fault} of ${entry.target}${where}`;
  if (entry.measuredMs === null) return `${what}: the service did not come back`;
  const figure = `${entry.measuredMs.toFixed(1)} ± ${(entry.resolutionMs ?? 0).toFixed(1)} ms`;
  const doubt =
    entry.interruptionMs === null ? " (unknown: the client was too late too often)" : "";
  return `${what}: interrupted for ${figure}${doubt}`;
}

/** When the probe's timetable ended. */
function lastProbe(operations: readonly Operation[]): Micros {
  return operations.reduce((last, { invokedAt }) => Math.max(last, invokedAt), 0);
}

function lengthOf(gap: Gap): number {
  return gap.to - gap.from;
}

function lastInstant(lines: readonly HistoryLine[]): Micros {
  return lines.reduce((last, line) => (line.type === "header" ? last : Math.max(last, line.at)), 0);
}
