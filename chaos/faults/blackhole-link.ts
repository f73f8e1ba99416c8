import * as v from "valibot";
import type { Fault } from "./fault.ts";
import { cutLinks } from "./link-cuts.ts";
import { type LinkTargetSpec, linkTargetEntries, resolveLinks } from "./link-target.ts";

/** Plain data of the fault. */
export const blackholeLinkEntries = { fault: v.literal("blackhole-link"), ...linkTargetEntries };

/** What is sent over the links vanishes and nobody is told. Healed, their connections close: dropped bytes never return. */
export const blackholeLink: Fault<LinkTargetSpec> = {
  summary: "bytes on the links of a host, or on one link, vanish silently; one way or both",
  effect: {
    local: "toxic `timeout` 0: bytes vanish, ends of streams pass; healing closes the connections",
    sim: "bytes vanish; healing closes the connections",
  },
  proves: "probes from outside: every link swallowed one, and had let one pass before",
  inject: async (spec, rig) => cutLinks(resolveLinks(spec, rig), "blackhole", rig),
};
