/**
 * The host core's border: events in, effects out. A driver performs the effects of one step in their order without awaiting any;
 * completions come back as events. The same core runs under the real driver (node/io) and the simulator (harness/sim).
 */

import type { DiskContents, DiskOp, ReadBlock } from "../disk/ops.ts";
import type { HostId, RandomId, ServiceId, VmBoot, VmId, VolumeId } from "../identity.ts";
import type { BootBlock, Entry, MachineResult, VolumeShape } from "../machine/entry.ts";
import type { HostMark } from "../marks.ts";
import type { BlockRuns, PathId, PeerFrame } from "../pair/frames.ts";
import type { Page } from "../pair/page.ts";
import type { QuorumAnswer, QuorumFrame, QuorumRequest } from "../quorum/messages.ts";
import type { FromSwitch, ToSwitch } from "../switch/frames.ts";
import type { Timing } from "../timing.ts";
import type { Instant, Lba, Milliseconds } from "../units.ts";

export type SwitchId = string;

/** One way to the peer. */
export interface PathConfig {
  readonly id: PathId;
  /** `alink` paths may carry the ordered stream; `mgmt` carries beats only. */
  readonly role: "alink" | "mgmt";
  /** This host dials; else it waits for the peer's connection. */
  readonly dials: boolean;
}

/** All that a host core is told about one VM. Resolved: nothing is optional. */
export interface HostConfig {
  readonly cluster: string;
  readonly vm: VmId;
  readonly host: HostId;
  readonly peer: HostId;
  readonly volumes: readonly VolumeShape[];
  readonly paths: readonly PathConfig[];
  /** Configured quorum services, preferred one first; empty: none configured. */
  readonly services: readonly ServiceId[];
  readonly switches: readonly SwitchId[];
  /** Host that runs the VM when both could, and keeps the right when the pair is pre-elected without a runner. */
  readonly preferred: HostId;
  /** `protect` was asked for on this host: it makes generation 1 of a blank pair. */
  readonly protect: boolean;
  readonly peerLoss: "preferred" | "continue";
  /** Models a longer guest boot; 0: none. */
  readonly bootDelay: Milliseconds;
  readonly timing: Timing;
}

export type HostEvent = {
  readonly now: Instant;
  /**
   * Another event has happened already and is stepped next: what gains by company (a round of writes, a run of the machine) waits for it. Absent:
   * none is known.
   */
  readonly isMoreDue?: boolean;
} & (
  | { readonly kind: "start"; readonly disk: DiskContents; readonly ids: readonly RandomId[] }
  /** Every `tick` ms. */
  | { readonly kind: "tick" }
  /** Answer to `need-ids`. */
  | { readonly kind: "ids"; readonly ids: readonly RandomId[] }
  /** A connection of this path passed the transport's hello. `conn` is new for every connection of this process. */
  | { readonly kind: "path-up"; readonly path: PathId; readonly conn: number }
  | { readonly kind: "path-down"; readonly path: PathId; readonly conn: number }
  /** A dial of this path was refused, or accepted and closed before its hello. The driver redials by itself every `redial` ms. */
  | { readonly kind: "path-refused"; readonly path: PathId }
  | {
      readonly kind: "peer-frame";
      readonly path: PathId;
      readonly conn: number;
      readonly frame: PeerFrame;
    }
  | { readonly kind: "service-up"; readonly service: ServiceId; readonly conn: number }
  | { readonly kind: "service-down"; readonly service: ServiceId; readonly conn: number }
  | {
      readonly kind: "service-frame";
      readonly service: ServiceId;
      readonly conn: number;
      readonly frame: QuorumFrame<QuorumAnswer>;
    }
  | { readonly kind: "switch-up"; readonly switch: SwitchId; readonly conn: number }
  | { readonly kind: "switch-down"; readonly switch: SwitchId; readonly conn: number }
  | {
      readonly kind: "switch-frame";
      readonly switch: SwitchId;
      readonly conn: number;
      readonly frame: FromSwitch;
    }
  /** Everything given to the disk up to the commit with this token is durable. */
  | { readonly kind: "disk-done"; readonly token: number }
  /** A write or flush failed: the disk is dead for this VM. */
  | { readonly kind: "disk-failed"; readonly token: number; readonly code: string }
  /**
   * Answer to `read-volumes`. `bad` lists the blocks whose checksum, address or entry is wrong, with the bytes as read and the CRC-32 of
   * those; `blocks` holds them too.
   */
  | {
      readonly kind: "volumes-read";
      readonly token: number;
      readonly blocks: readonly BootBlock[];
      readonly bad: readonly {
        readonly volume: VolumeId;
        readonly lba: Lba;
        readonly data: Uint8Array;
        readonly sum: number;
      }[];
    }
  /** Answer to `read-blocks`, in the order asked for. */
  | {
      readonly kind: "blocks-read";
      readonly token: number;
      readonly blocks: readonly (ReadBlock & { readonly isBad: boolean })[];
    }
  /** Answer to `save-blocks`: durable outside the disk. */
  | { readonly kind: "blocks-saved"; readonly token: number; readonly file: string }
  | { readonly kind: "save-failed"; readonly token: number; readonly code: string }
  | { readonly kind: "operator"; readonly command: OperatorCommand }
  | { readonly kind: "machine-ready"; readonly vmBoot: VmBoot }
  | { readonly kind: "machine-result"; readonly vmBoot: VmBoot; readonly result: MachineResult }
);

