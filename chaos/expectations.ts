/** What a scenario expects of the run beyond the checks: judged from the record, by what hosts said and clients measured. */
import { redundantAfter } from "../harness/check/recovery-stages.ts";
import type { CheckResult, Micros, Recovery, RunEvent } from "../harness/record/types.ts";
import type { Expectations } from "./plan/expectations-schema.ts";
import type { BedName } from "./plan/scenario.ts";

/** A fault of the run, in the order of the steps. */
export interface SeenFault {
  readonly target: string;
  readonly at: Micros;
}

export interface ExpectationInput {
  readonly bed: BedName;
  readonly expect: Expectations;
  readonly events: readonly RunEvent[];
  readonly faults: readonly SeenFault[];
  readonly recovery: readonly Recovery[];
}

type Found = Pick<CheckResult, "verdict" | "why">;

/** Empty: the scenario expects nothing. */
export function checkExpectations(input: ExpectationInput): readonly CheckResult[] {
  const { expect, faults } = input;
  if (Object.keys(expect).length === 0) return [];
  const name = "expectations";
  const [first] = faults;
  if (first === undefined) return [{ name, verdict: "unknown", why: "no fault was injected" }];
  const events = beforeTeardown(input.events);
  const later = events.filter(({ at }) => at >= first.at);
  const { boots, alone, interruptionMaxMs, resync } = expect;
  const { mustNotBoot = [], inResync = [] } = expect;
  const found: readonly Found[] = [
    ...(boots === undefined ? [] : [count("boots", bootsIn(events, first.at), boots)]),
    ...(alone === undefined ? [] : [count("hosts went on alone", aloneIn(later), alone)]),
    ...(interruptionMaxMs === undefined
      ? []
      : [judgeInterruption(input.recovery, interruptionMaxMs[input.bed])]),
    ...(resync === undefined ? [] : [judgeResync(later, resync)]),
    ...mustNotBoot.map((step) => judgeIdle(faults[step - 1], step, events)),
    ...inResync.map((step) => judgeInstant(faults[step - 1], step, events)),
  ];
  const worst = found.find(({ verdict }) => verdict === "fail") ?? found.find(isDoubtful);
  if (worst !== undefined) return [{ name, ...worst }];
  return [{ name, verdict: "pass", why: found.map(({ why }) => why).join("; ") }];
}

/** A host that the teardown kills a moment later than its peer goes on alone first. */
function beforeTeardown(events: readonly RunEvent[]): readonly RunEvent[] {
  const end = events.find(({ source, what }) => source === "harness" && what === "teardown");
  return end === undefined ? events : events.filter(({ at }) => at < end.at);
}

function isDoubtful({ verdict }: Found): boolean {
  return verdict !== "pass";
}

function count(
  what: string,
  found: number,
  expected: number | { readonly min: number; readonly max: number },
): Found {
  const { min, max } = typeof expected === "number" ? { min: expected, max: expected } : expected;
  const wanted = min === max ? `${min}` : `${min} to ${max}`;
  const why = `${found} ${what}, expected ${wanted}`;
  return { verdict: found >= min && found <= max ? "pass" : "fail", why };
}

/** Boots that nobody had announced before the first fault. */
function bootsIn(events: readonly RunEvent[], since: Micros): number {
  const boots = (isMeant: (at: Micros) => boolean): ReadonlySet<unknown> =>
    new Set(events.filter((it) => isAnnouncement(it) && isMeant(it.at)).map(({ boot }) => boot));
  const before = boots((at) => at < since);
  return [...boots((at) => at >= since)].filter((boot) => !before.has(boot)).length;
}

function isAnnouncement({ source, what, state }: RunEvent): boolean {
  return source.startsWith("host ") && what === "vm" && state === "announced";
}

function aloneIn(events: readonly RunEvent[]): number {
  const alone = events.filter((event) => event.what === "page" && event["right"] === "sole");
  return new Set(alone.map(({ source }) => source)).size;
}

function judgeInterruption(recovery: readonly Recovery[], limitMs: number): Found {
  const known = recovery.flatMap(({ interruptionMs }) => interruptionMs ?? []);
  const longest = Math.max(0, ...known);
  const unknown = recovery.length - known.length;
  const doubt = unknown === 0 ? "" : `, ${unknown} unknown`;
  const why = `longest interruption ${longest.toFixed(1)} ms of at most ${limitMs} ms${doubt}`;
  return { verdict: longest <= limitMs ? "pass" : "fail", why };
}

function judgeResync(events: readonly RunEvent[], kind: "delta" | "full"): Found {
  const done = events.filter((event) => event.what === "resync" && event["state"] === "done");
  if (done.length === 0) return { verdict: "fail", why: `no ${kind} resync ended` };
  const others = done.filter((event) => event["isFull"] !== (kind === "full"));
  const why = `${done.length} resyncs ended, ${done.length - others.length} of them ${kind}`;
  return { verdict: others.length === 0 ? "pass" : "fail", why };
}

/** The target of a step runs no VM from the fault instant until the pair is redundant again. */
function judgeIdle(fault: SeenFault | undefined, step: number, events: readonly RunEvent[]): Found {
  if (fault === undefined) return { verdict: "unknown", why: `step ${step} was not taken` };
  const { target, at } = fault;
  const spanMs = redundantAfter({ fault: "", target, at }, events);
  const until = spanMs === null ? Number.POSITIVE_INFINITY : at + spanMs * 1_000;
  const boot = events.find((event) => {
    const isInside = event.at >= at && event.at <= until && event.source === `host ${target}`;
    return isInside && event.what === "vm" && BOOTING.includes(String(event["state"]));
  });
  if (boot === undefined)
    return { verdict: "pass", why: `${target} booted nothing after step ${step}` };
  const when = (boot.at / 1_000).toFixed(3);
  const why = `${target} was ${String(boot["state"])} a VM at ${when} ms, and must not after step ${step}`;
  return { verdict: "fail", why };
}

/** A fault that was meant for a resync and missed it says nothing. */
function judgeInstant(
  fault: SeenFault | undefined,
  step: number,
  events: readonly RunEvent[],
): Found {
  if (fault === undefined) return { verdict: "unknown", why: `step ${step} was not taken` };
  const words = events.filter(({ at, what }) => what === "resync" && at <= fault.at);
  const last = words.toSorted((left, right) => left.at - right.at).at(-1);
  const state = last === undefined ? "not begun" : String(last["state"]);
  const isInside = state === "started" || state === "progress";
  const why = `the resync was ${state} at step ${step}`;
  return { verdict: isInside ? "pass" : "unknown", why };
}

const BOOTING = ["booting", "ready", "announced"];
