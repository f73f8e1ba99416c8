import * as v from "valibot";
import type { CutKind, Rig } from "../../harness/rig/rig.ts";
import type { Fault, Proof } from "./fault.ts";
import { targetSchema } from "./target.ts";

/** Plain data of the fault. */
export const isolateHostEntries = {
  fault: v.literal("isolate-host"),
  on: targetSchema,
  /** How the links are cut. */
  cut: v.optional(v.picklist(["refuse", "blackhole", "jam"]), "blackhole"),
};

export interface IsolateHostSpec {
  readonly on: string;
  readonly cut: CutKind;
}

/**
 * Cuts a host off from its peer and from the quorum services, both ways, and leaves its LAN up: clients still reach a host that nobody
 * else hears, the case in which two hosts may serve at once.
 */
export const isolateHost: Fault<IsolateHostSpec> = {
  summary: "all A-links, mgmt and quorum links of a host cut both ways, its LAN left up",
  async inject({ on, cut }, rig) {
    const target = rig.resolve(on);
    const links = linksOf(target, rig);
    const before = new Map(links.map((link) => [link, rig.stopped(link)]));
    try {
      const at = await rig.cut(links, cut, "both");
      return {
        target,
        at,
        heal: () => rig.mend(links),
        proof: () => proofOf(before, rig),
      };
    } catch (error: unknown) {
      await rig.mend(links);
      throw error;
    }
  },
};

function linksOf(host: string, rig: Rig): readonly string[] {
  return rig.topology.links
    .filter(({ dialler, listener }) => dialler === host || listener === host)
    .filter(({ channel }) => channel !== "lan")
    .map(({ id }) => id);
}

/** Each link must have stopped something: a host with one link left is not isolated. */
function proofOf(before: ReadonlyMap<string, number>, rig: Rig): Proof {
  const silent = [...before].filter(([link, count]) => rig.stopped(link) <= count);
  const looked = `${before.size} links cut`;
  if (before.size === 0) return { hasBitten: false, why: "there is no link to cut" };
  if (silent.length > 0) {
    const names = silent.map(([link]) => link).join(", ");
    return { hasBitten: false, why: `${looked}, but nothing was stopped on ${names}` };
  }
  return { hasBitten: true, why: `${looked}, each stopped something` };
}
