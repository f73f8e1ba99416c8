import * as v from "valibot";
import { HarnessError } from "../../harness/errors.ts";
import { exchangeDisk } from "./blank-disk.ts";
import type { Fault } from "./fault.ts";
import { resolveHost, targetSchema } from "./target.ts";

/** Plain data of the fault. */
export const oldDiskEntries = <Span extends v.GenericSchema>(span: Span) => ({
  fault: v.literal("old-disk"),
  on: targetSchema,
  /** When the image is taken: at the end of the calm phase, or immediately before the step of this number (from 1), an earlier one. */
  image: v.optional(
    v.union([v.literal("calm"), v.pipe(v.number(), v.safeInteger(), v.minValue(1))]),
    "calm",
  ),
  /** How long the host stays dead. Unit: milliseconds. */
  forMs: span,
});

export interface OldDiskSpec {
  readonly on: string;
  readonly image: "calm" | number;
}

/** Somebody restores a backup: the host is killed and comes back on what its disk held some time before. */
export const oldDisk: Fault<OldDiskSpec> = {
  summary: "a host is killed and an earlier image of its disk put back; healed, it starts on that",
  effect: {
    local: "SIGKILL, and a copy of the disk file, taken between two writes, put back",
    sim: "the same with a simulated disk",
  },
  proves: "blocks of the disk differ from those before",
  inject({ on }, rig, { images }) {
    const target = resolveHost(on, rig);
    const image = images.find(({ host }) => host === target);
    if (image !== undefined) return exchangeDisk(target, image, rig);
    throw new HarnessError("BAD_SCENARIO", `there is no image of the disk of ${target}`, {
      hint: "An image is taken in the calm phase, or at an earlier step.",
    });
  },
};
