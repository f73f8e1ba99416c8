/** Where the clients of a workload are, and which of them use the same keys. */
import { invariant } from "../../node/core/invariant.ts";
import { HarnessError } from "../errors.ts";
import type { SiteName, Topology, WorkloadSpec } from "../rig/rig.ts";
import { createReferenceLoad, type LoadClient, type ReferenceLoad } from "./generator.ts";
import type { Recorder } from "./recorder.ts";

/** The VM's address at a site; `site` names the site's switch. */
export interface SiteTarget<Target> {
  readonly site: string;
  readonly target: Target;
}

export interface Place<Target> {
  readonly target: Target;
  /** Names the site in the history where there are several. */
  readonly recorder: Recorder;
  /** Begin of the keys that no other place writes; empty for the first place. */
  readonly prefix: string;
}

/** Places whose clients use the same keys: these are read back at any of them. */
export interface KeySpace<Target> {
  readonly places: readonly Place<Target>[];
  /** Null: no closed-loop clients. */
  readonly load: ReferenceLoad | null;
  readonly clients: readonly { readonly place: Place<Target>; readonly client: LoadClient }[];
}

const SITE_INDEX = { a: 0, b: 1 } as const satisfies Record<SiteName, number>;

/**
 * Switches whose addresses of the VM the clients use, one a site.
 *
 * @throws HarnessError BAD_SCENARIO for a site that the topology does not have
 */
export function switchesOf(
  { sites = ["a"] }: Pick<WorkloadSpec, "sites">,
  { switches }: Topology,
): readonly string[] {
  return sites.map((site) => {
    const name = switches[SITE_INDEX[site]];
    if (name !== undefined) return name;
    throw new HarnessError(
      "BAD_SCENARIO",
      `there are no clients at site ${site}: it has no switch`,
      {
        hint: "Say `switches: two` in the topology, or leave the site out.",
      },
    );
  });
}

export function placesOf<Target>(
  targets: readonly SiteTarget<Target>[],
  recorder: Recorder,
): readonly Place<Target>[] {
  const isNamed = targets.length > 1;
  return targets.map(({ site, target }, index) => ({
    target,
    recorder: isNamed ? recorder.at(site) : recorder,
    prefix: index === 0 ? "" : `${site}.`,
  }));
}

/**
 * Clients are dealt out over the places in turn.
 *
 * @param onceLiveMax of all spaces together
 */
export function keySpacesOf<Target>(
  spec: Pick<WorkloadSpec, "kind" | "seed" | "clients" | "keys">,
  places: readonly Place<Target>[],
  onceLiveMax: number,
): readonly KeySpace<Target>[] {
  const clients = spec.kind === "reference" ? spec.clients : 0;
  const dealt = Array.from({ length: clients }, (_, index) => {
    const place = places[index % places.length];
    invariant(place !== undefined, "a workload has a place");
    return place;
  });
  const groups = spec.keys === "disjoint" ? places.map((place) => [place]) : [places];
  return groups.map((group): KeySpace<Target> => {
    const members = dealt.filter((place) => group.includes(place));
    if (members.length === 0) return { places: group, load: null, clients: [] };
    const load = createReferenceLoad({
      seed: spec.seed,
      clients: members.length,
      prefix: group[0]?.prefix ?? "",
      onceLiveMax: Math.ceil(onceLiveMax / groups.length),
    });
    const placed = members.map((place, index) => ({ place, client: load.client(index) }));
    return { places: group, load, clients: placed };
  });
}
