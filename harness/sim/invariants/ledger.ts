/**
 * Everything a guest ever wrote in this run, in the order of execution over all boots, and what of it was acknowledged: an output that
 * left a host shows every flush before it, and so every write of those epochs. Contents are told apart by their CRC-32. What no rule can
 * ask for any more is forgotten, so that a long run takes no more memory than a short one.
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

/** What one boot wrote. */
export interface BootLedger {
  readonly id: RandomId;
  /** Place among all boots, from 0. */
  readonly order: number;
  /** Writes so far. */
  readonly count: number;
  /** Of these so many, the oldest ones, are forgotten. */
  readonly forgotten: number;
  /** Write `number`, from 1; undefined: there is none yet, or it is forgotten. */
  write(number: number): GuestVersion | undefined;
  /** Number of the last write of an epoch, of the ones so far while it has not ended. */
  epochEnd(epoch: number): number;
}

/** Who still needs something of the past. */
export interface Keep {
  /** Writes of this boot above this number may still be asked for. */
  writesAbove(boot: RandomId): number;
  /** Content that the block has on some disk. */
  isHeld(key: BlockKey, sum: number): boolean;
}

export interface Ledger {
  boot(id: RandomId): BootLedger | null;
  begin(boot: VmBoot): void;
  execute(boot: VmBoot, result: MachineResult): void;
  /** An output of this boot left its host. Null: it was told before, or none with such a place was ever produced. */
  release(boot: VmBoot, at: { readonly session: number; readonly position: number }): number | null;
  /** Latest version of the block with this content; −1: never written by a guest; null: nothing was ever there. */
  versionOf(key: BlockKey, sum: number | null): number;
  /** Every remembered write that gave the block this content, the newest first: in a split brain both sides may write the same bytes. */
  versionsWith(key: BlockKey, sum: number | null): readonly GuestVersion[];
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
  /** Versions and writes remembered. */
  size(): number;
  forget(keep: Keep): void;
}

const ZEROS = crc32(new Uint8Array(BLOCK_SIZE));
export const UNKNOWN_VERSION = -1;
/** Newest versions of a block that are kept in any case: a late write of one of them is still known for what it is. */
const VERSIONS_KEPT = 64;

export function createLedger(): Ledger {
  return new Book();
}

/** A boot's writes and the ends of its epochs, without those that are forgotten. */
class Boot implements BootLedger {
  readonly id: RandomId;
  readonly order: number;
  /** Every epoch up to this was acknowledged to somebody. */
  acknowledged = 0;
  readonly outputs = new Map<number, SessionOutputs>();
  #writes: GuestVersion[] = [];
  #forgottenWrites = 0;
  /** Number of the last write of epoch e at place e − `#forgottenEpochs`; an epoch without a write repeats the one before. */
  #epochEnds: number[] = [0];
  #forgottenEpochs = 0;

  constructor(id: RandomId, order: number) {
    this.id = id;
    this.order = order;
  }

  get count(): number {
    return this.#forgottenWrites + this.#writes.length;
  }

  get forgotten(): number {
    return this.#forgottenWrites;
  }

  get size(): number {
    return this.#writes.length + this.#epochEnds.length;
  }

  write(number: number): GuestVersion | undefined {
    return this.#writes[number - 1 - this.#forgottenWrites];
  }

