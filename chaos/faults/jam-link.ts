import * as v from "valibot";
import type { Fault } from "./fault.ts";
import { cutLinks } from "./link-cuts.ts";
import { type LinkTargetSpec, linkTargetEntries, resolveLinks } from "./link-target.ts";

/** Plain data of the fault. */
export const jamLinkEntries = { fault: v.literal("jam-link"), ...linkTargetEntries };

/** What is sent over the links waits. Healed, all of it arrives, late. */
export const jamLink: Fault<LinkTargetSpec> = {
  summary: "bytes on the links of a host, or on one link, wait until healed; one way or both",
  effect: {
    local: "toxic `bandwidth` 0: bytes queue in proxy and kernel; healed, all arrive in order",
    sim: "bytes queue; healed, all arrive in order",
  },
  proves: "probes from outside: every link held one back, and had let one pass before",
  inject: async (spec, rig) => cutLinks(resolveLinks(spec, rig), "jam", rig),
};
