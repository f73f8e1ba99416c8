/** What clients saw, as events: operations that failed or that nobody knows the end of, phases, and how long the probe went unanswered. */
import { phaseStart } from "../../harness/check/operations.ts";
import type { HistoryEvent, HistoryLine, Micros } from "../../harness/record/types.ts";
import { ms } from "./recorded.ts";
import type { Told } from "./words.ts";

export interface HistoryEntry extends Told {
  readonly at: Micros;
  /** In `history.ndjson`, from 1. */
  readonly line: number;
  readonly what: "phase" | "lag" | "fail" | "info" | "unfinished" | "interrupted" | "served-again";
  /** Switch of the client's site; null: there is one, or it is about none. */
  readonly site: string | null;
}

/** As in the verdict's other gaps: an interruption is so many times longer than the longest gap of the calm phase. */
const GAP_FACTOR = 5;
/** Where there was no calm phase to measure. Unit: microseconds. */
const GAP_DEFAULT = 100_000;

type Invoke = Extract<HistoryEvent, { type: "invoke" }>;

interface Numbered<Line> {
  readonly line: number;
  readonly value: Line;
}

/**
 * In any order.
 *
 * @param until the end of the fault phase: after it clients are kept waiting on purpose. Infinity: the record does not have it
 */
export function historyEntries(
  lines: readonly HistoryLine[],
  until: Micros,
): readonly HistoryEntry[] {
  return [...lineEntries(lines), ...probeEntries(lines, until)];
}

/** Operations that went well, for which there is no entry. */
export function countOk(lines: readonly HistoryLine[]): number {
  return lines.reduce((count, { type }) => (type === "ok" ? count + 1 : count), 0);
}

function lineEntries(lines: readonly HistoryLine[]): readonly HistoryEntry[] {
  const open = new Map<number, Numbered<Invoke>>();
  const entries: HistoryEntry[] = [];
  for (const [index, value] of lines.entries()) {
    const line = index + 1;
    if (value.type === "invoke") open.set(value.op, { line, value });
    if (value.type === "header" || value.type === "invoke") continue;
    const { at } = value;
    if (value.type === "phase") {
      const text = `clients: phase ${value.phase}`;
      entries.push({ at, line, what: "phase", site: null, text, mark: null });
    } else if (value.type === "lag") {
      const text = `clients: event loop late by ${ms(value.lagUs)} ms`;
      entries.push({ at, line, what: "lag", site: null, text, mark: null });
    } else {
      const invoke = open.get(value.op)?.value;
      open.delete(value.op);
      if (value.type === "ok") continue;
      const { type: what, error } = value;
      const after = invoke === undefined ? "" : ` after ${ms(at - invoke.at)} ms`;
      const operation = nameOfOperation(invoke, value);
      const text = `${operation}: ${what}, ${error}${after}, client ${value.process}`;
      entries.push({ at, line, what, site: invoke?.site ?? null, text, mark: "trouble" });
    }
  }
  for (const { line, value } of open.values()) {
    const text = `${nameOfOperation(value, value)}: no end in the record, client ${value.process}`;
    const { at, site = null } = value;
    entries.push({ at, line, what: "unfinished", site, text, mark: "trouble" });
  }
  return entries;
}

function nameOfOperation(invoke: Invoke | undefined, { op }: { readonly op: number }): string {
  return invoke === undefined ? `operation ${op}` : `${invoke.role} ${invoke.f} ${invoke.key}`;
}

interface Acks {
  /** Acknowledged writes of the probe, in the order of their ends. */
  readonly acks: Numbered<{ readonly at: Micros }>[];
  /** Its last begin of one. */
  lastAt: Micros;
}

/** Of mere acknowledgements; the verdict counts those alone that were read back. */
function probeEntries(lines: readonly HistoryLine[], until: Micros): readonly HistoryEntry[] {
  const [calm, fault] = [phaseStart(lines, "calm"), phaseStart(lines, "fault")];
  return [...probesIn(lines)].flatMap(([site, { acks, lastAt }]) => {
    const isCalm = (at: Micros): boolean => calm !== null && at >= calm && at < (fault ?? lastAt);
    const gaps = acks.flatMap((from, index) => {
      const to = acks[index + 1];
      return to === undefined ? [] : [{ from, to, span: to.value.at - from.value.at }];
    });
    const longest = gaps
      .filter(({ from, to }) => isCalm(from.value.at) && isCalm(to.value.at))
      .reduce((most, { span }) => Math.max(most, span), 0);
    const limit = longest === 0 ? GAP_DEFAULT : GAP_FACTOR * longest;
    const whose = site === null ? "probe" : `probe of ${site}`;
    const entries = gaps
      .filter(({ to, span }) => span > limit && to.value.at <= until)
      .flatMap(({ from, to, span }): readonly HistoryEntry[] => [
        lastAck(from, { site, text: `${whose}: last ok, none for ${ms(span)} ms` }),
        {
          ...{ at: to.value.at, line: to.line, what: "served-again", site, mark: null },
          text: `${whose}: ok again after ${ms(span)} ms`,
        },
      ]);
    const last = acks.findLast(({ value }) => value.at <= until);
    const end = Math.min(until, lastAt);
    if (last === undefined || end - last.value.at <= limit) return entries;
    const text = `${whose}: last ok, none until ${ms(end)}`;
    return [...entries, lastAck(last, { site, text })];
  });
}

function lastAck(
  { line, value }: Numbered<{ readonly at: Micros }>,
  { site, text }: { readonly site: string | null; readonly text: string },
): HistoryEntry {
  return { at: value.at, line, what: "interrupted", site, text, mark: "trouble" };
}

function probesIn(lines: readonly HistoryLine[]): ReadonlyMap<string | null, Acks> {
  const probes = new Map<string | null, Acks>();
  const sites = new Map<number, string | null>();
  for (const [index, value] of lines.entries()) {
    if (value.type === "invoke" && value.role === "probe" && value.f === "write") {
      const site = value.site ?? null;
      const known = probes.get(site) ?? { acks: [], lastAt: 0 };
      known.lastAt = value.at;
      probes.set(site, known);
      sites.set(value.op, site);
    } else if (value.type === "ok" && sites.has(value.op)) {
      const probe = probes.get(sites.get(value.op) ?? null);
      probe?.acks.push({ line: index + 1, value });
    }
  }
  for (const { acks } of probes.values()) acks.sort((one, two) => one.value.at - two.value.at);
  return probes;
}
