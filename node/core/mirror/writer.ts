/**
 * One host's copy: writes go to the disk in rounds, one after the other. A round is the longest run of queued writes of one epoch without two
 * of the same block, so that no write of epoch k+1 reaches a disk before epoch k is durable there (P15), and overlapping writes
 * keep their order (P14). Intent bits are durable before their blocks are touched (P1).
 */
import type { DiskOp } from "../disk/ops.ts";
import { commit, mark } from "../host/context.ts";
import type { ExtentIntent, HostState } from "../host/state.ts";
import type { VolumeId } from "../identity.ts";
import { invariant } from "../invariant.ts";
import type { GuestWrite } from "../machine/entry.ts";
import { BLOCKS_PER_EXTENT, extentOf, type Lba } from "../units.ts";

/** Writes in one round at most: 1 MiB, so that a round takes a few milliseconds. */
const ROUND_MAX = 256;

/** An intent found on the disk at start belongs to writes whose numbers nobody knows: it is never cleared by age. */
export const UNKNOWN_WRITE = Number.MAX_SAFE_INTEGER;

export function enqueue(host: HostState, writes: readonly GuestWrite[]): void {
  host.mirror.writer.queue.push(...writes);
  startRoundIfDue(host);
}

/** Drops what is not begun; a round under way ends by itself. */
export function dropQueued(host: HostState): void {
  host.mirror.writer.queue = [];
}

export function isWriterIdle(host: HostState): boolean {
  return host.mirror.writer.round === null && host.mirror.writer.queue.length === 0;
}

/** Write number known durable for the boot that this copy holds; 0 when it holds none. */
export function durableFor(host: HostState): number {
  return host.mirror.writer.durable;
}

export function intentCount(host: HostState): number {
  let count = 0;
  for (const extents of host.mirror.intents.values()) count += extents.size;
  return count;
}

export function isDirtyEmpty(host: HostState): boolean {
  return [...host.mirror.dirty.values()].every((blocks) => blocks.size === 0);
}

/** A new boot counts its writes from 1. */
export function forgetBoot(host: HostState): void {
  const { mirror } = host;
  invariant(isWriterIdle(host), "a boot begins with no write of an older one under way");
  mirror.writer.durable = 0;
  mirror.unacked = [];
  mirror.sums.clear();
  mirror.peerDurable = 0;
  mirror.flushEnds = [];
  mirror.lastWrite = 0;
  mirror.flushes = 0;
  mirror.completed = 0;
  mirror.completedFlush = 0;
  mirror.cleanTo = 0;
  mirror.cleanSaid = 0;
}

export function startRoundIfDue(host: HostState): void {
  const { writer } = host.mirror;
  if (writer.round !== null || writer.queue.length === 0 || !host.isDiskGood) return;
  const writes = takeRound(writer);
  const cold = registerIntents(host, writes);
  if (cold.length === 0) {
    startData(host, writes);
    return;
  }
  const ops = [...makeRoom(host), ...cold];
  const token = commit(host, ops, { kind: "round" });
  writer.round = { phase: "intents", token, writes };
}

function takeRound(writer: HostState["mirror"]["writer"]): readonly GuestWrite[] {
  const { queue } = writer;
  const epoch = queue[0]?.epoch;
  const seen = new Set<string>();
  let count = 0;
  for (const write of queue) {
    const block = `${write.volume}/${write.lba}`;
    if (write.epoch !== epoch || seen.has(block) || count === ROUND_MAX) break;
    seen.add(block);
    count += 1;
  }
  const writes = queue.slice(0, count);
  writer.queue = queue.slice(count);
  return writes;
}

/** @returns the ops that set the bits of extents not yet set */
function registerIntents(host: HostState, writes: readonly GuestWrite[]): readonly DiskOp[] {
  const cold = new Map<VolumeId, number[]>();
  for (const write of writes) {
    const extents = extentsOf(host, write.volume);
    const extent = extentOf(write.lba);
    const known = extents.get(extent);
    if (known === undefined) {
      extents.set(extent, { lastWrite: write.number, lastAt: host.now });
      cold.set(write.volume, [...(cold.get(write.volume) ?? []), extent]);
    } else {
      if (known.lastWrite !== UNKNOWN_WRITE)
        known.lastWrite = Math.max(known.lastWrite, write.number);
      known.lastAt = host.now;
    }
  }
  return [...cold].map(([volume, set]) => ({ op: "intents", volume, set, clear: [] }));
}

function extentsOf(host: HostState, volume: VolumeId): Map<number, ExtentIntent> {
  const known = host.mirror.intents.get(volume);
  if (known !== undefined) return known;
  const fresh = new Map<number, ExtentIntent>();
  host.mirror.intents.set(volume, fresh);
  return fresh;
}

