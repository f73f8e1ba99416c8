/** What keeps a random plan from destroying the last good copy: nobody owes anything after that, and the run would prove nothing. */
import type { Micros } from "../../harness/record/types.ts";
import type { Rig } from "../../harness/rig/rig.ts";
import { isFaultStep, type PlanStep } from "../plan/steps.ts";

/** Everything is healed: a pair that is to be whole again is so by then, or the step is passed over. Unit: microseconds. */
export const EXCHANGE_WAIT_US: Micros = 10_000_000;

/** So long a pair must be duplex before a copy of it is taken away. Unit: microseconds. */
export const SETTLED_US: Micros = 1_000_000;

/** The step puts another disk in the place of a host's own. */
export function isExchange(step: PlanStep): boolean {
  return isFaultStep(step) && (step.fault === "blank-disk" || step.fault === "old-disk");
}

/** Both copies are good, and an arbiter would let either go on. */
export function isDuplex(rig: Pick<Rig, "hosts">): boolean {
  return rig.hosts().every(({ alive, derived }) => alive && derived === "duplex");
}

/** The peer has seen what the host came back with: before that, the peer's end would be the loss of both copies. */
export function hasMet(rig: Pick<Rig, "hosts">, host: string): boolean {
  return isDuplex(rig) || rig.hosts().some((view) => view.host === host && view.right === "none");
}
