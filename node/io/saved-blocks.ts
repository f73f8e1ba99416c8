/**
 * Blocks that an operator gave up, kept in a file beside the disk (docs/disk-format.md, "Saved blocks"): what a split brain cost can be looked at
 * afterwards.
 */
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { VerifiedBlock } from "../core/disk/read-blocks.ts";
import { blocksOfRuns } from "../core/mirror/keys.ts";
import type { BlockRuns } from "../core/pair/frames.ts";
import type { Page } from "../core/pair/page.ts";
import { codeOf } from "./end-process.ts";
import type { HostDisk } from "./host-disk.ts";

export type SaveBlocks = (
  page: Page,
  blocks: readonly BlockRuns[],
  done: (saved: { readonly file: string } | { readonly error: string }) => void,
) => void;

/** Blocks read at a time: 1 MiB. */
const READ_AT_ONCE = 256;

/** @param diskPath the file goes beside it, named by the generation that is given up */
export function createSaver(diskPath: string, disk: HostDisk): SaveBlocks {
  return (page, blocks, done) => {
    const file = `${diskPath}.saved-${page.gen?.id.slice(0, 8) ?? "none"}`;
    save(file, disk, page, blocks).then(
      () => done({ file }),
      (error: unknown) => done({ error: codeOf(error) }),
    );
  };
}

/** One line of JSON for the page, one for each block with its bytes in base64; fsynced with its folder. */
async function save(
  path: string,
  disk: HostDisk,
  page: Page,
  blocks: readonly BlockRuns[],
): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.write(`${JSON.stringify({ format: 1, page })}\n`);
    for (const runs of blocks) {
      const size = page.volumes.find(({ id }) => id === runs.volume)?.blocks ?? 0;
      const lbas = blocksOfRuns(runs, size);
      for (let at = 0; at < lbas.length; at += READ_AT_ONCE) {
        const read = await readSome(disk, runs.volume, lbas.slice(at, at + READ_AT_ONCE));
        await file.write(read.map(lineOf).join(""));
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function readSome(
  disk: HostDisk,
  volume: number,
  lbas: readonly number[],
): Promise<readonly VerifiedBlock[]> {
  return new Promise((resolve, reject) => {
    disk.readBlocks(volume, lbas, (read) => {
      if ("error" in read) reject(Object.assign(new Error(read.error), { code: read.error }));
      else resolve(read);
    });
  });
}

function lineOf({ volume, lba, sum, isBad, data }: VerifiedBlock): string {
  const bytes = Buffer.from(data).toString("base64");
  return `${JSON.stringify({ volume, lba, sum, isBad, data: bytes })}\n`;
}