  epochEnd(epoch: number): number {
    if (epoch < this.#forgottenEpochs) return this.#forgottenWrites;
    return this.#epochEnds[epoch - this.#forgottenEpochs] ?? this.count;
  }

  add(version: GuestVersion): void {
    this.endEpochs(version.epoch - 1);
    this.#writes.push(version);
  }

  /** Epochs up to `epoch` have ended. */
  endEpochs(epoch: number): void {
    while (this.#forgottenEpochs + this.#epochEnds.length <= epoch) {
      this.#epochEnds.push(this.count);
    }
  }

  /** Writes up to `number`, and the epochs that end below, are never asked for again. */
  forget(number: number): void {
    const count = Math.min(number, this.epochEnd(this.acknowledged)) - this.#forgottenWrites;
    if (count <= 0) return;
    this.#writes = this.#writes.slice(count);
    this.#forgottenWrites += count;
    const kept = this.#epochEnds.findIndex((end) => end >= this.#forgottenWrites);
    const epochs = Math.min(kept, this.acknowledged - this.#forgottenEpochs);
    if (epochs <= 0) return;
    this.#epochEnds = this.#epochEnds.slice(epochs);
    this.#forgottenEpochs += epochs;
  }
}

/** Outputs of one session that have not left their host. */
interface SessionOutputs {
  waiting: { readonly end: number; readonly barrier: number }[];
  /** Below this position everything was told. */
  told: number;
}

class Book implements Ledger {
  readonly #boots = new Map<RandomId, Boot>();
  /** Ascending. */
  readonly #versions = new Map<BlockKey, GuestVersion[]>();
  readonly #required = new Map<BlockKey, number>();
  #lastHeard = -1;

  boot(id: RandomId): BootLedger | null {
    return this.#boots.get(id) ?? null;
  }

  begin({ id }: VmBoot): void {
    if (!this.#boots.has(id)) this.#boots.set(id, new Boot(id, this.#boots.size));
  }

  execute({ id }: VmBoot, result: MachineResult): void {
    const boot = this.#boots.get(id);
    if (boot === undefined) return;
    for (const { volume, lba, epoch, sum } of result.writes) {
      const key = keyOf(volume, lba);
      const known = this.#versions.get(key);
      const index = (known?.at(-1)?.index ?? 0) + 1;
      const version: GuestVersion = { key, index, epoch, sum, boot: id };
      if (known === undefined) this.#versions.set(key, [version]);
      else known.push(version);
      boot.add(version);
    }
    boot.endEpochs(result.flushes);
    for (const { session, position, what, bytes, barrier } of result.outputs) {
      const end = position + (what === "data" ? bytes.length : 1);
      const outputs = boot.outputs.get(session);
      if (outputs === undefined)
        boot.outputs.set(session, { waiting: [{ end, barrier }], told: position });
      else outputs.waiting.push({ end, barrier });
    }
  }

  release({ id }: VmBoot, at: { readonly session: number; readonly position: number }) {
    const boot = this.#boots.get(id);
    const outputs = boot?.outputs.get(at.session);
    if (boot === undefined || outputs === undefined || at.position < outputs.told) return null;
    const { waiting } = outputs;
    const place = waiting.findIndex(({ end }) => end > at.position);
    const output = waiting[place];
    if (output === undefined) return null;
    waiting.splice(0, place + 1);
    outputs.told = output.end;
    this.#lastHeard = Math.max(this.#lastHeard, boot.order);
    this.#promise(boot, output.barrier);
    return output.barrier;
  }

  versionOf(key: BlockKey, sum: number | null): number {
    const known = this.#versions.get(key);
    if (known !== undefined) {
      for (let at = known.length - 1; at >= 0; at -= 1) {
        const version = known[at];
        if (version?.sum === sum) return version.index;
      }
    }
    return sum === null || sum === ZEROS ? 0 : UNKNOWN_VERSION;
  }

  versionsWith(key: BlockKey, sum: number | null): readonly GuestVersion[] {
    return (this.#versions.get(key) ?? []).filter((version) => version.sum === sum).reverse();
  }

  version(key: BlockKey, index: number): GuestVersion | undefined {
    return index < 1
      ? undefined
      : this.#versions.get(key)?.findLast((version) => version.index === index);
  }

  required(key: BlockKey): number {
    return this.#required.get(key) ?? 0;
  }

  promised(): Iterable<BlockKey> {
    return this.#required.keys();
  }

  forgive(): void {
    this.#required.clear();
    this.#lastHeard = -1;
  }

  lastHeard(): number {
    return this.#lastHeard;
  }

  size(): number {
    let size = 0;
    for (const versions of this.#versions.values()) size += versions.length;
    for (const boot of this.#boots.values()) {
      size += boot.size;
      for (const { waiting } of boot.outputs.values()) size += 1 + waiting.length;
    }
    return size;
  }

  forget(keep: Keep): void {
    for (const boot of this.#boots.values()) boot.forget(keep.writesAbove(boot.id));
    for (const [key, versions] of this.#versions) {
      if (versions.length < 2 * VERSIONS_KEPT) continue;
      const old = versions.length - VERSIONS_KEPT;
      const kept = versions.filter(({ sum }, at) => at >= old || keep.isHeld(key, sum));
      this.#versions.set(key, kept);
    }
  }

  #promise(boot: Boot, epoch: number): void {
    if (epoch <= boot.acknowledged) return;
    const end = boot.epochEnd(epoch);
    for (let number = boot.epochEnd(boot.acknowledged) + 1; number <= end; number += 1) {
      const write = boot.write(number);
      if (write === undefined) continue;
      this.#required.set(write.key, Math.max(this.required(write.key), write.index));
    }
    boot.acknowledged = epoch;
  }
}

/** Sums of the blocks that a machine is started on. */
export function sumsOf(blocks: readonly BootBlock[]): ReadonlyMap<BlockKey, number> {
  return new Map(blocks.map(({ volume, lba, data }) => [keyOf(volume, lba), crc32(data)]));
}
