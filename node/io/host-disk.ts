/**
 * The disk of one VM on a host: commits in, completions out. One flush is under way at a time; commits given meanwhile share the next one, in
 * which only the newest of several pages is written: both page slots are never at risk together.
 */
import { crc32 } from "node:zlib";
import type { DiskContents, DiskOp } from "../core/disk/ops.ts";
import type { VerifiedBlock } from "../core/disk/read-blocks.ts";
import { type BadBlock, createStore, type DiskStore } from "../core/disk/store.ts";
import type { HostId, VmId, VolumeId } from "../core/identity.ts";
import type { BootBlock, VolumeShape } from "../core/machine/entry.ts";
import type { Lba } from "../core/units.ts";
import { EndProcess } from "./end-process.ts";
import type { FileDevice } from "./file-device.ts";

export interface VolumesRead {
  readonly blocks: readonly BootBlock[];
  readonly bad: readonly BadBlock[];
}

export interface HostDisk {
  readonly contents: DiskContents;
  readonly isIdle: boolean;
  /** `done` follows in the order of the calls. */
  commit(ops: readonly DiskOp[], done: (error: string | null) => void): void;
  /** As they are with every commit given before; durable or not. */
  readBlocks(
    volume: VolumeId,
    lbas: readonly Lba[],
    done: (read: readonly VerifiedBlock[] | { readonly error: string }) => void,
  ): void;
  /** Once every commit given before is durable. Blocks of a disk that cannot be read come as an error. */
  readAll(done: (read: VolumesRead | { readonly error: string }) => void): void;
}

export interface DiskOwner {
  readonly cluster: string;
  readonly host: HostId;
  readonly vm: VmId;
  readonly volumes: readonly VolumeShape[];
}

/** @throws EndProcess diskFailed when the disk is somebody else's, or can be neither read nor formatted */
export async function openHostDisk(device: FileDevice, owner: DiskOwner): Promise<HostDisk> {
  const store = createStore(device, crc32, owner);
  const opened = store.open();
  if (!opened.ok) throw new EndProcess("diskFailed", `${opened.code}: ${opened.why}`);
  await flushFirst(device);
  if (opened.seal !== null) {
    opened.seal();
    await flushFirst(device);
  }
  return createHostDisk(device, store, opened.contents);
}

async function flushFirst(device: FileDevice): Promise<void> {
  const error = await new Promise<string | null>((resolve) => device.flush(resolve));
  if (error !== null) throw new EndProcess("diskFailed", `the first flush failed: ${error}`);
}

interface Waiting {
  readonly ops: readonly DiskOp[];
  readonly done: (error: string | null) => void;
}

function createHostDisk(device: FileDevice, store: DiskStore, contents: DiskContents): HostDisk {
  let commits: Waiting[] = [];
  let reads: (() => void)[] = [];
  let isFlushing = false;

  function flushNext(): void {
    const batch = commits;
    commits = [];
    isFlushing = true;
    store.apply(batch.flatMap(({ ops }) => ops));
    device.flush((error) => {
      for (const { done } of batch) done(error);
      isFlushing = false;
      goOn();
    });
  }

  function goOn(): void {
    if (isFlushing) return;
    if (commits.length > 0) {
      flushNext();
      return;
    }
    const due = reads;
    reads = [];
    for (const read of due) read();
  }

  return {
    contents,
    get isIdle() {
      return !isFlushing && commits.length === 0 && reads.length === 0;
    },
    commit(ops, done) {
      commits.push({ ops, done });
      goOn();
    },
    readBlocks(volume, lbas, done) {
      const read = (): void => done(attempt(() => store.readBlocks(volume, lbas)));
      // What waits for the flush under way is not in the cache yet.
      if (commits.length === 0) setImmediate(read);
      else commits.push({ ops: [], done: read });
    },
    readAll(done) {
      reads.push(() => done(readOrFail(store)));
      goOn();
    },
  };
}

function readOrFail(store: DiskStore): VolumesRead | { readonly error: string } {
  return attempt(() => {
    const { blocks, bad } = store.readAll();
    // `blocks` go to the machine, and their buffers with them.
    return { blocks, bad: bad.map((block) => ({ ...block, data: block.data.slice() })) };
  });
}

function attempt<Read>(read: () => Read): Read | { readonly error: string } {
  try {
    return read();
  } catch (error: unknown) {
    if (error instanceof Error && "code" in error) return { error: String(error.code) };
    throw error;
  }
}
