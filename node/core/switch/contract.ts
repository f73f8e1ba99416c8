/**
 * The switch's border: events in, effects out. A switch is part of the environment: it survives, follows the hosts' announcements and carries
 * clients' TCP streams; it fences nobody, so that in a split brain an observer sees both sides. Rules SW1…SW6 and LAN1…LAN7, docs/ARCHITECTURE.md.
 */

import type { HostId, RandomId, VmId } from "../identity.ts";
import type { Position, SessionId } from "../machine/entry.ts";
import type { SwitchMark } from "../marks.ts";
import type { FromSwitch, ToSwitch, TrunkFrame } from "./frames.ts";
import type { SiteNumber } from "./home.ts";

/** Most sessions of one VM: the positions of all fit into one frame. Beyond it new clients are refused. */
export const SESSIONS_MAX = 512;
/** Client bytes kept for one session before its client is no longer read. Unit: bytes. */
export const CLIENT_WINDOW = 262_144;
/** Bytes written to a client and kept, to compare with what is sent again. Unit: bytes. */
export const COMPARE_WINDOW = 65_536;
/** Bytes written to a client that its socket has not taken before it is given up. Unit: bytes. */
export const UNTAKEN_MAX = 67_108_864;
/** Least time between two reports of outputs. Unit: microseconds. */
export const REPORT_EVERY_US = 20_000;
/** Most bytes in one `client` frame. */
export const CLIENT_FRAME_BYTES = 65_536;

/** A link that was quiet for so long is asked. Unit: microseconds. */
export const LAN_BEAT_US = 100_000;
/** A way that was not heard for so long is not used: three beats may be lost. Unit: microseconds, counted by own ticks. */
export const LAN_SILENCE_US = 350_000;
/** A tick that comes later adds nothing to anybody's silence: it was this process that did not run. Unit: microseconds. */
export const LATE_TICK_US = 50_000;

export interface SwitchConfig {
  /** Differs from every other switch's of the cluster. */
  readonly site: SiteNumber;
  /** VMs that have an address here, in order. */
  readonly vms: readonly VmId[];
  /** When this process started, on the clock of `nowUs`: above 0, and after every start before it. */
  readonly startedAtUs: number;
}

/** `nowUs`: the machine's monotonic clock (virtual in `sim`), the one of `intakeAtUs`. */
export type SwitchEvent = {
  readonly nowUs: number;
} /** A host's connection passed the hello; `host` comes from there. `conn` is new for every connection. */ & (
  | { readonly kind: "host-up"; readonly conn: number; readonly host: HostId }
  | { readonly kind: "host-down"; readonly conn: number }
  | { readonly kind: "host-frame"; readonly conn: number; readonly frame: ToSwitch }
  /** A connection to the other switch passed the hello; a newer one takes the place of an older. `conn` is new, among trunks. */
  | { readonly kind: "trunk-up"; readonly conn: number }
  | { readonly kind: "trunk-down"; readonly conn: number }
  | { readonly kind: "trunk-frame"; readonly conn: number; readonly frame: TrunkFrame }
  /** A client's connection was accepted at the VM's address. `session` is this site's, and was never used before in this cluster. */
  | { readonly kind: "client-accepted"; readonly vm: VmId; readonly session: SessionId }
  /** `bytes` belong to the switch from here on. */
  | { readonly kind: "client-data"; readonly session: SessionId; readonly bytes: Uint8Array }
  /** The client sends no more, and may still read. */
  | { readonly kind: "client-fin"; readonly session: SessionId }
  /** The client's connection is gone without both ends. */
  | { readonly kind: "client-gone"; readonly session: SessionId }
  /** The client's socket took what `write-client` or `end-client` with this `upTo` gave it. */
  | { readonly kind: "client-drained"; readonly session: SessionId; readonly upTo: Position }
  /** The loop turn in which `want-turn` came is over. */
  | { readonly kind: "turn" }
  /** At least every `REPORT_EVERY_US`. Silence is counted by it. */
  | { readonly kind: "tick" }
  /** Report outputs now, changed or not since the last report; for quiesce and stop. */
  | { readonly kind: "report" }
);

export type SwitchEffect =
  /** Best effort: dropped when that connection is gone. */
  | { readonly kind: "send-host"; readonly conn: number; readonly frame: FromSwitch }
  | { readonly kind: "send-trunk"; readonly conn: number; readonly frame: TrunkFrame }
  | {
      readonly kind: "write-client";
      readonly session: SessionId;
      readonly bytes: Uint8Array;
      readonly upTo: Position;
    }
  /** Nothing is written to this client any more; it may still send. */
  | { readonly kind: "end-client"; readonly session: SessionId; readonly upTo: Position }
  /** Ends the client's connection at once (RST). Its later events are ignored. */
  | { readonly kind: "reset-client"; readonly session: SessionId }
  /** The client's socket is not read until `resume-client`. */
  | { readonly kind: "pause-client"; readonly session: SessionId }
  | { readonly kind: "resume-client"; readonly session: SessionId }
  /** Asks for one `turn`, after the events of this loop turn. */
  | { readonly kind: "want-turn" }
  | { readonly kind: "note"; readonly note: SwitchNote }
  /** Counts a rare branch. */
  | { readonly kind: "mark"; readonly mark: SwitchMark };

/** `lan`: by the host's link to this switch; `trunk`: by way of the other switch. */
export type WayKind = "lan" | "trunk";
/** Why nobody is heard any more: the host said so, its last way closed, or it fell silent. */
export type LossReason = "withdrawn" | "closed" | "silent";

/** What a switch reports, in the order it happens. */
export type SwitchNote =
  | {
      readonly what: "announce";
      readonly state: "accepted" | "ignored";
      readonly vm: VmId;
      readonly host: HostId;
      readonly boot: RandomId;
      readonly bootN: number;
      readonly gen: RandomId;
      readonly n: number;
      readonly term: number;
      readonly via: WayKind;
      readonly why: string;
    }
  /** The followed host is reached another way from now on. */
  | { readonly what: "way"; readonly vm: VmId; readonly host: HostId; readonly via: WayKind }
  /** Nobody announces the VM any more. */
  | {
      readonly what: "unfollowed";
      readonly vm: VmId;
      readonly host: HostId;
      readonly boot: RandomId;
      readonly why: LossReason;
    }
  | {
      readonly what: "sessions-reset";
      readonly vm: VmId;
      readonly boot: RandomId;
      readonly count: number;
    }
  | OutputsNote
  | {
      readonly what: "byte-conflict";
      readonly vm: VmId;
      readonly boot: RandomId;
      readonly session: SessionId;
      readonly position: Position;
      readonly host: HostId;
      readonly gen: RandomId;
    };

/**
 * What one host put out under one generation, counted from the switch's start: everything that arrived, also what was dropped as repeated or
 * as another boot's. Times in microseconds.
 */
export interface OutputsNote {
  readonly what: "outputs";
  readonly vm: VmId;
  readonly boot: RandomId;
  readonly gen: RandomId;
  readonly n: number;
  readonly host: HostId;
  readonly maxIntakeAtUs: number;
  readonly firstAtUs: number;
  readonly lastAtUs: number;
  readonly bytes: number;
}
