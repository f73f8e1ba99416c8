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
  async inject({ on }, rig) {
    const target = resolveHost(on, rig);
    const { at, proof } = await killProcesses([target], rig);
    return { target, at, heal: async () => void (await rig.start(target)), proof };
  },
};
