/** Which links a fault of links means, and which way. */
import * as v from "valibot";
import { HarnessError } from "../../harness/errors.ts";
import type { Direction, LinkName, Rig, Topology } from "../../harness/rig/rig.ts";
import { targetSchema } from "./target.ts";

/** Fields that all faults of links have. */
export const linkTargetEntries = {
  /** A link by its id (`a>b/alink0`), all links of a process by its name or a word, `between-sites`, or `all`. */
  on: targetSchema,
  /** Only these channels; `alink` means every A-link. */
  channels: v.optional(v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.minLength(1))),
  /** `out`: what the target sends, or the dialler of a link named by its id; `in`: what it receives. */
  way: v.optional(v.picklist(["both", "out", "in"]), "both"),
};

export interface LinkTargetSpec {
  readonly on: string;
  readonly channels?: readonly string[] | undefined;
  readonly way: "both" | "out" | "in";
}

export interface LinkTarget {
  /** For the record. */
  readonly name: string;
  readonly links: readonly { readonly id: string; readonly direction: Direction }[];
}

/** @throws HarnessError BAD_SCENARIO when the target does not exist, or no link is meant */
export function resolveLinks({ on, channels, way }: LinkTargetSpec, rig: Rig): LinkTarget {
  const { links } = rig.topology;
  const named = links.find(({ id }) => id === on);
  const isWhole = named !== undefined || on === "all" || on === "between-sites";
  const target = isWhole ? on : rig.resolve(on);
  const own = named === undefined ? linksOf(target, rig.topology) : [named];
  const meant = own.filter(({ channel }) => channels?.some((word) => isOf(word, channel)) ?? true);
  if (meant.length === 0) {
    const of = channels === undefined ? "" : ` of ${channels.join(", ")}`;
    throw new HarnessError("BAD_SCENARIO", `${target} has no link${of}`, {
      hint: `Use ${links.map(({ id }) => id).join(", ")}.`,
    });
  }
  return {
    name: channels === undefined ? target : `${target} (${channels.join(", ")})`,
    links: meant.map(({ id, listener }) => {
      const isTurned = !isWhole && listener === target;
      return { id, direction: directionOf(way, isTurned) };
    }),
  };
}

function linksOf(target: string, { links, ...topology }: Topology): readonly LinkName[] {
  if (target === "all") return links;
  if (target !== "between-sites") {
    return links.filter(({ dialler, listener }) => dialler === target || listener === target);
  }
  const siteOf = (process: string): number =>
    Math.max(topology.hosts.indexOf(process), topology.switches.indexOf(process));
  // Quorum services stand at neither.
  return links.filter(({ dialler, listener }) => {
    const [one, other] = [siteOf(dialler), siteOf(listener)];
    return topology.switches.length > 1 && one >= 0 && other >= 0 && one !== other;
  });
}

function isOf(word: string, channel: string): boolean {
  return word === channel || (word === "alink" && channel.startsWith("alink"));
}

function directionOf(way: LinkTargetSpec["way"], isTurned: boolean): Direction {
  if (way === "both") return "both";
  return (way === "out") === isTurned ? "backward" : "forward";
}
