import * as v from "valibot";
import type { Fault } from "./fault.ts";
import { cutLinks } from "./link-cuts.ts";
import { linkTargetEntries, resolveLinks } from "./link-target.ts";

const { on, channels } = linkTargetEntries;
/** Plain data of the fault. */
export const refuseLinkEntries = { fault: v.literal("refuse-link"), on, channels };

export interface RefuseLinkSpec {
  readonly on: string;
  readonly channels?: readonly string[] | undefined;
}

/** Links go down and both ends notice at once: connections close, new ones are refused. Always both ways. */
export const refuseLink: Fault<RefuseLinkSpec> = {
  summary: "links of a host, or one link, go down, and both ends notice at once",
  effect: {
    local: "the proxy is disabled: connections get FIN, new ones ECONNREFUSED",
    sim: "connections end at once, new ones are refused",
  },
  proves: "a probe from outside was refused, on every link",
  inject: async (spec, rig) => cutLinks(resolveLinks({ ...spec, way: "both" }, rig), "refuse", rig),
};
