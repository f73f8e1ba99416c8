/** Everything a host core holds in memory for one VM. Mutated in place by the modules of pair/, mirror/ and host/. */
import type { DiskOp } from "../disk/ops.ts";
import type { Generation, HostId, RandomId, ServiceId, VmBoot, VolumeId } from "../identity.ts";
import type {
  BootBlock,
  GuestWrite,
  MachineOutput,
  Position,
  SessionId,
} from "../machine/entry.ts";
import type { SumBook } from "../mirror/book.ts";
import type { CopiedBlockSum, ExtentList, HelloView, PathId, PeerBody } from "../pair/frames.ts";
import type { Page, Right } from "../pair/page.ts";
import type { Verdict } from "../pair/reconnect.ts";
import type { QuorumRecord } from "../quorum/messages.ts";
import type { FromSwitch } from "../switch/frames.ts";
import type { SiteNumber } from "../switch/home.ts";
import type { Instant } from "../units.ts";
import type { DerivedState, HostConfig, HostEffect, PathConfig, SwitchId } from "./contract.ts";

export interface PathState {
  readonly config: PathConfig;
  /** Connection in use; null while down. */
  conn: number | null;
  /** Accumulated by the watcher's ticks since the last valid frame, or since the path went down. */
  silentFor: number;
  /** A redial failed since the path went down. */
  isRefused: boolean;
}

export interface ServiceState {
  readonly id: ServiceId;
  conn: number | null;
  record: QuorumRecord | null;
  heardAt: Instant | null;
  nextRequest: number;
  beatAt: Instant;
  /** Its record lay behind what this host saw, once: it may be an answer that was overtaken. */
  isDoubted: boolean;
}

/** A transition that waits for the peer or the service. */
export interface PendingStep {
  readonly kind: "pair" | "register" | "cede";
  readonly gen: Generation;
  readonly deadline: Instant;
  /** `register`: the request, by its number on its connection. */
  readonly asked: AskedOf | null;
}

export interface AskedOf {
  readonly service: ServiceId;
  readonly conn: number;
  readonly request: number;
}

export type SessionState =
  | { readonly kind: "none" }
  /** The opening hello is out. */
  | {
      readonly kind: "hello-sent";
      readonly path: PathId;
      readonly conn: number;
      readonly nonce: RandomId;
      readonly view: HelloView;
      readonly since: Instant;
    }
  /** The hello is answered; the session opens at the opener's first frame, which proves that its hello was not a late one. */
  | {
      readonly kind: "answered";
      readonly path: PathId;
      readonly conn: number;
      readonly id: RandomId;
      readonly mine: HelloView;
      readonly view: HelloView;
      readonly since: Instant;
    }
  | OpenSession;

export interface OpenSession {
  readonly kind: "open";
  readonly id: RandomId;
  readonly path: PathId;
  readonly conn: number;
  readonly openedAt: Instant;
  /** Becomes `par` when a pairing ends. */
  verdict: Verdict;
  sent: number;
  received: number;
  peerRight: Right;
  peerGenNow: Generation | null;
  /** Boot that runs at the peer; null: none. */
  peerBoot: VmBoot | null;
  /** Highest boot number in the peer's page; 0: none. */
  readonly peerBootN: number;
  peerIntentsEmpty: boolean;
  peerSeen: readonly ServiceId[];
  step: PendingStep | null;
  /** A `cede` that came while a page was on its way. */
  heldCede: { readonly gen: Generation; readonly from: RandomId | null } | null;
  /** A `pair` that came while the page `inconsistent` was on its way: nothing was to be copied. */
  heldPair: { readonly body: PeerBody & { kind: "pair" }; readonly from: RandomId | null } | null;
  /** Who boots, and beats while none runs: the preferred host, or the one that a handover named. */
  turn: HostId;
  /** Boot that the peer handed over: beats of it that come late count for nothing. */
  endedBoot: RandomId | null;
  resync: SourceResync | TargetResync | null;
  /** The peer asked to be left alone: this host is to be elected, and goes on by itself. */
  isLeaving: boolean;
  isLeaveSaid: boolean;
  /** Of a `discard` verdict: the loser has named what it holds. */
  mapsSaid: boolean;
}

/** `unready`: the target steps down. `merging`: the maps are on their way to the disk. `copying`: writes to clean blocks are mirrored. */
export interface SourceResync {
  readonly side: "source";
  readonly isFull: boolean;
  phase: "unready" | "merging" | "copying";
  /** Of the target. */
  intents: readonly ExtentList[] | null;
  /** Extents whose sums the target has not told yet. */
  readonly unseen: Set<BlockKey>;
  /** Extents at the beginning. */
  total: number;
  saidTenth: number;
  /** Blocks known to differ, not yet read. */
  readonly queue: BlockKey[];
  /** Blocks being read, or sent and not answered. Touched: written meanwhile. */
  readonly copying: Map<BlockKey, { isTouched: boolean }>;
  /** Dirty blocks that cannot be read: only a new write of the guest makes them whole. */
  readonly rotten: Set<BlockKey>;
}

