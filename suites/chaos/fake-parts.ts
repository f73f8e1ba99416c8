/** What the bed in memory consists of, and what it can be told to do wrong. */
import type { DiskSource, LinkName } from "../../harness/rig/rig.ts";

export interface Wrongs {
  /** The pair never gets duplex. */
  readonly neverDuplex?: boolean;
  /** The kill is answered as if done, and the host lives on. */
  readonly killMisses?: boolean;
  /** The kill throws. */
  readonly killThrows?: boolean;
  /** Nobody takes over. */
  readonly noTakeover?: boolean;
  /** An acknowledged write is gone afterwards. */
  readonly losesWrite?: boolean;
  /** A block differs that nobody marked. */
  readonly diverges?: boolean;
  /** A block differs from the second look on. */
  readonly divergesLate?: boolean;
  /** The teardown leaves this. */
  readonly leaves?: string;
  readonly teardownThrows?: boolean;
  /** A rule of the core throws while the load runs. */
  readonly breaksRule?: boolean;
  /** Nobody calls a disk while it is broken. */
  readonly diskIdle?: boolean;
  /** No write is under way at any time. */
  readonly idle?: boolean;
  /** The pair loses its redundancy by itself while the clients warm up. */
  readonly fallsApart?: boolean;
  /** A link that lets everything through when it is cut or slowed. */
  readonly leaksOn?: string;
  /** The signal is sent and the host runs on. */
  readonly pauseMisses?: boolean;
  /** The disk that is put in place of another one holds the same. */
  readonly sameDisk?: boolean;
  /** The disk cannot be exchanged. */
  readonly diskStuck?: boolean;
  /** A host that comes back stays a stranger. */
  readonly neverRejoins?: boolean;
  /** Operators are refused. */
  readonly disobeys?: boolean;
  /** Operators are answered after so long. Unit: milliseconds. */
  readonly answersAfterMs?: number;
  /** A host that comes back boots the VM at once. */
  readonly bootsStale?: boolean;
  /** A host that comes back is given every block. */
  readonly copiesAll?: boolean;
}

export const HOSTS = ["a", "b"];

export const LINKS: readonly LinkName[] = [
  ["a", "b", "alink0"],
  ["a", "b", "alink1"],
  ["b", "a", "mgmt"],
  ["a", "q1", "quorum"],
  ["b", "q1", "quorum"],
  ["a", "s1", "lan"],
  ["b", "s1", "lan"],
].map(([dialler = "", listener = "", channel = ""]) => {
  return { id: `${dialler}>${listener}/${channel}`, dialler, listener, channel };
});

export function diskOf(host: string, bytes: Buffer): DiskSource {
  return {
    host,
    size: bytes.length,
    read(offset, length) {
      const read = Buffer.alloc(length);
      bytes.copy(read, 0, offset, Math.min(bytes.length, offset + length));
      return read;
    },
    close: () => undefined,
  };
}
