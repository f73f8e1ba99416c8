/** What a plan's words mean now; the same in every bed. */
import { HarnessError } from "../errors.ts";
import type { TargetWord, Topology } from "../rig/rig.ts";
import type { Random } from "../workload/forked-random.ts";

export interface TargetContext {
  readonly topology: Topology;
  /** Host that runs the VM now; null: none. */
  readonly active: string | null;
  /** The plan's own stream. */
  readonly random: Random;
  /** Name of a process, checked. */
  readonly named: (name: string) => string;
}

/** @throws HarnessError BAD_SCENARIO for what does not exist, or not now */
export function resolveTarget(target: TargetWord, context: TargetContext): string {
  const { topology, active, random, named } = context;
  const { hosts, services } = topology;
  const known = (name: string | null | undefined): string => {
    if (name !== null && name !== undefined) return name;
    throw new HarnessError("BAD_SCENARIO", `there is no "${target}" now`, {
      hint: "Let the plan wait until the VM runs, and name only what its topology has.",
    });
  };
  switch (target) {
    case "active":
      return known(active);
    case "standby": {
      const running = known(active);
      return known(hosts.find((host) => host !== running));
    }
    case "quorum":
      return known(services[0]);
    case "site-a":
      return known(hosts[0]);
    case "site-b":
      return known(hosts[1]);
    case "random":
      return known(hosts[random.below(hosts.length)]);
    default:
      return named(target);
  }
}