export type HostEffect =
  /** Best effort: dropped when that connection is gone. Frames of one connection keep their order. */
  | {
      readonly kind: "send-peer";
      readonly path: PathId;
      readonly conn: number;
      readonly frame: PeerFrame;
    }
  /** Drops the connection; the path's `path-down` follows. */
  | { readonly kind: "close-path"; readonly path: PathId; readonly conn: number }
  | {
      readonly kind: "send-service";
      readonly service: ServiceId;
      readonly conn: number;
      readonly frame: QuorumFrame<QuorumRequest>;
    }
  | {
      readonly kind: "send-switch";
      readonly switch: SwitchId;
      readonly conn: number;
      readonly frame: ToSwitch;
    }
  /** Makes the ops in order, then flushes; `disk-done` with this token follows. Commits end in the order of their tokens. */
  | { readonly kind: "commit"; readonly token: number; readonly ops: readonly DiskOp[] }
  /** Reads and verifies every block ever written, over all volumes. */
  | { readonly kind: "read-volumes"; readonly token: number }
  /** Reads blocks as they are with every commit given before; `isBad` when table and bytes disagree. */
  | {
      readonly kind: "read-blocks";
      readonly token: number;
      readonly volume: VolumeId;
      readonly lbas: readonly Lba[];
    }
  /** Writes these blocks, their sums and the page to a new file beside the disk, flushed. */
  | {
      readonly kind: "save-blocks";
      readonly token: number;
      readonly page: Page;
      readonly blocks: readonly BlockRuns[];
    }
  /** Starts a machine on these blocks; `machine-ready` follows, not before `delay` ms. Replaces a machine that runs. */
  | {
      readonly kind: "machine-start";
      readonly vmBoot: VmBoot;
      readonly blocks: readonly BootBlock[];
      readonly delay: Milliseconds;
    }
  /** Runs entries; `machine-result` follows. The core has at most one run under way. */
  | { readonly kind: "machine-run"; readonly vmBoot: VmBoot; readonly entries: readonly Entry[] }
  /** Drops the machine and its memory; results of it that are under way are dropped too. */
  | { readonly kind: "machine-stop" }
  | { readonly kind: "need-ids" }
  /** For the record: the driver stamps it with the machine's monotonic clock. */
  | { readonly kind: "note"; readonly note: HostNote }
  /** Counts a rare branch. */
  | { readonly kind: "mark"; readonly mark: HostMark };

/** What a host reports of itself, in the order it happens. */
export type HostNote =
  | {
      readonly what: "page";
      readonly right: string;
      readonly copy: string;
      readonly gen: string | null;
      readonly n: number;
      readonly why: string;
    }
  | {
      readonly what: "session";
      readonly state: "open" | "closed";
      readonly verdict: string | null;
      readonly why: string;
    }
  | { readonly what: "suspect"; readonly why: string }
  | {
      readonly what: "claim";
      readonly state: "sent" | "granted" | "refused" | "cancelled";
      readonly from: string;
      readonly gen: string;
    }
  | {
      readonly what: "vm";
      readonly state:
        | "booting"
        | "ready"
        | "announced"
        | "suspended"
        | "resumed"
        | "stopped"
        | "trapped";
      readonly boot: string;
      readonly why: string;
    }
  | { readonly what: "state"; readonly derived: DerivedState }
  | {
      readonly what: "resync";
      readonly state: ResyncNote;
      readonly isFull: boolean;
      readonly percent: number;
    }
  /** What became of an operator's command. */
  | {
      readonly what: "operator";
      readonly op: OperatorCommand["op"];
      readonly state: "accepted" | "done" | "refused";
      readonly why: string;
    }
  | { readonly what: "saved"; readonly file: string; readonly blocks: number }
  | { readonly what: "alert"; readonly code: string; readonly detail: string };

/** `progress` at every tenth. `percent`: of the extents that had to be looked at. */
export type ResyncNote = "started" | "progress" | "done" | "interrupted";

/** What an operator may ask of one host. */
export type OperatorCommand =
  /** After a split brain: whose copy stays. `damaged`: even if it is inconsistent. */
  | { readonly op: "resolve"; readonly keep: HostId; readonly damaged: boolean }
  /** Boots this copy without peer and arbiter. `wallMs`: wall clock, for the page. */
  | { readonly op: "force-boot"; readonly damaged: boolean; readonly wallMs: number }
  /** Moves the VM to the peer. */
  | { readonly op: "switch-over" }
  /** Moves everything away, then leaves the pair. */
  | { readonly op: "drain" };

/** What people see. */
export type DerivedState =
  | "starting"
  | "duplex"
  | "pre-elected"
  | "simplex"
  | "resync-source"
  | "resync-target"
  | "redirect"
  | "suspended"
  | "blocked"
  | "split-brain";
