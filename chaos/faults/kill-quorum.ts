import * as v from "valibot";
import type { Fault } from "./fault.ts";
import { killProcesses } from "./process-end.ts";
import { resolveService, targetSchema } from "./target.ts";

/** Plain data of the fault. */
export const killQuorumEntries = {
  fault: v.literal("kill-quorum"),
  on: v.optional(targetSchema, "quorum"),
};

export interface KillQuorumSpec {
  readonly on: string;
}

/** A quorum service ends by SIGKILL. Healed, it starts again on the store that it left. */
export const killQuorum: Fault<KillQuorumSpec> = {
  summary: "SIGKILL of a quorum service; healed, it starts again on the same store",
  effect: {
    local: "SIGKILL of the service; healed, it starts on the store that it left",
    sim: "the service ends; its store keeps what it had persisted",
  },
  proves: "the process ended by SIGKILL, and not before",
  async inject({ on }, rig) {
    const target = resolveService(on, rig);
    const { at, proof } = await killProcesses([target], rig);
    return { target, at, heal: async () => void (await rig.start(target)), proof };
  },
};
