/**
 * A host's disk below the format: bytes at offsets, behind a volatile write cache. What was written since the last flush that ended is lost
 * when the process is killed, in any subset and order of its 512-byte sectors; a sector is never torn.
 */
export interface RawDisk {
  /**
   * Bytes from the start to the end of the last byte ever written, the cache included, perhaps rounded up to a sector; 0: nothing was
   * ever written.
   */
  readonly size: number;
  /**
   * Sees every write given before, flushed or not. Beyond `size` it reads zeros. The result belongs to the caller.
   *
   * @throws Error with a `code` (`EIO`, …) when the bytes cannot be read
   */
  read(offset: number, length: number): Uint8Array;
  /**
   * Never fails: what goes wrong is reported by the flushes from then on.
   *
   * @param isGiven nobody changes `bytes` any more, so the disk may keep them; else it takes a copy
   */
  write(offset: number, bytes: Uint8Array, isGiven?: boolean): void;
  /**
   * Makes every write given before it durable. Calls end in the order of their beginning; waiting ones share one flush.
   *
   * @param done later, never inside this call; null: durable, else a code of the failure (`EIO`, `ENOSPC`, …). After the first
   *   failure every flush fails: nobody knows what the disk holds of what it was given
   */
  flush(done: (error: string | null) => void): void;
}

/** What is wrong with a disk below the port, until it is told otherwise. A failure is told by every flush of this life of the process. */
export type DiskFault =
  | { readonly kind: "none" }
  /** These calls fail with this code: all of them with `ENODEV` for a disk that is gone, writes with `ENOSPC` for a full one. */
  | { readonly kind: "error"; readonly on: readonly DiskCall[]; readonly code: string }
  /** Flushes do not end. */
  | { readonly kind: "stall" }
  /** Each flush takes so much longer. Unit: milliseconds. */
  | { readonly kind: "slow"; readonly ms: number };

export type DiskCall = "read" | "write" | "flush";
