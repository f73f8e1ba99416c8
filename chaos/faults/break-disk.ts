import * as v from "valibot";
import { HarnessError } from "../../harness/errors.ts";
import type { BrokenDisks, DiskFault, Rig } from "../../harness/rig/rig.ts";
import type { Fault, Proof } from "./fault.ts";
import { resolveHost, targetSchema } from "./target.ts";

/** What goes wrong below the port. */
const HOW = ["offline", "read-error", "write-error", "full", "stall", "slow"] as const;

/** Plain data of the fault. */
export const breakDiskEntries = {
  fault: v.literal("break-disk"),
  on: targetSchema,
  how: v.optional(v.picklist(HOW), "offline"),
  /** `slow` alone: added to each flush. Unit: milliseconds. */
  slowMs: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(10_000)), 50),
};

export interface BreakDiskSpec {
  readonly on: string;
  readonly how: (typeof HOW)[number];
  readonly slowMs: number;
}

const WHOLE: DiskFault = { kind: "none" };

/** The disk of a living host fails under it. Healed, the disk is whole and the host has started again: one that lost its disk does not take it back. */
export const breakDisk: Fault<BreakDiskSpec> = {
  summary:
    "a host's disk fails, fills up, stalls or is slow; healed, it is whole and the host starts again",
  effect: {
    local: "not there: a step that asks for it is a mistake of the scenario",
    sim: "calls of the disk fail with a code, do not end, or take longer",
  },
  proves: "at least one call of the disk failed, was held back or took longer",
  async inject({ on, how, slowMs }, rig) {
    const target = resolveHost(on, rig);
    const disks = disksOf(rig);
    const before = disks.bitten(target);
    const at = await disks.set(target, faultOf(how, slowMs));
    return {
      target,
      at,
      async heal() {
        await disks.set(target, WHOLE);
        if (how === "slow") return;
        // It may have ended by itself meanwhile, and a dead one stays so.
        await rig.kill(target);
        await rig.start(target);
      },
      proof: () => proofOf(disks.bitten(target) - before, how),
    };
  },
};

function disksOf({ brokenDisks, bed }: Rig): BrokenDisks {
  if (brokenDisks !== undefined) return brokenDisks;
  throw new HarnessError("BAD_SCENARIO", `disks do not break in bed ${bed}`, {
    hint: "Run it with --bed sim.",
  });
}

function faultOf(how: BreakDiskSpec["how"], slowMs: number): DiskFault {
  switch (how) {
    case "offline":
      return { kind: "error", on: ["read", "write", "flush"], code: "ENODEV" };
    case "read-error":
      return { kind: "error", on: ["read"], code: "EIO" };
    case "write-error":
      return { kind: "error", on: ["write", "flush"], code: "EIO" };
    case "full":
      return { kind: "error", on: ["write"], code: "ENOSPC" };
    case "stall":
      return { kind: "stall" };
    case "slow":
      return { kind: "slow", ms: slowMs };
    default:
      return unreachable(how);
  }
}

function proofOf(calls: number, how: BreakDiskSpec["how"]): Proof {
  const what = how === "slow" ? "took longer" : how === "stall" ? "were held back" : "failed";
  return { hasBitten: calls > 0, why: `${calls} calls of the disk ${what}` };
}

function unreachable(value: never): never {
  throw new TypeError(`no such fault: ${JSON.stringify(value)}`);
}
