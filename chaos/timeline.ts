/** Injects the steps of a plan in their order and heals each when its time has come, while other steps wait for theirs. */
import type { Micros } from "../harness/record/types.ts";
import type { Rig, Workload } from "../harness/rig/rig.ts";
import type { ActiveFault, Proof } from "./faults/fault.ts";
import { inject } from "./faults/registry.ts";
import type { PlanStep } from "./plan/plan.ts";

/** An event that a step waits for comes within this, or the step is injected without it. Unit: microseconds. */
const EVENT_DEADLINE_US = 10_000_000;
const WRITE_DEADLINE_US = 2_000_000;

/** A step that was injected. */
export interface InjectedFault {
  readonly step: PlanStep;
  readonly target: string;
  readonly at: Micros;
  /** Null until the fault is healed or the timeline ends. */
  readonly proof: Proof | null;
}

export interface Timeline {
  /**
   * Injects every step and performs the heals that have an instant. Resolves after the last of both. A pair that is not as the plan takes
   * it to be when the first fault is due is left alone: what it would do then says nothing about the plan.
   */
  run(workload: Workload, isAsPlanned: () => boolean): Promise<void>;
  /** Heals whatever is not healed. Safe at any time and any number of times. */
  healAll(): Promise<void>;
  injected(): readonly InjectedFault[];
}

interface Active extends InjectedFault {
  readonly fault: ActiveFault;
  readonly healAt: Micros | null;
  proof: Proof | null;
}

export function createTimeline(
  rig: Rig,
  steps: readonly PlanStep[],
  onProgress: (line: string) => void,
): Timeline {
  const active: Active[] = [];
  const heal = async (entry: Active): Promise<void> => {
    if (entry.proof !== null) return;
    const proof = entry.fault.proof();
    entry.proof = proof;
    const { target, at, step } = entry;
    const named = { fault: step.fault, target, atInjectUs: at };
    rig.report("proof", { ...named, hasBitten: proof.hasBitten, why: proof.why });
    await entry.fault.heal();
    rig.report("fault", { ...named, state: "healed" });
  };
  /** False when the deadline came first; heals that fall due meanwhile are done at their instants. */
  const advance = async (condition: () => boolean, deadline: Micros): Promise<boolean> => {
    for (;;) {
      const due = active.filter(({ proof, healAt }) => proof === null && healAt !== null);
      const first = Math.min(...due.map(({ healAt }) => healAt ?? deadline));
      const until = Math.min(deadline, first);
      if (await rig.waitFor(condition, until)) return true;
      // A simulated bed stands still once a rule was broken: no instant will come any more.
      if (deadline < first || rig.now() < until) return false;
      for (const entry of due) if ((entry.healAt ?? 0) <= rig.now()) await heal(entry);
    }
  };
  const add = async (step: PlanStep): Promise<void> => {
    const fault = await inject(step, rig);
    const { target, at } = fault;
    const healAt = step.forMs === null ? null : at + step.forMs * 1_000;
    active.push({ step, target, at, fault, healAt, proof: null });
    rig.report("fault", { fault: step.fault, target, state: "injected", atInjectUs: at });
    onProgress(`${step.fault} of ${target} (${step.on})`);
  };
  return {
    async run(workload, isAsPlanned) {
      const start = rig.now();
      for (const step of steps) {
        await reach(step, { rig, start, advance });
        if (step.intoWriteUs !== null) {
          await intoWrite(step.intoWriteUs, { rig, workload, advance });
        }
        if (active.length === 0 && !isAsPlanned()) return;
        await add(step);
      }
      const last = Math.max(0, ...active.map(({ healAt }) => healAt ?? 0));
      await advance(
        () => active.every(({ proof, healAt }) => healAt === null || proof !== null),
        last,
      );
    },
    async healAll() {
      for (const entry of active) await heal(entry);
    },
    injected: () => active,
  };
}

type Advance = (condition: () => boolean, deadline: Micros) => Promise<boolean>;

async function reach(
  { atMs, when }: PlanStep,
  at: { readonly rig: Rig; readonly start: Micros; readonly advance: Advance },
): Promise<void> {
  const { rig, start, advance } = at;
  if (atMs !== null) await advance(() => false, start + atMs * 1_000);
  if (when === null) return;
  if (when.after === "takeover") {
    await advance(() => hasTakenOver(rig, start), rig.now() + EVENT_DEADLINE_US);
  }
  await advance(() => false, rig.now() + when.plusMs * 1_000);
}

/**
 * Waits for a write that has begun, then into it. A write that is over by then was shorter than the draw: the next one is hit half as far
 * in, so that short ones are hit at all.
 */
async function intoWrite(
  intoUs: Micros,
  at: { readonly rig: Rig; readonly workload: Workload; readonly advance: Advance },
): Promise<void> {
  const { rig, workload, advance } = at;
  const deadline = rig.now() + WRITE_DEADLINE_US;
  const isUnderWay = (): boolean => workload.inFlightWrites() > 0;
  for (let wait = intoUs; rig.now() < deadline; wait = Math.floor(wait / 2)) {
    if (!(await advance(isUnderWay, deadline))) return;
    if (wait > 0) await advance(() => false, rig.now() + wait);
    if (isUnderWay()) return;
  }
}

function hasTakenOver(rig: Rig, since: Micros): boolean {
  return rig
    .events()
    .some(
      ({ at, source, what, state }) =>
        at >= since && source.startsWith("host ") && what === "vm" && state === "announced",
    );
}
