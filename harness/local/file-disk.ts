import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { HarnessError } from "../errors.ts";
import type { DiskSource } from "../rig/rig.ts";

/**
 * A host's disk file, read for the audit.
 *
 * @throws HarnessError BAD_DISK when it cannot be opened
 */
export function openFileDisk(host: string, path: string): DiskSource {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HarnessError("BAD_DISK", `disk of host ${host}: ${why}`, {
      hint: `Read ${host}.log in the run folder: the host may never have opened its disk.`,
      cause,
    });
  }
  let isOpen = true;
  return {
    host,
    size: fstatSync(file).size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const count = readSync(file, bytes, filled, length - filled, offset + filled);
        if (count === 0) break;
        filled += count;
      }
      return bytes;
    },
    close() {
      if (isOpen) closeSync(file);
      isOpen = false;
    },
  };
}
