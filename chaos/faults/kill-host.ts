import * as v from "valibot";
import type { Rig } from "../../harness/rig/rig.ts";
import type { Fault, Proof } from "./fault.ts";
import { targetSchema } from "./target.ts";

/** Plain data of the fault. */
export const killHostEntries = { fault: v.literal("kill-host"), on: targetSchema };

export interface KillHostSpec {
  readonly on: string;
}

/** A power failure of one host: its process ends by SIGKILL and its disk loses what was not flushed. Nothing brings it back. */
export const killHost: Fault<KillHostSpec> = {
  summary: "SIGKILL of a host, its disk's cache lost with it; it stays dead",
  async inject({ on }, rig) {
    const target = rig.resolve(on);
    const at = await rig.kill(target);
    return { target, at, heal: () => Promise.resolve(), proof: () => proofOf(target, rig) };
  },
};

function proofOf(target: string, rig: Rig): Proof {
  const exit = rig.exits().find(({ process }) => process === target);
  if (rig.alive(target)) return { hasBitten: false, why: `${target} is alive after its kill` };
  if (exit === undefined) return { hasBitten: false, why: `the end of ${target} was not seen` };
  if (exit.signal !== "SIGKILL") {
    const how = exit.signal ?? `status ${exit.status}`;
    return { hasBitten: false, why: `${target} had ended by itself with ${how}` };
  }
  return { hasBitten: true, why: `${target} ended by SIGKILL` };
}
