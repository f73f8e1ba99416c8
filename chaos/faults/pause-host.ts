import * as v from "valibot";
import type { Rig } from "../../harness/rig/rig.ts";
import type { Fault, Proof } from "./fault.ts";
import { resolveHost, targetSchema } from "./target.ts";

/** Plain data of the fault. */
export const pauseHostEntries = { fault: v.literal("pause-host"), on: targetSchema };

export interface PauseHostSpec {
  readonly on: string;
}

/**
 * A host hangs: its process stands still while its kernel still takes connections and bytes, and its clock goes on. Healed, everything that
 * happened meanwhile reaches it at once, and its timers are late.
 */
export const pauseHost: Fault<PauseHostSpec> = {
  summary: "SIGSTOP of a host: it hangs and its connections stay open; healed, it goes on",
  effect: {
    local: "SIGSTOP, and SIGCONT to heal; the kernel goes on taking bytes for it",
    sim: "the host takes no step; everything waits for it in order",
  },
  proves: "the kernel says that the process stood, from the signal to the heal",
  async inject({ on }, rig) {
    const target = resolveHost(on, rig);
    const at = await rig.pause(target);
    const hasStood = rig.isPaused(target);
    const heal = (): Promise<void> => rig.resume(target);
    return { target, at, heal, proof: () => proofOf(target, hasStood, rig) };
  },
};

function proofOf(target: string, hasStood: boolean, rig: Rig): Proof {
  if (!hasStood) return { hasBitten: false, why: `${target} was not seen to stand still` };
  if (rig.isPaused(target)) {
    return { hasBitten: true, why: `${target} stood still from the signal to the heal` };
  }
  return rig.alive(target)
    ? { hasBitten: false, why: `${target} ran again before it was told to` }
    : { hasBitten: true, why: `${target} stood still until it was killed` };
}
