import * as v from "valibot";
import type { Fault } from "./fault.ts";
import { killProcesses } from "./process-end.ts";
import { resolveHost, targetSchema } from "./target.ts";

/** Plain data of the fault. */
export const restartHostEntries = <Span extends v.GenericSchema>(span: Span) => ({
  fault: v.literal("restart-host"),
  on: targetSchema,
  /** How long it stays dead. Unit: milliseconds. */
  forMs: span,
});

export interface RestartHostSpec {
  readonly on: string;
}

/** A power failure of one host, which comes back on the disk that it left. */
export const restartHost: Fault<RestartHostSpec> = {
  summary: "SIGKILL of a host, its disk's cache lost with it; healed, it starts again on its disk",
  effect: {
    local:
      "SIGKILL of the process: what its disk's cache had not destaged early is lost; healed, the same program on the same disk",
    sim: "the host ends between two steps or amid one; its disk keeps what was flushed and a seeded choice of the other sectors; healed, a new life on it",
  },
  proves: "the process ended by SIGKILL, and not before",
  async inject({ on }, rig) {
    const target = resolveHost(on, rig);
    const { at, proof } = await killProcesses([target], rig);
    return { target, at, heal: async () => void (await rig.start(target)), proof };
  },
};
