/**
 * Frames between the two hosts of a VM. Frames of all paths belong to one pair session; those with a `number` above 0 ride on the ordered
 * stream (one A-link), where a gap or repetition closes the session.
 */
import type { Generation, HostId, RandomId, ServiceId, VmBoot, VmId } from "../identity.ts";
import type { GuestWrite } from "../machine/entry.ts";
import type { Arbiter, Page, Right } from "./page.ts";

/** Name of a way between the hosts: `alink0`, `alink1`, `mgmt`, … in the order of the address file. */
export type PathId = string;

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
  /** Extents whose intent bit is set, over all volumes. */
  readonly intentCount: number;
  /** This copy's dirty map is empty. */
  readonly dirtyEmpty: boolean;
  readonly diskGood: boolean;
  /** `protect` was asked for on this host. */
  readonly protect: boolean;
  /** Services this host is connected to and whose record it has. */
  readonly seen: readonly ServiceId[];
  /** The arbiter may have granted something that counts no more: a claim was cancelled, or its record is not (gen, none). */
  readonly mustRearm: boolean;
}

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
  | { readonly kind: "write"; readonly write: GuestWrite }
  /** Every write up to `upTo` is durable at the sender; `sums` names what it stored, one pair a write of this round. */
  | {
      readonly kind: "wrote";
      readonly upTo: number;
      readonly sums: readonly (readonly [number: number, sum: number])[];
    }
  | { readonly kind: "clean-to"; readonly number: number }
  | { readonly kind: "cede"; readonly gen: Generation }
  | { readonly kind: "ceded"; readonly gen: Generation }
  /** `parent`: the sole generation that the pairing ends. */
  | { readonly kind: "pair"; readonly gen: Generation; readonly parent: Generation }
  | { readonly kind: "paired"; readonly gen: Generation }
  | { readonly kind: "not-now"; readonly gen: Generation }
  | { readonly kind: "armed"; readonly gen: Generation; readonly arbiter: Arbiter }
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
