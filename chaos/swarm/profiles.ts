/** Ready mixtures of faults for random plans. A seed draws which families of its profile exist in its run at all. */

export const PROFILES = ["calm", "network", "disk", "power", "site", "everything"] as const;
export type ProfileName = (typeof PROFILES)[number];

/** What is broken by one kind of steps. */
export const FAMILIES = [
  "kill",
  "pause",
  "links",
  "flap",
  "sites",
  "quorum",
  "power",
  "operator",
  "disks",
  "disk-faults",
] as const;
export type Family = (typeof FAMILIES)[number];

export interface Profile {
  /** One sentence for `sim --help` and the documentation. */
  readonly title: string;
  /** Of 1,000 seeds so many have this family; a family that is not named is never there. */
  readonly families: Readonly<Partial<Record<Family, number>>>;
  /** Of 1,000 seeds so many have two sites, each with its switch and clients. */
  readonly twoSites: number;
}

export const PROFILE_TABLE: Readonly<Record<ProfileName, Profile>> = {
  calm: {
    title: "nothing breaks: any claim or failover is a false one",
    families: {},
    twoSites: 300,
  },
  network: {
    title: "links of every kind are cut, jammed, slowed and flap; hosts stall",
    families: { links: 900, flap: 500, pause: 400, quorum: 300 },
    twoSites: 300,
  },
  disk: {
    title: "disks fail, stall, and are replaced by blank ones and older images; hosts die",
    families: { disks: 700, "disk-faults": 700, kill: 600, links: 300 },
    twoSites: 0,
  },
  power: {
    title: "hosts and quorum services lose their power, alone or together, in any order",
    families: { power: 900, kill: 800, quorum: 400, pause: 200 },
    twoSites: 300,
  },
  site: {
    title: "two sites lose each other or the quorum service, far apart and not",
    families: { sites: 900, links: 500, quorum: 400, operator: 400, power: 200, flap: 300 },
    twoSites: 1_000,
  },
  everything: {
    title: "all families",
    families: {
      ...{ kill: 700, pause: 500, links: 700, flap: 300, sites: 400 },
      ...{ quorum: 400, power: 300, operator: 300, disks: 300, "disk-faults": 300 },
    },
    twoSites: 300,
  },
};
