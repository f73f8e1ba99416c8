import * as v from "valibot";
import type { Fault } from "./fault.ts";
import { killProcesses } from "./process-end.ts";
import { resolveHost, targetSchema } from "./target.ts";

/** Plain data of the fault. */
export const killHostEntries = { fault: v.literal("kill-host"), on: targetSchema };

export interface KillHostSpec {
  readonly on: string;
}

/** A power failure of one host: its process ends by SIGKILL and its disk loses what was not flushed. Nothing brings it back. */
export const killHost: Fault<KillHostSpec> = {
  summary: "SIGKILL of a host, its disk's cache lost with it; it stays dead",
  effect: {
    local: "SIGKILL of the process: what its disk's cache had not destaged early is lost",
    sim: "the host ends between two steps or amid one; its disk keeps what was flushed and a seeded choice of the other sectors",
  },
  proves: "the process ended by SIGKILL, and not before",
  async inject({ on }, rig) {
    const target = resolveHost(on, rig);
    const { at, proof } = await killProcesses([target], rig);
    return { target, at, heal: () => Promise.resolve(), proof };
  },
};