/** `stopping`: writes of an older session are on their way to the disk. `merging`: the page `inconsistent` is. */
export interface TargetResync {
  readonly side: "target";
  phase: "stopping" | "stepping-down" | "unmerged" | "merging" | "receiving";
  /** Whose sums the source asked for with `merged`. */
  extents: readonly ExtentList[];
  /** Extents in a row whose sums are to be sent. */
  unsaid: { readonly volume: VolumeId; readonly first: number; readonly count: number }[];
  /** Durable here, and not yet said. */
  readonly copied: Map<VolumeId, CopiedBlockSum[]>;
}

/** A block of any volume as one number. */
export type BlockKey = number;

export interface PendingHello {
  readonly path: PathId;
  readonly conn: number;
  readonly nonce: RandomId;
  readonly view: HelloView;
}

export interface ClaimState {
  readonly service: ServiceId;
  readonly conn: number;
  readonly request: number;
  readonly from: Generation;
  readonly gen: Generation;
  sentAt: Instant;
}

export type VmState =
  | { readonly kind: "none" }
  | {
      readonly kind: "booting";
      readonly vmBoot: VmBoot;
      readonly readToken: number;
      isPageDurable: boolean;
      blocks: BootBlock[] | null;
      /** Blocks asked of the peer, since they do not match their checksums here. */
      readonly rotten: Map<BlockKey, number>;
      isStarted: boolean;
    }
  | RunningVm;

export interface RunningVm {
  readonly kind: "running";
  readonly vmBoot: VmBoot;
  readonly seed: Uint8Array;
  /** Highest entry given to the machine. */
  last: number;
  lastT: number;
  readonly bootedAt: Instant;
  isBusy: boolean;
  isAnnounced: boolean;
  isSuspended: boolean;
  inbox: (FromSwitch & { readonly kind: "client" })[];
  /** Positions taken by clients and not yet told to the machine. */
  readonly taken: Map<SessionId, number>;
  takenSince: Instant | null;
  timerAt: number | null;
  /** Entries under way or with outputs held: when they were taken in. */
  readonly intakeAt: Map<number, Instant>;
  held: MachineOutput[];
  /** Released and not yet taken by the client: sent again when a switch connects anew. */
  readonly sent: Map<SessionId, MachineOutput[]>;
  readonly switchOf: Map<SessionId, SwitchId>;
  /** By home: route of its last `positions`; client bytes under another one are late (LAN6). */
  readonly routes: Map<SiteNumber, number>;
  /** Everything below was received, as acknowledged; said again where the acknowledgement did not arrive (LAN7). */
  readonly racked: Map<SessionId, Position>;
  announcedGen: RandomId | null;
  /** Generation of the peer over whose copy the VM runs; null: it runs over its own. */
  overGen: Generation | null;
}

export interface ExtentIntent {
  lastWrite: number;
  lastAt: Instant;
}

/** A running VM that is to stop at a point where nothing is under way: for the peer to boot it, and perhaps to leave. */
export interface HandoverState {
  readonly op: "switch-over" | "drain";
}

export interface WriterState {
  /** Writes given and not yet begun. */
  queue: GuestWrite[];
  round: {
    readonly phase: "intents" | "data";
    readonly token: number;
    readonly writes: readonly GuestWrite[];
  } | null;
  /** Session whose peer is sending the rest of the queue's last epoch; null: it has been sent whole. */
  moreDueFrom: RandomId | null;
  /** Every write up to this number of the copy's boot is durable here. */
  durable: number;
  /** Writes queued or under way, by block: how many. */
  readonly pending: Map<BlockKey, number>;
  /** Numbers of writes not yet durable here that a resync mirrors: they need no dirty bit. */
  readonly mirrored: Set<number>;
  /** A target takes nothing onto its disk until its page says `inconsistent`. */
  isHeld: boolean;
}

export interface MirrorState {
  readonly writer: WriterState;
  /** Set bits, durable or on their way; removed when the clearing is given to the disk. */
  readonly intents: Map<VolumeId, Map<number, ExtentIntent>>;
  readonly dirty: Map<VolumeId, Set<number>>;
  /** Blocks that are dirty no more, and whose bits on the disk go with the next commit, whatever it is for: a bit too many costs a copy, a flush of its own the guest. */
  readonly clearing: Map<VolumeId, number[]>;
  /** CRC-32 of what each block of this copy holds, as given to the disk. */
  sumsHere: SumBook;
  /** Extents that differ from the peer's and that no map marks; they become dirty with the next `sole` page or resync. */
  readonly suspect: Map<VolumeId, Set<number>>;
  /** Runner: writes not known durable on the peer, in order. */
  unacked: GuestWrite[];
  /** Runner: every write up to this number is durable at the peer. */
  peerDurable: number;
  /** Runner: sums of writes sent and not yet answered. */
  readonly sums: Map<number, number>;
  /** Runner: number of the last write before each flush not yet complete. */
  flushEnds: { readonly flush: number; readonly upTo: number }[];
  lastWrite: number;
  /** When the VM last wrote; 0: never. */
  wroteAt: Instant;
  flushes: number;
  completed: number;
  completedFlush: number;
  /** Standby: writes up to this number are durable on both. */
  cleanTo: number;
  cleanSaid: number;
}

