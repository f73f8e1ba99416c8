/** What a step of a plan may wait for, looked at in what the hosts say. */
import type { Micros, RunEvent } from "../harness/record/types.ts";
import type { Rig } from "../harness/rig/rig.ts";
import { isPreElected, isRedundant, isServed } from "./converge.ts";
import type { Plan } from "./plan/plan.ts";
import type { PlanStep } from "./plan/steps.ts";

type When = NonNullable<PlanStep["when"]>;

export interface WaitContext {
  readonly rig: Rig;
  readonly topology: Plan["topology"];
  /** Instant of the step before, or of the end of the calm phase: what was said earlier does not count. */
  readonly since: Micros;
  /** Number of the step before; 0: none. */
  readonly stepBefore: number;
  isInjected(step: number): boolean;
  isHealed(step: number): boolean;
}

/** True once the step may go on; asked again and again, in the order of time. */
export function createCondition(when: When, context: WaitContext): () => boolean {
  const { rig, topology, since, stepBefore } = context;
  const saw = (matches: (event: RunEvent) => boolean): (() => boolean) =>
    createSighting(rig, (event) => event.at >= since && matches(event));
  const step = when.step ?? stepBefore;
  switch (when.after) {
    case "calm":
      return () => true;
    case "injected":
      return () => context.isInjected(step);
    case "healed":
      return () => context.isHealed(step);
    case "takeover":
      return saw(isAnnouncement);
    case "service":
      return () => isServed(rig.hosts());
    case "duplex": {
      // What a step before the last one has broken may still be so; what the last one has broken may not have been noticed.
      const wasWhole = isRedundant(rig.hosts(), topology);
      const isLost = saw(isLossOfDuplex);
      return () => (!wasWhole || isLost()) && isRedundant(rig.hosts(), topology);
    }
    case "pre-elected":
      return () => isPreElected(rig.hosts());
    case "resync": {
      const least = when.atPercent ?? 0;
      return saw((event) => isCopying(event, least));
    }
    case "host-dead":
      return () => rig.hosts().some(({ alive }) => !alive);
    case "split-brain":
      return () => rig.hosts().some(({ derived }) => derived === "split-brain");
    default:
      return unreachable(when.after);
  }
}

/** The system owes it, so waiting for it in vain is its failure and not the plan's. */
export function isOwed({ after }: When): boolean {
  return after === "service" || after === "duplex" || after === "pre-elected";
}

/** Looks at each event once. */
function createSighting(rig: Rig, matches: (event: RunEvent) => boolean): () => boolean {
  let looked = 0;
  let isSeen = false;
  return () => {
    const events = rig.events();
    for (; !isSeen && looked < events.length; looked += 1) {
      const event = events[looked];
      if (event !== undefined && matches(event)) isSeen = true;
    }
    return isSeen;
  };
}

function isOfHost({ source }: RunEvent): boolean {
  return source.startsWith("host ");
}

function isAnnouncement(event: RunEvent): boolean {
  return isOfHost(event) && event.what === "vm" && event["state"] === "announced";
}

function isLossOfDuplex(event: RunEvent): boolean {
  if (event.source === "harness") return event.what === "exit";
  return isOfHost(event) && event.what === "state" && event["derived"] !== "duplex";
}

function isCopying(event: RunEvent, leastPercent: number): boolean {
  if (!isOfHost(event) || event.what !== "resync") return false;
  const { state, percent } = event;
  if (state !== "started" && state !== "progress") return false;
  return typeof percent === "number" && percent >= leastPercent;
}

function unreachable(value: never): never {
  throw new TypeError(`no such event: ${JSON.stringify(value)}`);
}
