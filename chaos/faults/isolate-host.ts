import * as v from "valibot";
import type { CutKind } from "../../harness/rig/rig.ts";
import type { Fault } from "./fault.ts";
import { cutLinks } from "./link-cuts.ts";
import { resolveLinks } from "./link-target.ts";
import { resolveHost, targetSchema } from "./target.ts";

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
  effect: {
    local:
      "as the cut it names (`refuse-link`, `blackhole-link`, `jam-link`), on all of these links",
    sim: "the same",
  },
  proves: "probes from outside: every one of the links stopped something",
  inject({ on, cut }, rig) {
    const target = resolveHost(on, rig);
    const { links } = resolveLinks({ on: target, channels: CHANNELS, way: "both" }, rig);
    return cutLinks({ name: target, links }, cut, rig);
  },
};

const CHANNELS = ["alink", "mgmt", "quorum"];
