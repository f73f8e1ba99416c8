/** Everything a switch holds. Mutated in place by the modules of this folder. */
import type { HostId, VmBoot, VmId } from "../identity.ts";
import type { Position, SessionId } from "../machine/entry.ts";
import type { OutputsNote, SwitchEffect } from "./contract.ts";
import type { Announcement, SessionPositions, ToSwitch } from "./frames.ts";

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
  recentBytes: number;
  hostFinAt: Position | null;
  hasConflict: boolean;
}

export interface Followed {
  readonly announcement: Announcement;
  /** Null: it withdrew, or its connection closed; nobody announces the VM. */
  conn: number | null;
}

export interface VmState {
  readonly vm: VmId;
  followed: Followed | null;
  readonly sessions: Map<SessionId, Session>;
  /** Sessions whose client took bytes in this turn. */
  readonly taken: Set<SessionId>;
}

interface Tally {
  note: OutputsNote;
  isChanged: boolean;
}

export interface SwitchState {
  readonly vms: ReadonlyMap<VmId, VmState>;
  /** VM of every session. */
  readonly sessions: Map<SessionId, VmState>;
  readonly hosts: Map<number, HostId>;
  /** By boot, generation and host. */
  readonly tallies: Map<string, Tally>;
  /** Connections that left a gap in this turn. */
  readonly gaps: Set<number>;
  isTurnWanted: boolean;
  reportedAtUs: number;
}

/** A host's `data` frame, with who sent it. */
export interface Arrival {
  readonly conn: number;
  readonly host: HostId;
  readonly frame: Extract<ToSwitch, { readonly kind: "data" }>;
  readonly nowUs: number;
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

export function wantTurn(state: SwitchState, out: Out): void {
  if (state.isTurnWanted) return;
  state.isTurnWanted = true;
  out.push({ kind: "want-turn" });
}

export function forgetSession(state: SwitchState, vm: VmState, session: Session): void {
  vm.sessions.delete(session.id);
  state.sessions.delete(session.id);
}
