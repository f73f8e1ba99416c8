/**
 * What a host core gives to its disk. One flush is under way at a time; commits given meanwhile share the next one, in which only the newest
 * of several pages is written: both page slots are never at risk together.
 */
import type { DiskOp } from "../../node/core/disk/ops.ts";
import type { DiskStore } from "../../node/core/disk/store.ts";
import type { VolumeId } from "../../node/core/identity.ts";
import type { Lba } from "../../node/core/units.ts";
import type { HostInput } from "./core.ts";
import type { SimDisk } from "./disk.ts";
import type { Draws } from "./draws.ts";
import type { World } from "./world.ts";

export interface CommitQueue {
  commit(token: number, ops: readonly DiskOp[]): void;
  /** As they are with every commit given before. */
  readBlocks(token: number, volume: VolumeId, lbas: readonly Lba[]): void;
  /** Once every commit given before is durable. */
  readAll(token: number): void;
  isIdle(): boolean;
}

export interface CommitQueueOptions {
  readonly disk: Pick<SimDisk, "flush">;
  readonly store: DiskStore;
  readonly draws: Draws;
  /** The process that this queue belongs to lives. */
  readonly isAlive: () => boolean;
  readonly tell: (event: HostInput) => void;
}

const READ_US = { min: 800, max: 3_000 } as const;
const READ_BLOCKS_US = { min: 20, max: 200 } as const;

interface BlockRead {
  readonly token: number;
  readonly volume: VolumeId;
  readonly lbas: readonly Lba[];
}

/** What a disk's failure to read is told as; anything else that is thrown is a mistake of ours. */
export function attemptRead<Read>(read: () => Read): Read | { readonly failed: string } {
  try {
    return read();
  } catch (error: unknown) {
    if (error instanceof Error && "code" in error) return { failed: String(error.code) };
    throw error;
  }
}

export function createCommitQueue({ clock }: World, options: CommitQueueOptions): CommitQueue {
  const { disk, store, draws, isAlive, tell } = options;
  let waiting: { readonly token: number; readonly ops: readonly DiskOp[] }[] = [];
  const reads: number[] = [];
  /** Wait until what was given before them is in the cache. */
  const blockReads: BlockRead[] = [];
  let isFlushing = false;

  function goOn(): void {
    if (isFlushing || !isAlive()) return;
    if (waiting.length > 0) flushNext();
    else for (const token of reads.splice(0)) read(token);
  }

  function flushNext(): void {
    const batch = waiting;
    waiting = [];
    isFlushing = true;
    const [first] = batch;
    store.apply(
      batch.length === 1 && first !== undefined ? first.ops : batch.flatMap(({ ops }) => ops),
    );
    disk.flush((error) => {
      for (const { token } of batch) {
        tell(
          error === null
            ? { kind: "disk-done", token }
            : { kind: "disk-failed", token, code: error },
        );
      }
      isFlushing = false;
      for (const due of blockReads.splice(0)) readBlocks(due);
      goOn();
    });
  }

  function readBlocks({ token, volume, lbas }: BlockRead): void {
    if (!isAlive()) return;
    tellRead(token, () => ({ kind: "blocks-read", token, blocks: store.readBlocks(volume, lbas) }));
  }

  function read(token: number): void {
    clock.after(draws.between(READ_US.min, READ_US.max), () => {
      if (!isAlive()) return;
      tellRead(token, () => ({ kind: "volumes-read", token, ...store.readAll() }));
    });
  }

  function tellRead(token: number, read: () => HostInput): void {
    const event = attemptRead(read);
    tell("failed" in event ? { kind: "disk-failed", token, code: event.failed } : event);
  }

  return {
    commit(token, ops) {
      waiting.push({ token, ops });
      goOn();
    },
    readBlocks(token, volume, lbas) {
      if (waiting.length > 0) {
        blockReads.push({ token, volume, lbas });
        return;
      }
      const span = draws.between(READ_BLOCKS_US.min, READ_BLOCKS_US.max);
      clock.after(span, () => readBlocks({ token, volume, lbas }));
    },
    readAll(token) {
      reads.push(token);
      goOn();
    },
    isIdle: () => !isFlushing && waiting.length === 0 && reads.length === 0,
  };
}
