import * as v from "valibot";
import type { LinkDelay, Rig } from "../../harness/rig/rig.ts";
import type { Fault, Proof } from "./fault.ts";
import { type LinkTargetSpec, linkTargetEntries, resolveLinks } from "./link-target.ts";

const milliseconds = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(10_000));

/** Plain data of the fault. */
export const delayLinkEntries = {
  fault: v.literal("delay-link"),
  ...linkTargetEntries,
  /** Added to each frame's way. Unit: milliseconds. */
  latencyMs: v.pipe(milliseconds, v.minValue(1)),
  /** Each frame takes so much more or less, at most the latency; drawn uniformly. Unit: milliseconds. */
  jitterMs: v.optional(milliseconds, 0),
};

export interface DelayLinkSpec extends LinkTargetSpec, LinkDelay {}

/** Links become slow; nothing on them is lost, and bytes keep their order. Of two such faults on one link the newer one counts, also when healed. */
export const delayLink: Fault<DelayLinkSpec> = {
  summary:
    "bytes on the links of a host, or on one link, take longer, with jitter; one way or both",
  effect: {
    local: "toxic `latency` in each direction, in whole milliseconds",
    sim: "each frame waits, never overtaking another",
  },
  proves: "probes from outside took at least as much longer, on every link",
  async inject(spec, rig) {
    const { name, links } = resolveLinks(spec, rig);
    const { latencyMs, jitterMs } = spec;
    const before = new Map(links.map(({ id }) => [id, rig.delayed(id)]));
    const ids = [...before.keys()];
    const heal = (): Promise<void> => rig.undelay(ids);
    const at = rig.now();
    try {
      for (const { id, direction } of links)
        await rig.delay([id], { latencyMs, jitterMs }, direction);
    } catch (error: unknown) {
      await heal();
      throw error;
    }
    return { target: name, at, heal, proof: () => proofOf(before, rig) };
  },
};

function proofOf(before: ReadonlyMap<string, number>, rig: Rig): Proof {
  const fast = [...before].filter(([link, count]) => rig.delayed(link) <= count);
  const looked = `${before.size} links slowed`;
  if (fast.length > 0) {
    const names = fast.map(([link]) => link).join(", ");
    return { hasBitten: false, why: `${looked}, but nothing took longer on ${names}` };
  }
  return { hasBitten: true, why: `${looked}, on each something took longer` };
}
