/**
 * Frames between a host and a site's switch: announcements, and the small reliable protocol that carries clients' TCP streams. Frames between
 * two switches carry the same, for hosts that only the other one hears.
 */
import type { Generation, HostId, VmBoot, VmId } from "../identity.ts";
import type { Position, SessionId } from "../machine/entry.ts";
import type { SiteNumber } from "./home.ts";

/** The hosts' gratuitous ARP: where the VM is now. At Level 2 `term` is 1. */
export interface Announcement {
  readonly vm: VmId;
  readonly vmBoot: VmBoot;
  readonly gen: Generation;
  readonly term: number;
  readonly host: HostId;
}

/** One session as the switch sees it. */
export interface SessionPositions {
  readonly session: SessionId;
  /** VM → client: everything below was taken by the client's socket. */
  readonly delivered: Position;
  /** Client → VM: everything below was freed by the machine's receive acknowledgement. */
  readonly freed: Position;
  /** Client → VM: everything below arrived from the client. */
  readonly received: Position;
}

/** What is about one session: goes to the session's home, whichever switch the host sent it to. */
export type SessionFrame =
  | {
      readonly kind: "data";
      readonly vm: VmId;
      readonly vmBoot: VmBoot;
      readonly gen: Generation;
      readonly session: SessionId;
      readonly position: Position;
      readonly what: "accept" | "data" | "fin" | "reset";
      readonly bytes: Uint8Array;
      /** When the sender's host took in the cause of this output. Unit: microseconds on that machine's monotonic clock (virtual in `sim`). */
      readonly intakeAtUs: number;
    }
  | {
      readonly kind: "rack";
      readonly vm: VmId;
      readonly vmBoot: VmBoot;
      readonly session: SessionId;
      readonly position: Position;
    };

export type ToSwitch =
  | { readonly kind: "announce"; readonly announcement: Announcement }
  /** The VM stopped here; ignored unless this host and boot are followed. */
  | { readonly kind: "withdraw"; readonly vm: VmId; readonly vmBoot: VmBoot }
  /** Answer to `beat`. */
  | { readonly kind: "beat-ok"; readonly vm: VmId }
  | SessionFrame;

export type FromSwitch =
  /** Answer to an accepted announcement: the sessions of that boot, all of one home. */
  | {
      readonly kind: "positions";
      readonly vm: VmId;
      readonly vmBoot: VmBoot;
      /** Of the announcement that is answered. */
      readonly term: number;
      readonly home: SiteNumber;
      /** Grows with every `positions` of this home that begins anew, over restarts of the switch too (LAN6). */
      readonly route: number;
      readonly sessions: readonly SessionPositions[];
    }
  /** An announcement that lost against the followed one. */
  | { readonly kind: "ignored"; readonly vm: VmId; readonly vmBoot: VmBoot }
  /** Is the host there? Answered at once by every host, whether the VM runs there or not. */
  | { readonly kind: "beat"; readonly vm: VmId }
  | {
      readonly kind: "client";
      readonly vm: VmId;
      readonly vmBoot: VmBoot;
      /** Of the `positions` that it follows; under another one it is late. */
      readonly route: number;
      readonly session: SessionId;
      readonly position: Position;
      readonly what: "open" | "data" | "fin" | "reset";
      readonly bytes: Uint8Array;
    }
  /** The client's socket took everything below `position`. */
  | {
      readonly kind: "taken";
      readonly vm: VmId;
      readonly vmBoot: VmBoot;
      readonly session: SessionId;
      readonly position: Position;
    };

/** Either way over the trunk. */
export type TrunkFrame =
  /** A host announces this to the sender, on the sender's own lan link (LAN1). Replaces what was said of that host and VM. */
  | { readonly kind: "heard"; readonly announcement: Announcement }
  /** It does so no more. */
  | { readonly kind: "unheard"; readonly vm: VmId; readonly host: HostId }
  /** A host sent this to the sender; its home is the receiver. */
  | { readonly kind: "from"; readonly host: HostId; readonly frame: SessionFrame }
  /** For a host on the receiver's lan link. */
  | { readonly kind: "to"; readonly host: HostId; readonly frame: FromSwitch }
  | { readonly kind: "beat" }
  /** Answer to `beat`. */
  | { readonly kind: "beat-ok" };