/** What follows when blocks were read or saved. */
export type ReadContinuation =
  | { readonly kind: "copy"; readonly session: RandomId; readonly volume: VolumeId }
  | { readonly kind: "fetch"; readonly session: RandomId; readonly volume: VolumeId }
  | { readonly kind: "save"; readonly session: RandomId; readonly count: number };

/** What follows when a commit is durable. */
export type Continuation =
  | { readonly kind: "started" }
  | { readonly kind: "page"; readonly page: Page; readonly after: AfterPage }
  | { readonly kind: "round" }
  | { readonly kind: "clear" }
  /** The dirty bits of mirrored writes whose session died. */
  | { readonly kind: "marked"; readonly upTo: number }
  | { readonly kind: "merged"; readonly session: RandomId }
  | {
      readonly kind: "copied";
      readonly session: RandomId;
      readonly volume: VolumeId;
      readonly blocks: readonly CopiedBlockSum[];
    }
  | { readonly kind: "mapped"; readonly session: RandomId };

export type AfterPage =
  | { readonly kind: "nothing" }
  | { readonly kind: "sole"; readonly why: string }
  | { readonly kind: "quarantined" }
  /** An operator's word is durable: the hosts meet anew. */
  | { readonly kind: "chosen" }
  /** The operator's word for this copy is durable. */
  | { readonly kind: "kept" }
  | { readonly kind: "say-paired"; readonly session: RandomId }
  | { readonly kind: "elected"; readonly session: RandomId | null }
  | { readonly kind: "say-ceded"; readonly session: RandomId; readonly from: RandomId | null }
  | { readonly kind: "say-armed"; readonly session: RandomId | null }
  | { readonly kind: "boot" }
  | { readonly kind: "stepped-down"; readonly session: RandomId }
  | { readonly kind: "inconsistent"; readonly session: RandomId }
  | { readonly kind: "discarded" };

export interface HostState {
  readonly config: HostConfig;
  now: Instant;
  /** Another event follows at once: rounds and runs wait for what it brings. */
  isMoreDue: boolean;
  isStarted: boolean;
  lastTick: Instant | null;
  /** Milliseconds of the running 2 s window that silence did not count. */
  starved: { from: Instant; uncounted: number; isSaid: boolean };
  /** Durable. */
  page: Page;
  /** Last given to the disk; equal to `page` when none is under way. */
  pageNext: Page;
  /** Pages not yet durable, in order; the first one is on its way. */
  readonly pages: {
    readonly page: Page;
    readonly after: AfterPage;
    readonly ops: readonly DiskOp[];
  }[];
  isDiskGood: boolean;
  /**
   * This host boots nothing and claims nothing. `verdict`: by the reconnect table, until a later session says otherwise, and it goes on saying
   * hello; `own`: for a reason of its own, and it is silent, so that the peer can take over.
   */
  barred: { readonly by: "verdict" | "own"; readonly why: string } | null;
  ids: RandomId[];
  nextToken: number;
  readonly commits: Map<number, Continuation>;
  readonly reads: Map<number, ReadContinuation>;
  /** Time, counted by on-time ticks, since the disk last ended something it owes. */
  diskSilentFor: number;
  readonly paths: readonly PathState[];
  readonly services: readonly ServiceState[];
  readonly switches: Map<SwitchId, number>;
  session: SessionState;
  pendingHello: PendingHello | null;
  helloAt: Instant;
  /** Hellos that nobody answered: the next one takes another A-link. */
  hellosInVain: number;
  isSuspected: boolean;
  beatSeq: number;
  beatAt: Instant;
  readonly beatsSent: Map<number, Instant>;
  leaseUntil: Instant | null;
  promiseUntil: Instant;
  claim: ClaimState | null;
  claimAt: Instant;
  mustRearm: boolean;
  /** The peer counts as lost, whatever is heard of it, until this host is alone or finds that it cannot be; null: it does not. */
  peerBarred: { readonly why: string; readonly since: Instant } | null;
  /** The peer handed over, or its disk is dead: alone at once, without waiting for this host's promise (a boot still does). */
  isPeerGone: boolean;
  rejoin: { wait: number; lostAt: Instant; startId: RandomId | null };
  handover: HandoverState | null;
  /** An operator wants this host out of the pair. */
  isDraining: boolean;
  /** An operator chose this copy: the peer is told in every split brain, until it gives up its own. */
  mustTellDiscard: boolean;
  /** Since when both see the preferred service while another one arbitrates; null: they do not. */
  preferredSeenSince: Instant | null;
  /** Since when the arbiter is unseen here or at the peer; null: seen by both. */
  arbiterUnseenSince: Instant | null;
  tidyAt: Instant;
  vm: VmState;
  readonly mirror: MirrorState;
  derived: DerivedState;
  out: HostEffect[];
}
