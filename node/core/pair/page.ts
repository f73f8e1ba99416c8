import type { Generation, RandomId, ServiceId, VmBoot, VmId } from "../identity.ts";
import type { VolumeShape } from "../machine/entry.ts";

/** What a host may do alone: see docs/ARCHITECTURE.md, "Who may run". */
export type Right = "open" | "elected" | "ceded" | "sole" | "none";
/** State of a host's copy of the volumes. `ahead` goes with right `sole` and nothing else. */
export type CopyState = "in-sync" | "ahead" | "behind" | "inconsistent" | "blank";
export type Hold = "force" | "split-brain" | "discard" | "down";

/** The quorum service that counts for a generation, with the highest counter this host saw from it. */
export interface Arbiter {
  readonly service: ServiceId;
  readonly instance: RandomId;
  readonly counter: number;
}

/** Last known of the peer. */
export interface PeerMemory {
  readonly gen: Generation | null;
  readonly right: Right;
  readonly copy: CopyState;
  readonly starts: number;
  readonly startId: RandomId | null;
}

/** Two generations, the newer one first: what a copy descends from by joint writes. */
export interface Lineage {
  readonly gen: Generation;
  readonly parent: Generation | null;
}

/** Host metadata page of one VM, as stored (docs/disk-format.md). Immutable: each change is a new page. */
export interface Page {
  readonly cluster: string;
  readonly vm: VmId;
  readonly volumes: readonly VolumeShape[];
  readonly gen: Generation | null;
  readonly parent: Generation | null;
  readonly right: Right;
  readonly copy: CopyState;
  /** While `sole`: the joint lineage that the dirty map counts from; else null. */
  readonly base: Lineage | null;
  /** Past generations, newest first; at most 32. */
  readonly history: readonly Generation[];
  /** Null: no quorum service counts for this generation. */
  readonly arbiter: Arbiter | null;
  /** Boot whose writes this copy holds. */
  readonly vmBoot: VmBoot | null;
  /** Number of starts of the host process on this disk; 0 only on a disk that no host has started on. */
  readonly starts: number;
  readonly startId: RandomId | null;
  readonly lastStartId: RandomId | null;
  readonly peer: PeerMemory | null;
  /** While a resync target: generation of the source whose dirty map says what this copy lacks. */
  readonly resyncFrom: Generation | null;
  readonly hold: { readonly kind: Hold; readonly wallMs: number | null } | null;
}

/** Longest history kept; older generations are dropped. */
export const HISTORY_MAX = 32;

/** Page of a disk that holds nothing yet. */
export function blankPage(identity: {
  readonly cluster: string;
  readonly vm: VmId;
  readonly volumes: readonly VolumeShape[];
}): Page {
  return {
    ...identity,
    gen: null,
    parent: null,
    right: "none",
    copy: "blank",
    base: null,
    history: [],
    arbiter: null,
    vmBoot: null,
    starts: 0,
    startId: null,
    lastStartId: null,
    peer: null,
    resyncFrom: null,
    hold: null,
  };
}

/** The page after moving to `gen`: the generation left behind becomes the parent and the newest of the history. */
export function succeed(page: Page, gen: Generation): Page {
  const history = page.gen === null ? page.history : [page.gen, ...page.history];
  return { ...page, gen, parent: page.gen, history: history.slice(0, HISTORY_MAX) };
}
