/** When a pair counts as converged, judged by what its hosts say; what they say is judged by the checkers. */
import type { Micros } from "../harness/record/types.ts";
import type { HostView, Rig } from "../harness/rig/rig.ts";
import type { Plan } from "./plan/plan.ts";

/** Fault phase after the last heal where nothing is owed: time enough to claim, boot and be followed. Unit: microseconds. */
const SETTLE_US = 2_000_000;

/** Both hosts redundant, the VM served: duplex and armed, or pre-elected where there is no service. */
export function isRedundant(
  views: readonly HostView[],
  quorum: Plan["topology"]["quorum"],
): boolean {
  const isReady = ({ alive, derived, right }: HostView): boolean =>
    alive &&
    (quorum === "one" ? derived === "duplex" && right === "open" : derived === "pre-elected");
  return views.length >= 2 && views.every(isReady) && isServed(views);
}

export function isServed(views: readonly HostView[]): boolean {
  return views.some(({ alive, runs }) => alive && runs);
}

/** How hosts are named in a message when they did not get where they should. */
export function describeViews(views: readonly HostView[]): string {
  const word = ({ host, alive, derived, right, runs }: HostView): string =>
    alive
      ? `${host} ${derived ?? "silent"}, right ${right ?? "unknown"}${runs ? ", runs the VM" : ""}`
      : `${host} dead`;
  return views.map(word).join("; ");
}

/** What the plan owes was reached, at this instant; null: not before the deadline. */
export async function waitForConvergence(
  rig: Rig,
  plan: Plan,
  deadline: Micros,
): Promise<Micros | null> {
  switch (plan.converge) {
    case "duplex": {
      const isReached = (): boolean => isRedundant(rig.hosts(), plan.topology.quorum);
      return (await rig.waitFor(isReached, deadline)) ? rig.now() : null;
    }
    case "service":
      return waitForService(rig, plan.workload.afterServiceMs * 1_000, deadline);
    case "safety-only":
      await rig.until(rig.now() + SETTLE_US);
      return rig.now();
    default:
      return unreachable(plan.converge);
  }
}

/** Served, and still served a while later: a service that falls over at once was not back. */
async function waitForService(rig: Rig, spanUs: Micros, deadline: Micros): Promise<Micros | null> {
  for (;;) {
    if (!(await rig.waitFor(() => isServed(rig.hosts()), deadline))) return null;
    const isGone = await rig.waitFor(() => !isServed(rig.hosts()), rig.now() + spanUs);
    if (!isGone) return rig.now();
  }
}

function unreachable(value: never): never {
  throw new TypeError(`no such convergence: ${JSON.stringify(value)}`);
}
