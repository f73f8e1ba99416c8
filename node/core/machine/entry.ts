/**
 * What goes into a virtual machine and what comes out. Both are plain data, so that a machine in a worker thread, one in line in
 * the simulator, and (at Level 3) one on each host are driven alike: equal entries give equal results.
 */
import type { VmBoot, VolumeId } from "../identity.ts";
import type { Lba } from "../units.ts";

/** Number of a client session, unique in its cluster's life; given by the switch that accepted the client. */
export type SessionId = number;

/**
 * Positions count a session's stream in one direction: open (or acceptance) takes 0, each byte one, fin one.
 * So the first byte has position 1.
 */
export type Position = number;

export interface Segment {
  readonly session: SessionId;
  /** Position of the first byte. Bytes below what the machine already received are trimmed, bytes beyond a gap are ignored. */
  readonly position: Position;
  readonly bytes: Uint8Array;
}

export type EntryPayload =
  /** First entry of a boot. `seed` is 32 bytes. */
  | { readonly kind: "boot"; readonly vmBoot: VmBoot; readonly seed: Uint8Array }
  /** What one turn of the host's loop brought, in order; after the last segment the guest's export `settled` runs once. */
  | { readonly kind: "input"; readonly segments: readonly Segment[] }
  | {
      readonly kind: "session";
      readonly session: SessionId;
      readonly what: "open" | "fin" | "reset";
    }
  /** The client side took everything below `position`: the machine may forget those sent bytes. */
  | { readonly kind: "sent-through"; readonly session: SessionId; readonly position: Position }
  | { readonly kind: "tick" };

export type Entry = EntryPayload & {
  /** Number in the log of this boot; 1 is the first, no gaps. */
  readonly i: number;
  /** Virtual time; never less than the entry before. Unit: microseconds. */
  readonly t: number;
};

/** A block that the guest wrote. Numbered from 1 per boot over all volumes, in the order of writing. */
export interface GuestWrite {
  readonly number: number;
  /** Flushes the guest had issued before this write, + 1. */
  readonly epoch: number;
  /** Entry in whose execution it was written. */
  readonly cause: number;
  readonly volume: VolumeId;
  readonly lba: Lba;
  /** 4096 bytes, owned by the receiver. */
  readonly data: Uint8Array;
  /** CRC-32 of `data`. */
  readonly sum: number;
}

export interface MachineOutput {
  readonly session: SessionId;
  readonly position: Position;
  readonly what: "accept" | "data" | "fin" | "reset";
  /** Empty unless `what` is `data`. */
  readonly bytes: Uint8Array;
  /** Entry that produced it. */
  readonly cause: number;
  /** Number of the last flush the guest had issued when it produced this output; 0 if none. */
  readonly barrier: number;
}

/** Client bytes below `position` are in the machine: the switch may free them. */
export interface ReceiveMark {
  readonly session: SessionId;
  readonly position: Position;
}

export interface MachineResult {
  /** Highest entry executed. */
  readonly exec: number;
  readonly writes: readonly GuestWrite[];
  /** Number of flushes the guest has issued since its boot. */
  readonly flushes: number;
  /** In order; one session's outputs have rising positions. */
  readonly outputs: readonly MachineOutput[];
  /** One per session that received bytes, open or fin in this run. */
  readonly receives: readonly ReceiveMark[];
  /** Virtual time at which the guest wants a tick; null when no timer is armed. Unit: microseconds. */
  readonly timerAt: number | null;
  /** Set when the guest trapped: the machine is dead from the entry after `exec` on. */
  readonly trap: { readonly at: number; readonly why: string } | null;
}

/** A block given to a machine at its boot; blocks that were never written read as zeros. */
export interface BootBlock {
  readonly volume: VolumeId;
  readonly lba: Lba;
  readonly data: Uint8Array;
}

export interface VolumeShape {
  readonly id: VolumeId;
  readonly blocks: number;
}

export interface MachineSpec {
  /** Path or name of the guest's `.wasm`, for the driver that loads it. */
  readonly guest: string;
  /** Pages of 64 KiB; maximum = initial. */
  readonly memoryPages: number;
  readonly volumes: readonly VolumeShape[];
}
