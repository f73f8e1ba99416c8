import * as v from "valibot";
import type { Rig, SavedDisk } from "../../harness/rig/rig.ts";
import type { ActiveFault, Fault } from "./fault.ts";
import { killProcesses } from "./process-end.ts";
import { resolveHost, targetSchema } from "./target.ts";

/** Plain data of the fault. */
export const blankDiskEntries = <Span extends v.GenericSchema>(span: Span) => ({
  fault: v.literal("blank-disk"),
  on: targetSchema,
  /** How long the host stays dead. Unit: milliseconds. */
  forMs: span,
});

export interface BlankDiskSpec {
  readonly on: string;
}

/** A disk array is replaced: the host is killed and comes back on a disk without a byte. */
export const blankDisk: Fault<BlankDiskSpec> = {
  summary: "a host is killed and its disk replaced by a blank one; healed, it starts on that",
  effect: {
    local: "SIGKILL, and the disk file removed; healed, the host starts without one",
    sim: "the same with a simulated disk",
  },
  proves: "blocks of the disk differ from those before",
  inject: ({ on }, rig) => exchangeDisk(resolveHost(on, rig), null, rig),
};

/** Kills a host, puts another disk in the place of its own and, healed, starts it. Nothing has bitten when the disk holds what it held before. */
export async function exchangeDisk(
  target: string,
  by: SavedDisk | null,
  rig: Rig,
): Promise<ActiveFault> {
  const killed = await killProcesses([target], rig);
  const heal = async (): Promise<void> => void (await rig.start(target));
  let different: number;
  try {
    different = await rig.replaceDisk(target, by);
  } catch (error: unknown) {
    await heal();
    throw error;
  }
  return {
    target,
    at: killed.at,
    heal,
    proof() {
      const { hasBitten, why } = killed.proof();
      const exchanged = `${different} blocks of its disk hold something else`;
      return { hasBitten: hasBitten && different > 0, why: `${why}, ${exchanged}` };
    },
  };
}
