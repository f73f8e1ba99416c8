/** What is simpler than a plan, one change at a time. Each is only a proposal: whether it still fails is for a run to say. */
import { completePlan, type Plan } from "../plan/plan.ts";
import type { PlanStep } from "../plan/steps.ts";

/** Shorter than this nothing is made: it would only cost tries. Unit: milliseconds. */
const SHORT_MS = 10;
const CALM_SHORT_MS = 50;

type Fields = Readonly<Record<string, unknown>>;

/** The plan with these of its steps alone, by their places, in order. Numbers of steps in other steps follow them; one that names a step that is gone names nothing. */
export function keepSteps(plan: Plan, places: readonly number[]): Plan {
  const newNumber = (number: number): number | null => {
    const place = places.indexOf(number - 1);
    return place < 0 ? null : place + 1;
  };
  const steps = places.flatMap((place, index) => {
    const step = plan.steps[place];
    if (step === undefined) return [];
    // An image of the instant before a step that is gone is one of the instant before the next one that is left.
    const imageOf = (number: number): number | "calm" => {
      const next = places.findIndex((one) => one >= number - 1);
      return next < 0 || next >= index ? "calm" : next + 1;
    };
    return [renumber(step, newNumber, imageOf)];
  });
  const { mustNotBoot, inResync, ...expect } = plan.expect;
  const kept = Object.entries({ mustNotBoot, inResync }).flatMap(([name, numbers = []]) => {
    const left = numbers.map(newNumber).filter((number) => number !== null);
    return left.length === 0 ? [] : [[name, left] as const];
  });
  return completePlan({ ...plan, steps, expect: { ...expect, ...Object.fromEntries(kept) } });
}

function renumber(
  step: PlanStep,
  newNumber: (number: number) => number | null,
  imageOf: (number: number) => number | "calm",
): Fields {
  const fields: Fields = { ...step };
  const image = typeof fields["image"] === "number" ? { image: imageOf(fields["image"]) } : {};
  if (step.when?.step === undefined) return { ...fields, ...image };
  const { step: named, ...when } = step.when;
  const number = newNumber(named);
  return { ...fields, ...image, when: number === null ? when : { ...when, step: number } };
}

/** @param takenAtMs when it was taken in the last run, since the calm phase; null: it was not */
export function simplerSteps(step: PlanStep, takenAtMs: number | null): readonly Fields[] {
  const fields: Fields = { ...step };
  const { when } = step;
  const found: Fields[] = [];
  const change = (changed: Fields): number => found.push({ ...fields, ...changed });
  if (when !== null && takenAtMs !== null) change({ when: null, atMs: takenAtMs });
  if (when !== null && when.plusMs > 0) change({ when: { ...when, plusMs: 0 } });
  if (typeof fields["intoWriteUs"] === "number") change({ intoWriteUs: null });
  for (const channels of fewerChannels(fields["channels"])) change({ channels });
  if (typeof fields["way"] === "string" && fields["way"] !== "both") change({ way: "both" });
  if (isAbove(fields["jitterMs"], 0)) change({ jitterMs: 0 });
  if (isAbove(fields["secondAfterMs"], 0)) change({ secondAfterMs: 0 });
  if (isAbove(fields["forMs"], SHORT_MS)) change({ forMs: Math.floor(fields["forMs"] / 2) });
  return found;
}

function fewerChannels(channels: unknown): readonly (readonly unknown[])[] {
  if (!Array.isArray(channels)) return [];
  const list: readonly unknown[] = channels;
  if (list.length > 1) return list.map((_, left) => list.filter((__, place) => place !== left));
  return list[0] === "alink" ? [["alink0"], ["alink1"]] : [];
}

export function withStep(plan: Plan, place: number, step: Fields): Plan {
  return completePlan({ ...plan, steps: plan.steps.map((old, at) => (at === place ? step : old)) });
}

/** A smaller cluster, which is easier to follow. */
export function simplerTopologies(plan: Plan): readonly Plan[] {
  const { topology, workload } = plan;
  const { spec } = workload;
  const found: unknown[] = [];
  const change = (changed: Partial<Plan["topology"]>, load: Partial<typeof spec> = {}): number =>
    found.push({
      ...plan,
      topology: { ...topology, ...changed },
      workload: { ...workload, spec: { ...spec, ...load } },
    });
  if (topology.linkDelayMs > 0) change({ linkDelayMs: 0 });
  if (topology.switches === "two") change({ switches: "one" }, { sites: ["a"] });
  if (topology.quorum === "two") change({ quorum: "one" });
  if (topology.confirmAfterRestart) change({ confirmAfterRestart: false });
  return found.map(completePlan);
}

export function simplerLoads(plan: Plan): readonly Plan[] {
  const { clients } = plan.workload.spec;
  return clients <= 1 ? [] : [withLoad(plan, { clients: Math.floor(clients / 2) })];
}

/** Less time between the steps that have an instant, and before the first one. */
export function shorterTimes(plan: Plan): readonly Plan[] {
  const { calmMs } = plan.workload.spec;
  const gaps = plan.steps.flatMap(({ atMs }, place) => {
    if (atMs === null) return [];
    const before = plan.steps.slice(0, place).findLast((step) => step.atMs !== null)?.atMs ?? 0;
    return atMs > before ? [{ place, gap: atMs - before }] : [];
  });
  const pulled = gaps.flatMap(({ place, gap }) =>
    gap < SHORT_MS ? [] : [pull(plan, place, gap), pull(plan, place, Math.ceil(gap / 2))],
  );
  const isLong = calmMs >= 2 * CALM_SHORT_MS;
  return [...pulled, ...(isLong ? [withLoad(plan, { calmMs: Math.floor(calmMs / 2) })] : [])];
}

/** This step and all later ones come so much earlier. */
function pull(plan: Plan, from: number, byMs: number): Plan {
  const steps = plan.steps.map((step, place) =>
    place < from || step.atMs === null ? step : { ...step, atMs: Math.max(0, step.atMs - byMs) },
  );
  return completePlan({ ...plan, steps });
}

function withLoad(plan: Plan, load: Partial<Plan["workload"]["spec"]>): Plan {
  const { workload } = plan;
  return completePlan({ ...plan, workload: { ...workload, spec: { ...workload.spec, ...load } } });
}

function isAbove(value: unknown, least: number): value is number {
  return typeof value === "number" && value > least;
}
