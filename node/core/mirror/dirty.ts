/** The dirty map: blocks that the peer lacks while this host is `sole`. */
import type { DiskOp } from "../disk/ops.ts";
import { commit } from "../host/context.ts";
import type { HostState } from "../host/state.ts";
import type { VolumeId } from "../identity.ts";
import type { GuestWrite } from "../machine/entry.ts";
import { BLOCKS_PER_EXTENT, extentOf, type Lba } from "../units.ts";

/** `sole` durably, and no page under way that says otherwise. */
export function isAlone(host: HostState): boolean {
  return host.page.right === "sole" && host.pageNext.right === "sole";
}

export function isDirtyEmpty(host: HostState): boolean {
  for (const blocks of host.mirror.dirty.values()) if (blocks.size > 0) return false;
  return true;
}

export function isDirty(host: HostState, volume: VolumeId, lba: Lba): boolean {
  return host.mirror.dirty.get(volume)?.has(lba) === true;
}

function dirtyOf(host: HostState, volume: VolumeId): Set<Lba> {
  const known = host.mirror.dirty.get(volume);
  if (known !== undefined) return known;
  const fresh = new Set<Lba>();
  host.mirror.dirty.set(volume, fresh);
  return fresh;
}

/** @returns the op that makes it durable; nothing for blocks that are dirty already */
export function addDirty(host: HostState, volume: VolumeId, blocks: Iterable<Lba>): DiskOp[] {
  const dirty = dirtyOf(host, volume);
  const set: Lba[] = [];
  for (const lba of blocks) {
    if (dirty.has(lba)) continue;
    dirty.add(lba);
    set.push(lba);
  }
  return set.length > 0 ? [{ op: "dirty", volume, set, clear: [] }] : [];
}

export function addDirtyExtents(
  host: HostState,
  volume: VolumeId,
  extents: Iterable<number>,
): DiskOp[] {
  const blocks = blocksOf(host, volume);
  return addDirty(host, volume, blocksIn(extents, blocks));
}

/** Every block of every volume. */
export function addDirtyAll(host: HostState): DiskOp[] {
  return host.config.volumes.flatMap(({ id, blocks }) =>
    addDirty(host, id, blocksIn(extentsOf(blocks), blocks)),
  );
}

function* extentsOf(blocks: number): Iterable<number> {
  for (let extent = 0; extent * BLOCKS_PER_EXTENT < blocks; extent += 1) yield extent;
}

function* blocksIn(extents: Iterable<number>, blocks: number): Iterable<Lba> {
  for (const extent of extents) {
    const first = extent * BLOCKS_PER_EXTENT;
    const end = Math.min(first + BLOCKS_PER_EXTENT, blocks);
    for (let lba = first; lba < end; lba += 1) yield lba;
  }
}

export function blocksOf(host: HostState, volume: VolumeId): number {
  return host.config.volumes.find(({ id }) => id === volume)?.blocks ?? 0;
}

/** Bits for these writes, one op a volume. */
export function addDirtyWrites(host: HostState, writes: readonly GuestWrite[]): DiskOp[] {
  const byVolume = new Map<VolumeId, Lba[]>();
  for (const { volume, lba } of writes) {
    const known = byVolume.get(volume);
    if (known === undefined) byVolume.set(volume, [lba]);
    else known.push(lba);
  }
  return [...byVolume].flatMap(([volume, blocks]) => addDirty(host, volume, blocks));
}

/**
 * The peer may lack any block of an intent extent, and of one that was found to differ. What an intent found at start meant is now in the
 * dirty map, so the bit goes the way of all others.
 */
export function markIntentsDirty(host: HostState): DiskOp[] {
  const { intents, suspect } = host.mirror;
  const ops: DiskOp[] = [];
  for (const [volume, extents] of intents) {
    ops.push(...addDirtyExtents(host, volume, extents.keys()));
    for (const intent of extents.values())
      if (intent.lastWrite === UNKNOWN_WRITE) intent.lastWrite = 0;
  }
  for (const [volume, extents] of suspect) ops.push(...addDirtyExtents(host, volume, extents));
  suspect.clear();
  return ops;
}

/** An intent found on the disk at start belongs to writes whose numbers nobody knows: it is never cleared by age. */
export const UNKNOWN_WRITE = Number.MAX_SAFE_INTEGER;

/** One block is equal again. */
export function takeDirty(host: HostState, volume: VolumeId, lba: Lba): boolean {
  return host.mirror.dirty.get(volume)?.delete(lba) === true;
}

/** The peer is equal again: no block is dirty any more. */
export function clearDirty(host: HostState): void {
  const ops: DiskOp[] = [];
  for (const [volume, dirty] of host.mirror.dirty) {
    if (dirty.size > 0) ops.push({ op: "dirty", volume, set: [], clear: [...dirty] });
    dirty.clear();
  }
  if (ops.length > 0) commit(host, ops, { kind: "clear" });
}

/** Extents that hold a dirty block, ascending. */
export function dirtyExtents(host: HostState): readonly { volume: VolumeId; extents: number[] }[] {
  return [...host.mirror.dirty].flatMap(([volume, blocks]) => {
    const extents = [...new Set([...blocks].map(extentOf))].sort((left, right) => left - right);
    return extents.length > 0 ? [{ volume, extents }] : [];
  });
}
