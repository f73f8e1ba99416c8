/** Frames between a host and a site's switch: announcements, and the small reliable protocol that carries clients' TCP streams. */
import type { Generation, HostId, VmBoot, VmId } from "../identity.ts";
import type { Position, SessionId } from "../machine/entry.ts";

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

export type ToSwitch =
  | { readonly kind: "announce"; readonly announcement: Announcement }
  /** The VM stopped here; ignored unless this host and boot are followed. */
  | { readonly kind: "withdraw"; readonly vm: VmId; readonly vmBoot: VmBoot }
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

export type FromSwitch =
  /** Answer to an accepted announcement: the sessions of that boot. */
  | {
      readonly kind: "positions";
      readonly vm: VmId;
      readonly vmBoot: VmBoot;
      readonly sessions: readonly SessionPositions[];
    }
  /** An announcement that lost against the followed one. */
  | { readonly kind: "ignored"; readonly vm: VmId; readonly vmBoot: VmBoot }
  | {
      readonly kind: "client";
      readonly vm: VmId;
      readonly vmBoot: VmBoot;
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
