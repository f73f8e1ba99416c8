/**
 * Everything a guest ever wrote in this run, in the order of execution over all boots, and what of it was acknowledged: an output that
 * left a host shows every flush before it, and so every write of those epochs. Contents are told apart by their CRC-32.
 */
import { crc32 } from "node:zlib";
import type { RandomId, VmBoot } from "../../../node/core/identity.ts";
import type { BootBlock, MachineResult } from "../../../node/core/machine/entry.ts";
import { BLOCK_SIZE } from "../../../node/core/units.ts";
import { type BlockKey, keyOf } from "./disk-image.ts";

export interface GuestVersion {
  readonly key: BlockKey;
  /** Place among all versions of its block; the block as it was before any write is version 0. */
  readonly index: number;
  readonly epoch: number;
  readonly sum: number;
  readonly boot: RandomId;
}

export interface BootLedger {
  readonly id: RandomId;
  /** Place among all boots, from 0. */
  readonly order: number;
  /** Write n at place n − 1. */
  readonly writes: GuestVersion[];
  /** Number of the last write of each epoch, epoch e at place e; an epoch without a write repeats the one before. */
  readonly epochEnds: number[];
  /** Every epoch up to this was acknowledged to somebody. */
  acknowledged: number;
}

export interface Ledger {
  boot(id: RandomId): BootLedger | null;
  begin(boot: VmBoot): void;
  execute(boot: VmBoot, result: MachineResult): void;
  /** An output of this boot left its host. Null: none with such a place was ever produced. */
  release(boot: VmBoot, at: { readonly session: number; readonly position: number }): number | null;
  /** Latest version of the block with this content; −1: never written by a guest; null: nothing was ever there. */
  versionOf(key: BlockKey, sum: number | null): number;
  /** The write that made a version; undefined for version 0 and those that no guest wrote. */
  version(key: BlockKey, index: number): GuestVersion | undefined;
  /** The version that readers were promised at least. */
  required(key: BlockKey): number;
  /** Blocks for which something was promised. */
  promised(): Iterable<BlockKey>;
  /** Nothing promised so far counts any more. */
  forgive(): void;
  /** Newest boot of which anything was released; −1: none. */
  lastHeard(): number;
}

const ZEROS = crc32(new Uint8Array(BLOCK_SIZE));
export const UNKNOWN_VERSION = -1;

interface Produced {
  readonly end: number;
  readonly barrier: number;
}

export function createLedger(): Ledger {
  const boots = new Map<RandomId, BootLedger>();
  /** Version i of a block at place i − 1. */
  const versions = new Map<BlockKey, GuestVersion[]>();
  const required = new Map<BlockKey, number>();
  const outputs = new Map<RandomId, Map<number, Produced[]>>();
  let lastHeard = -1;

  function promise(boot: BootLedger, epoch: number): void {
    if (epoch <= boot.acknowledged) return;
    const from = boot.epochEnds[boot.acknowledged] ?? 0;
    const end = boot.epochEnds[epoch] ?? boot.writes.length;
    for (const { key, index } of boot.writes.slice(from, end)) {
      required.set(key, Math.max(required.get(key) ?? 0, index));
    }
    boot.acknowledged = epoch;
  }

  return {
    boot: (id) => boots.get(id) ?? null,
    begin({ id }) {
      if (boots.has(id)) return;
      boots.set(id, { id, order: boots.size, writes: [], epochEnds: [0], acknowledged: 0 });
      outputs.set(id, new Map());
    },
    execute({ id }, result) {
      const boot = boots.get(id);
      if (boot === undefined) return;
      for (const { volume, lba, epoch, sum } of result.writes) {
        const key = keyOf(volume, lba);
        const known = versions.get(key) ?? [];
        versions.set(key, known);
        const version = { key, index: known.length + 1, epoch, sum, boot: id };
        known.push(version);
        fillEpochs(boot, epoch - 1);
        boot.writes.push(version);
      }
      fillEpochs(boot, result.flushes);
      for (const { session, position, what, bytes, barrier } of result.outputs) {
        const end = position + (what === "data" ? bytes.length : 1);
        const bySession = outputs.get(id) ?? new Map<number, Produced[]>();
        const produced = bySession.get(session) ?? [];
        bySession.set(session, produced);
        produced.push({ end, barrier });
      }
    },
    release({ id }, { session, position }) {
      const boot = boots.get(id);
      const produced = outputs
        .get(id)
        ?.get(session)
        ?.find(({ end }) => end > position);
      if (boot === undefined || produced === undefined) return null;
      lastHeard = Math.max(lastHeard, boot.order);
      promise(boot, produced.barrier);
      return produced.barrier;
    },
    versionOf(key, sum) {
      const found = versions.get(key)?.findLast((version) => version.sum === sum);
      if (found !== undefined) return found.index;
      return sum === null || sum === ZEROS ? 0 : UNKNOWN_VERSION;
    },
    version: (key, index) => versions.get(key)?.[index - 1],
    required: (key) => required.get(key) ?? 0,
    promised: () => required.keys(),
    lastHeard: () => lastHeard,
    forgive() {
      required.clear();
      lastHeard = -1;
    },
  };
}

/** Epochs up to `epoch` have ended. */
function fillEpochs(boot: BootLedger, epoch: number): void {
  while (boot.epochEnds.length <= epoch) boot.epochEnds.push(boot.writes.length);
}

/** Sums of the blocks that a machine is started on. */
export function sumsOf(blocks: readonly BootBlock[]): ReadonlyMap<BlockKey, number> {
  return new Map(blocks.map(({ volume, lba, data }) => [keyOf(volume, lba), crc32(data)]));
}
