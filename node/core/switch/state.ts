/** Everything a switch holds. Mutated in place by the modules of this folder. */
import type { HostId, VmBoot, VmId } from "../identity.ts";
import type { Position, SessionId } from "../machine/entry.ts";
import type { OutputsNote, SwitchConfig, SwitchEffect, WayKind } from "./contract.ts";
import type { Announcement, FromSwitch, SessionFrame, SessionPositions } from "./frames.ts";

export interface Session {
  readonly id: SessionId;
  readonly vm: VmId;
  /** Client → VM. Bytes from `max(freed, 1)` to `received`, without the fin. */
  kept: Uint8Array[];
  keptBytes: number;
  freed: Position;
  received: Position;
  clientFinAt: Position | null;
  isPaused: boolean;
  /** The client is gone; the followed host was not told yet. */
  isGone: boolean;
  /** VM → client: everything below was given to the client's socket. */
  written: Position;
  /** VM → client: everything below was taken by it. */
  delivered: Position;
  /** Last bytes written; they end at `written`, but for the fin. */
  recent: Uint8Array[];
  /** Of `recent`, so many at its begin are forgotten. */
  recentForgotten: number;
  recentBytes: number;
  hostFinAt: Position | null;
  hasConflict: boolean;
}

/** Counted by own ticks since the last sign of life. Unit: microseconds. */
export interface Silence {
  us: number;
  /** When this side last asked. */
  askedAtUs: number;
}

/** How a host is reached. */
export interface Way {
  readonly host: HostId;
  readonly via: WayKind;
  /** Of the host's own connection, or of the trunk. */
  readonly conn: number;
  /** By VM: what the host announced over this way and did not withdraw (LAN3). */
  readonly heard: Map<VmId, Announcement>;
  /** All ways over a trunk share the trunk's. */
  readonly silence: Silence;
}

export interface Trunk {
  readonly conn: number;
  readonly silence: Silence;
  /** Hosts that the other switch told of. */
  readonly ways: Map<HostId, Way>;
}

export interface Followed {
  readonly announcement: Announcement;
  /** In use; null: nobody announces the VM. */
  way: Way | null;
  /** Kind of the way in use, or of the last one; null: none yet. */
  via: WayKind | null;
  /** Of the last `positions` that began anew. */
  route: number;
}

export interface VmState {
  readonly vm: VmId;
  followed: Followed | null;
  readonly sessions: Map<SessionId, Session>;
  /** Sessions whose client took bytes in this turn. */
  readonly taken: Set<SessionId>;
}

/** A note under way: reports are copies. */
export interface Counted extends OutputsNote {
  maxIntakeAtUs: number;
  lastAtUs: number;
  bytes: number;
}

interface Tally {
  readonly note: Counted;
  isChanged: boolean;
}

export interface SwitchState {
  readonly config: SwitchConfig;
  readonly vms: ReadonlyMap<VmId, VmState>;
  /** VM of every session. */
  readonly sessions: Map<SessionId, VmState>;
  /** Hosts' own connections, oldest first. */
  readonly lan: Map<number, Way>;
  trunk: Trunk | null;
  nextRoute: number;
  /** By boot, generation and host. */
  readonly tallies: Map<string, Tally>;
  /** VMs whose followed host left a gap in this turn. */
  readonly gaps: Set<VmId>;
  isTurnWanted: boolean;
  reportedAtUs: number;
  tickedAtUs: number;
}

/** A host's `data` frame, with the way that it came. */
export interface Arrival {
  readonly way: Way;
  readonly frame: Extract<SessionFrame, { readonly kind: "data" }>;
}

/** Effects of the step under way, in their order. */
export type Out = SwitchEffect[];

export function newSession(id: SessionId, vm: VmId): Session {
  return {
    id,
    vm,
    kept: [],
    keptBytes: 0,
    freed: 0,
    received: 1,
    clientFinAt: null,
    isPaused: false,
    isGone: false,
    written: 0,
    delivered: 0,
    recent: [],
    recentForgotten: 0,
    recentBytes: 0,
    hostFinAt: null,
    hasConflict: false,
  };
}

/** The boot that sessions belong to; null before the first announcement. */
export function bootOf({ followed }: VmState): VmBoot | null {
  return followed === null ? null : followed.announcement.vmBoot;
}

export function positionsOf(vm: VmState): readonly SessionPositions[] {
  return [...vm.sessions.values()].map(({ id, delivered, freed, received }) => ({
    session: id,
    delivered,
    freed,
    received,
  }));
}

/** Best effort, by the host's own connection or handed to the other switch. */
export function sendHost({ via, conn, host }: Way, frame: FromSwitch, out: Out): void {
  if (via === "lan") out.push({ kind: "send-host", conn, frame });
  else out.push({ kind: "send-trunk", conn, frame: { kind: "to", host, frame } });
}

export function wantTurn(state: SwitchState, out: Out): void {
  if (state.isTurnWanted) return;
  state.isTurnWanted = true;
  out.push({ kind: "want-turn" });
}

export function forgetSession(state: SwitchState, vm: VmState, session: Session): void {
  vm.sessions.delete(session.id);
  state.sessions.delete(session.id);
}
