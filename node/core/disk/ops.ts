/** What the host core asks of its disk, above the format: the store (store.ts) turns these into sector writes. */
import type { RandomId, VolumeId } from "../identity.ts";
import type { Page } from "../pair/page.ts";
import type { Lba } from "../units.ts";

/** One change of the disk. Changes are made in order in the volatile cache; nothing is durable before the commit's flush ended. */
export type DiskOp =
  | { readonly op: "page"; readonly page: Page }
  | { readonly op: "applied"; readonly boot: RandomId; readonly number: number }
  | {
      readonly op: "intents";
      readonly volume: VolumeId;
      readonly set: readonly number[];
      readonly clear: readonly number[];
    }
  | {
      readonly op: "dirty";
      readonly volume: VolumeId;
      readonly set: readonly Lba[];
      readonly clear: readonly Lba[];
    }
  | {
      readonly op: "block";
      readonly volume: VolumeId;
      readonly lba: Lba;
      /** Nobody changes it any more. */
      readonly data: Uint8Array;
      readonly sum: number;
    };

/** What a host finds on its disk at start. */
export interface DiskContents {
  /** Null: both page slots are unreadable; the host quarantines itself (T7). */
  readonly page: Page | null;
  readonly applied: { readonly boot: RandomId; readonly number: number } | null;
  /** Set bits per volume; an unreadable bitmap sector counts as all set. */
  readonly intents: ReadonlyMap<VolumeId, ReadonlySet<number>>;
  readonly dirty: ReadonlyMap<VolumeId, ReadonlySet<Lba>>;
  /**
   * CRC-32 of the bytes of each block, by address; the reader may keep and change it. So a block that rotted shows as one that differs from the peer's.
   */
  readonly sums: ReadonlyMap<VolumeId, Uint32Array>;
  /**
   * Blocks whose table entry does not match their bytes, where a power failure may have torn a write: in extents whose intent bit is set, and
   * anywhere in a copy in resync.
   */
  readonly torn: readonly ReadBlock[];
}

/** A block as it is on the disk. */
export interface ReadBlock {
  readonly volume: VolumeId;
  readonly lba: Lba;
  readonly data: Uint8Array;
  /** CRC-32 of `data`. */
  readonly sum: number;
}
