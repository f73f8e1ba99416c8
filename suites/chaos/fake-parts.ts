/** What the bed in memory consists of. */
import type { DiskSource, LinkName } from "../../harness/rig/rig.ts";

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
