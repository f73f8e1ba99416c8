import * as v from "valibot";
import type { Rig } from "../../harness/rig/rig.ts";
import type { Fault } from "./fault.ts";
import { killProcesses } from "./process-end.ts";
import { resolveHost, targetSchema } from "./target.ts";

/** Plain data of the fault. */
export const cutPowerEntries = <Span extends v.GenericSchema>(span: Span) => ({
  fault: v.literal("cut-power"),
  /** Host that returns first, by what it was when the power failed. */
  first: v.optional(targetSchema, "random"),
  /** From the cut to the first return. Unit: milliseconds. */
  forMs: span,
  /** From the first return to the second. Unit: milliseconds. */
  secondAfterMs: span,
});

export interface CutPowerSpec {
  readonly first: string;
  readonly forMs: number;
  readonly secondAfterMs: number;
}

/** The power of the whole cluster fails: both hosts end at one instant, their disks' caches lost. They come back one after the other. */
export const cutPower: Fault<CutPowerSpec> = {
  summary: "both hosts lose their power at once and return in a given order, some time apart",
  effect: {
    local: "SIGKILL of both processes in one call; each is started again at its time",
    sim: "the host ends between two steps or amid one; its disk keeps what was flushed and a seeded choice of the other sectors, both at one instant",
  },
  proves: "each process ended by SIGKILL, and not before",
  async inject({ first: word, forMs, secondAfterMs }, rig) {
    const first = resolveHost(word, rig);
    const { hosts } = rig.topology;
    const { at, proof } = await killProcesses(hosts, rig);
    const others = hosts.filter((host) => host !== first);
    return {
      target: `${hosts.join(" and ")}, ${first} first`,
      at,
      parts: [{ afterMs: forMs, heal: () => startAll([first], rig) }],
      healAfterMs: forMs + secondAfterMs,
      heal: () => startAll([first, ...others], rig),
      proof,
    };
  },
};

async function startAll(hosts: readonly string[], rig: Rig): Promise<void> {
  for (const host of hosts) await rig.start(host);
}
