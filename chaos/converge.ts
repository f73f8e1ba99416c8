/** When a pair counts as converged, judged by what its hosts say; what they say is judged by the checkers. */
import type { Micros } from "../harness/record/types.ts";
import type { HostView, Rig } from "../harness/rig/rig.ts";
import type { Plan } from "./plan/plan.ts";

/** Fault phase after the last heal where nothing is owed: time enough to claim, boot and be followed. Unit: microseconds. */
const SETTLE_US = 2_000_000;
/** Redundancy must last so long: a pair that has not noticed yet what it lost is none. Above the longest silence. Unit: microseconds. */
const HOLD_US = 300_000;

type Topology = Plan["topology"];

/** Both hosts redundant, the VM served: duplex and armed, or pre-elected where there is no service. */
export function isRedundant(views: readonly HostView[], topology: Topology): boolean {
  if (topology.quorum === "none" && topology.peerLoss === "preferred") return isPreElected(views);
  return (
    views.every(({ alive, derived, right }) => alive && derived === "duplex" && right === "open") &&
    views.length >= 2 &&
    isServed(views)
  );
}

/**
 * Both hosts redundant and the VM served, without an arbiter: by its disk one host may go on by itself, and the other one never. What they say
 * of their state comes earlier than their pages.
 */
export function isPreElected(views: readonly HostView[]): boolean {
  const rights = views.map(({ right }) => right);
  return (
    views.every(({ alive, derived }) => alive && derived === "pre-elected") &&
    rights.includes("elected") &&
    rights.includes("ceded") &&
    isServed(views)
  );
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
  const { topology, workload } = plan;
  switch (plan.converge) {
    case "duplex":
      return waitToLast(() => isRedundant(rig.hosts(), topology), HOLD_US, { rig, deadline });
    case "pre-elected":
      return waitToLast(() => isPreElected(rig.hosts()), HOLD_US, { rig, deadline });
    case "service": {
      // Served, and still served a while later: a service that falls over at once was not back.
      const spanUs = workload.afterServiceMs * 1_000;
      return waitToLast(() => isServed(rig.hosts()), spanUs, { rig, deadline });
    }
    case "safety-only":
      await rig.until(rig.now() + SETTLE_US);
      return rig.now();
    default:
      return unreachable(plan.converge);
  }
}

/** When the condition has held for `spanUs`; it must come true before the deadline. Null: it did not. */
async function waitToLast(
  condition: () => boolean,
  spanUs: Micros,
  { rig, deadline }: { readonly rig: Rig; readonly deadline: Micros },
): Promise<Micros | null> {
  for (;;) {
    if (!(await rig.waitFor(condition, deadline))) return null;
    if (!(await rig.waitFor(() => !condition(), rig.now() + spanUs))) return rig.now();
  }
}

function unreachable(value: never): never {
  throw new TypeError(`no such convergence: ${JSON.stringify(value)}`);
}
