/** Everything a host core holds in memory for one VM. Mutated in place by the modules of pair/, mirror/ and host/. */
import type { DiskOp } from "../disk/ops.ts";
import type { Generation, RandomId, ServiceId, VmBoot, VolumeId } from "../identity.ts";
import type { BootBlock, GuestWrite, MachineOutput, SessionId } from "../machine/entry.ts";
import type { HelloView, PathId } from "../pair/frames.ts";
import type { Page, Right } from "../pair/page.ts";
import type { Verdict } from "../pair/reconnect.ts";
import type { QuorumRecord } from "../quorum/messages.ts";
import type { FromSwitch } from "../switch/frames.ts";
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
  /** `register`: number of the request on its connection. */
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
}

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
      blocks: readonly BootBlock[] | null;
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
  announcedGen: RandomId | null;
}

export interface ExtentIntent {
  lastWrite: number;
  lastAt: Instant;
}

export interface WriterState {
  /** Writes given and not yet begun. */
  queue: GuestWrite[];
  round: {
    readonly phase: "intents" | "data";
    readonly token: number;
    readonly writes: readonly GuestWrite[];
  } | null;
  /** Every write up to this number of the copy's boot is durable here. */
  durable: number;
}

export interface MirrorState {
  readonly writer: WriterState;
  /** Set bits, durable or on their way; removed when the clearing is given to the disk. */
  readonly intents: Map<VolumeId, Map<number, ExtentIntent>>;
  readonly dirty: Map<VolumeId, Set<number>>;
  /** Runner: writes not known durable on the peer, in order. */
  unacked: GuestWrite[];
  /** Runner: every write up to this number is durable at the peer. */
  peerDurable: number;
  /** Runner: sums of writes sent and not yet answered. */
  readonly sums: Map<number, number>;
  /** Runner: number of the last write before each flush not yet complete. */
  flushEnds: { readonly flush: number; readonly upTo: number }[];
  lastWrite: number;
  flushes: number;
  completed: number;
  completedFlush: number;
  /** Standby: writes up to this number are durable on both. */
  cleanTo: number;
  cleanSaid: number;
}

/** What follows when a commit is durable. */
export type Continuation =
  | { readonly kind: "started" }
  | { readonly kind: "page"; readonly page: Page; readonly after: AfterPage }
  | { readonly kind: "round" }
  | { readonly kind: "clear" };

export type AfterPage =
  | { readonly kind: "nothing" }
  | { readonly kind: "sole"; readonly why: string }
  | { readonly kind: "protect" }
  | { readonly kind: "say-paired"; readonly session: RandomId }
  | { readonly kind: "elected"; readonly session: RandomId | null }
  | { readonly kind: "say-ceded"; readonly session: RandomId; readonly from: RandomId | null }
  | { readonly kind: "say-armed"; readonly session: RandomId | null }
  | { readonly kind: "boot" }
  | { readonly kind: "stepped-down" };

export interface HostState {
  readonly config: HostConfig;
  now: Instant;
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
  readonly paths: readonly PathState[];
  readonly services: readonly ServiceState[];
  readonly switches: Map<SwitchId, number>;
  session: SessionState;
  pendingHello: PendingHello | null;
  helloAt: Instant;
  isSuspected: boolean;
  beatSeq: number;
  beatAt: Instant;
  readonly beatsSent: Map<number, Instant>;
  leaseUntil: Instant | null;
  promiseUntil: Instant;
  claim: ClaimState | null;
  claimAt: Instant;
  mustRearm: boolean;
  /** The peer stored something else than it was sent: it counts as lost until this host is alone. */
  isPeerBarred: boolean;
  /** Since when the arbiter is unseen here or at the peer; null: seen by both. */
  arbiterUnseenSince: Instant | null;
  tidyAt: Instant;
  vm: VmState;
  readonly mirror: MirrorState;
  derived: DerivedState;
  out: HostEffect[];
}