function startData(host: HostState, writes: readonly GuestWrite[]): void {
  const { writer } = host.mirror;
  const boot = host.pageNext.vmBoot;
  invariant(boot !== null, "a copy knows the boot whose writes it takes");
  const ops: DiskOp[] = [...dirtyOps(host, writes)];
  for (const { volume, lba, data, sum } of writes)
    ops.push({ op: "block", volume, lba, data, sum });
  ops.push({ op: "applied", boot: boot.id, number: writer.durable });
  const token = commit(host, ops, { kind: "round" });
  writer.round = { phase: "data", token, writes };
}

/** While this host is alone, or becoming so, each write's dirty bit goes into the same flush as its data. */
function dirtyOps(host: HostState, writes: readonly GuestWrite[]): readonly DiskOp[] {
  if (host.page.right !== "sole" && host.pageNext.right !== "sole") return [];
  const fresh = new Map<VolumeId, Lba[]>();
  for (const { volume, lba } of writes) {
    const dirty = dirtyOf(host, volume);
    if (dirty.has(lba)) continue;
    dirty.add(lba);
    fresh.set(volume, [...(fresh.get(volume) ?? []), lba]);
  }
  return [...fresh].map(([volume, set]) => ({ op: "dirty", volume, set, clear: [] }));
}

function dirtyOf(host: HostState, volume: VolumeId): Set<Lba> {
  const known = host.mirror.dirty.get(volume);
  if (known !== undefined) return known;
  const fresh = new Set<Lba>();
  host.mirror.dirty.set(volume, fresh);
  return fresh;
}

/** Every block of an intent extent becomes dirty: the peer may lack it. */
export function markIntentsDirty(host: HostState): DiskOp[] {
  const ops: DiskOp[] = [];
  for (const [volume, extents] of host.mirror.intents) {
    const blocks = host.config.volumes.find(({ id }) => id === volume)?.blocks ?? 0;
    const dirty = dirtyOf(host, volume);
    const set: Lba[] = [];
    for (const extent of extents.keys()) {
      const first = extent * BLOCKS_PER_EXTENT;
      for (let lba = first; lba < Math.min(first + BLOCKS_PER_EXTENT, blocks); lba += 1) {
        if (dirty.has(lba)) continue;
        dirty.add(lba);
        set.push(lba);
      }
    }
    if (set.length > 0) ops.push({ op: "dirty", volume, set, clear: [] });
  }
  return ops;
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

/**
 * A commit of the round under way ended.
 *
 * @returns the writes that are durable now; empty after the intents alone
 */
export function roundDone(host: HostState, token: number): readonly GuestWrite[] {
  const { writer } = host.mirror;
  const { round } = writer;
  invariant(round?.token === token, "rounds end in the order they began");
  writer.round = null;
  if (round.phase === "intents") {
    startData(host, round.writes);
    return [];
  }
  const last = round.writes.at(-1);
  invariant(last !== undefined, "a round holds a write");
  writer.durable = Math.max(writer.durable, last.number);
  startRoundIfDue(host);
  return round.writes;
}

/** Intent extents kept set at a time, at most. */
function intentMax(host: HostState): number {
  let extents = 0;
  for (const { blocks } of host.config.volumes) extents += Math.ceil(blocks / BLOCKS_PER_EXTENT);
  return Math.min(1_024, Math.max(1, Math.floor(extents / 4)));
}

function makeRoom(host: HostState): readonly DiskOp[] {
  if (intentCount(host) <= intentMax(host)) return [];
  mark(host, "intents-full");
  return takeClearable(host, 0);
}

/** Up to here every write is durable wherever it must be (P16): never one's own durability alone while the peer counts. */
function clearableTo(host: HostState): number {
  if (host.page.right === "sole" && host.pageNext.right === "sole")
    return host.mirror.writer.durable;
  return host.vm.kind === "running"
    ? host.mirror.completed
    : Math.min(host.mirror.cleanTo, host.mirror.writer.durable);
}

function takeClearable(host: HostState, warmFor: number): readonly DiskOp[] {
  const bound = clearableTo(host);
  const ops: DiskOp[] = [];
  for (const [volume, extents] of host.mirror.intents) {
    const clear: number[] = [];
    for (const [extent, { lastWrite, lastAt }] of extents) {
      if (lastWrite <= bound && lastAt + warmFor <= host.now) clear.push(extent);
    }
    for (const extent of clear) extents.delete(extent);
    if (clear.length > 0) ops.push({ op: "intents", volume, set: [], clear });
  }
  return ops;
}

export function clearIdleIntents(host: HostState): void {
  const ops = takeClearable(host, host.config.timing.intentWarm);
  if (ops.length > 0) commit(host, ops, { kind: "clear" });
}
