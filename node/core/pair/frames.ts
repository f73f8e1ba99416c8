/**
 * Frames between the two hosts of a VM. Frames of all paths belong to one pair session; those with a `number` above 0 ride on the ordered
 * stream (one A-link), where a gap or repetition closes the session.
 */
import type {
  Generation,
  HostId,
  RandomId,
  ServiceId,
  VmBoot,
  VmId,
  VolumeId,
} from "../identity.ts";
import type { GuestWrite } from "../machine/entry.ts";
import type { Lba } from "../units.ts";
import type { Arbiter, Lineage, Page, Right } from "./page.ts";

/** Name of a way between the hosts: `alink0`, `alink1`, `mgmt`, … in the order of the address file. */
export type PathId = string;

export interface ExtentList {
  readonly volume: VolumeId;
  /** Ascending. */
  readonly extents: readonly number[];
}

/** Blocks of one volume as runs: first block and length, in turn, ascending. Short for a map with long runs. */
export interface BlockRuns {
  readonly volume: VolumeId;
  readonly runs: readonly number[];
}

/** What a host says of itself when a session opens. Everything the reconnect table needs, and nothing that is believed later. */
export interface HelloView {
  readonly host: HostId;
  /** The whole durable page. */
  readonly page: Page;
  /** A VM is in memory here, suspended or not. */
  readonly running: boolean;
  readonly suspended: boolean;
  /** Boot in memory (running) or the newest boot this copy holds. */
  readonly vmBoot: VmBoot | null;
  /**
   * Every write of `vmBoot` up to this number is durable here. Exact for a host that did not restart since; after a restart the number
   * recorded by the last commit but one.
   */
  readonly applied: number;
  /** Number of the last write of the VM in memory; 0: none runs here, or it has written nothing. */
  readonly lastWrite: number;
  /** The VM in memory has writes that are not durable on both. */
  readonly owes: boolean;
  /** Extents whose intent bit is set. */
  readonly intents: readonly ExtentList[];
  /** Digest of each extent's checksums, in the order of the volumes and their extents (docs/wire.md). */
  readonly digests: readonly number[];
  readonly diskGood: boolean;
  /** `protect` was asked for on this host. */
  readonly protect: boolean;
  /** Services this host is connected to and whose record it has. */
  readonly seen: readonly ServiceId[];
  /** The arbiter may have granted something that counts no more: a claim was cancelled, or its record is not (gen, none). */
  readonly mustRearm: boolean;
}

export interface CopiedBlock {
  readonly lba: Lba;
  /** CRC-32 of `data`. */
  readonly sum: number;
  /** 4096 bytes. */
  readonly data: Uint8Array;
}

/** Most blocks of one `copy`: 64 KiB. */
export const COPY_MAX = 16;
/** Most blocks of one `copied`: of several `copy`s that one flush served. */
export const COPIED_MAX = 1_024;

/** A block of which `copied` speaks. */
export type CopiedBlockSum = readonly [lba: Lba, sum: number];

export type PeerBody =
  /** First frame of a session attempt; `answers` is the other side's nonce, null in the opening hello. */
  | {
      readonly kind: "hello";
      readonly nonce: RandomId;
      readonly answers: RandomId | null;
      readonly view: HelloView;
    }
  /** The opener's first frame of the session: it holds the answer. The answering side acts on the verdict only after a frame like this. */
  | { readonly kind: "opened" }
  /** Asks for a lease: from the runner, or from the preferred host while none runs. `vmBoot` null: nothing runs. */
  | {
      readonly kind: "beat";
      readonly seq: number;
      readonly vmBoot: VmBoot | null;
      readonly seen: readonly ServiceId[];
    }
  /** `promised` false: the frame proves life only and grants no lease. */
  | {
      readonly kind: "beat-ok";
      readonly seq: number;
      readonly promised: boolean;
      readonly gen: Generation | null;
      readonly right: Right;
      readonly vmBoot: VmBoot | null;
      readonly intentsEmpty: boolean;
      readonly seen: readonly ServiceId[];
    }
  /** `isMoreDue`: the next frame of the stream is another write of the same epoch, sent in the same turn. */
  | { readonly kind: "write"; readonly write: GuestWrite; readonly isMoreDue: boolean }
  /** Every write up to `upTo` is durable at the sender; `sums` names what it stored, one pair a write of this round. */
  | {
      readonly kind: "wrote";
      readonly upTo: number;
      readonly sums: readonly (readonly [number: number, sum: number])[];
    }
  | { readonly kind: "clean-to"; readonly number: number }
  | { readonly kind: "cede"; readonly gen: Generation }
  | { readonly kind: "ceded"; readonly gen: Generation }
  /** `parent`: the sole generation that the pairing ends; `history` begins with it. `vmBoot`: the boot whose writes both copies hold then. */
  | {
      readonly kind: "pair";
      readonly gen: Generation;
      readonly parent: Generation;
      readonly history: readonly Generation[];
      readonly vmBoot: VmBoot | null;
    }
  | { readonly kind: "paired"; readonly gen: Generation }
  | { readonly kind: "armed"; readonly gen: Generation; readonly arbiter: Arbiter | null }
  /** The target stepped down, and its disk is idle. `intents`: extents in which it may hold what the source never saw. */
  | { readonly kind: "ready"; readonly intents: readonly ExtentList[] }
  /** These extents hold a dirty block; from here the source mirrors its writes to clean blocks. */
  | { readonly kind: "merged"; readonly extents: readonly ExtentList[] }
  /** Sums of the target's blocks, from block `first` on. */
  | {
      readonly kind: "sums";
      readonly volume: VolumeId;
      readonly first: Lba;
      readonly sums: readonly number[];
    }
  /** At most 16 blocks. */
  | { readonly kind: "copy"; readonly volume: VolumeId; readonly blocks: readonly CopiedBlock[] }
  /** Durable at the target. At most 1,024 blocks, of any number of `copy`s. */
  | {
      readonly kind: "copied";
      readonly volume: VolumeId;
      readonly blocks: readonly CopiedBlockSum[];
    }
  /** The operator chose the sender's copy: the receiver is to discard its own. */
  | { readonly kind: "discard" }
  | {
      readonly kind: "maps";
      readonly base: Lineage | null;
      readonly dirty: readonly BlockRuns[];
      readonly intents: readonly ExtentList[];
    }
  /** What the receiver is to save before it gives up its copy. */
  | { readonly kind: "mapped"; readonly blocks: readonly BlockRuns[] }
  /** Asks for a block that is bad at the sender. */
  | { readonly kind: "fetch"; readonly volume: VolumeId; readonly lba: Lba }
  /** Null: it is bad here too. */
  | {
      readonly kind: "fetched";
      readonly volume: VolumeId;
      readonly lba: Lba;
      readonly block: CopiedBlock | null;
    }
  /** The sender's VM is stopped and the receiver may boot. `vmBoot`: the boot that ended. */
  | { readonly kind: "handover"; readonly vmBoot: VmBoot }
  /** The sender's disk fails: the receiver is to go on alone. */
  | { readonly kind: "disk-dead" }
  /** The sender leaves for good: the receiver, elected, is to go on alone. */
  | { readonly kind: "leave" }
  | { readonly kind: "bye"; readonly reason: string };

export interface PeerFrame {
  readonly vm: VmId;
  /** Null in a hello; else the session that the frame belongs to. */
  readonly session: RandomId | null;
  /** Place in the ordered stream, from 1; 0 for frames outside it (hello, beat, beat-ok). */
  readonly number: number;
  /** The sender's generation when it sent. */
  readonly from: RandomId | null;
  readonly body: PeerBody;
}
