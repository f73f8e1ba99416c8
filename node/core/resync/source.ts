/**
 * The side of a resync that is `sole` (4.4). It never stops for the guest: a write to a dirty block stays here and keeps the block dirty, a write to
 * a clean one is mirrored.
 */
import type { DiskOp, ReadBlock } from "../disk/ops.ts";
import { commit, emit, expectRead, mark, note } from "../host/context.ts";
import type { BlockKey, HostState, OpenSession, SourceResync } from "../host/state.ts";
import type { VolumeId } from "../identity.ts";
import { sumOf } from "../mirror/book.ts";
import {
  addDirty,
  addDirtyAll,
  addDirtyExtents,
  addDirtyWrites,
  dirtyExtents,
  isAlone,
  isDirty,
  isDirtyEmpty,
  markIntentsDirty,
  takeDirty,
} from "../mirror/dirty.ts";
import { blockKey, lbaOfKey, volumeOfKey } from "../mirror/keys.ts";
import { notBegun } from "../mirror/writer.ts";
import { countExtents, differencesOf } from "../pair/equality.ts";
import { COPY_MAX, type ExtentList, type HelloView, type PeerBody } from "../pair/frames.ts";
import { sendStream } from "../pair/send.ts";
import { BLOCKS_PER_EXTENT, extentOf } from "../units.ts";

/** Blocks read or sent and not answered, at most: 8 MiB alone, 128 KiB beside a guest that writes, whose own writes wait behind them. */
const OUTSTANDING_MAX = 2_048;
const OUTSTANDING_BESIDE_GUEST = 32;
/** The guest counts as writing for so long after its last write. Unit: milliseconds. */
const GUEST_QUIET_AFTER = 100;
/** Cleared bits that wait for a commit at most: so many blocks a crash may have copied again. */
const CLEARING_MAX = 1_024;
/** Queue entries looked at in one step, so that a queue of blocks that are all being written costs little. */
const LOOKED_AT_MAX = 64;

export function beginSource(
  host: HostState,
  session: OpenSession,
  by: { readonly isFull: boolean; readonly mine: HelloView; readonly peer: HelloView },
): void {
  session.resync = {
    side: "source",
    isFull: by.isFull,
    phase: "unready",
    intents: null,
    unseen: new Set(),
    total: 0,
    saidTenth: 0,
    queue: [],
    copying: new Map(),
    rotten: new Set(),
  };
  if (!by.isFull) suspectSilent(host, by.mine, by.peer);
}

/** P18: what no map names and yet differs joins the map. */
function suspectSilent(host: HostState, mine: HelloView, peer: HelloView): void {
  const marked = new Map(
    dirtyExtents(host).map(({ volume, extents }) => [volume, new Set(extents)] as const),
  );
  const silent = differencesOf(mine, peer)
    .outside.map(({ volume, extents }) => ({
      volume,
      extents: extents.filter((extent) => marked.get(volume)?.has(extent) !== true),
    }))
    .filter(({ extents }) => extents.length > 0);
  if (silent.length > 0) suspect(host, silent);
}

/** Alerts, and keeps the extents for the next dirty map. */
export function suspect(host: HostState, silent: readonly ExtentList[]): void {
  mark(host, "silent-divergence");
  tellSilent(host, `${countExtents(silent)} extents`);
  for (const { volume, extents } of silent) {
    const known = host.mirror.suspect.get(volume) ?? new Set();
    for (const extent of extents) known.add(extent);
    host.mirror.suspect.set(volume, known);
  }
}

function tellSilent(host: HostState, what: string): void {
  const detail = `${what} differ although no map names them`;
  note(host, { what: "alert", code: "silent-divergence", detail });
}

export function takeReady(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "ready" },
): void {
  const { resync } = session;
  if (resync?.side !== "source" || resync.phase !== "unready") {
    mark(host, "ready-ignored");
    return;
  }
  resync.intents = body.intents;
}

/** P20: the maps become one, durably, before the target forgets its intents. Not before the paths have been steady for a while. */
export function mergeIfDue(host: HostState): void {
  const { session } = host;
  if (session.kind !== "open" || session.resync?.side !== "source") return;
  const { resync } = session;
  if (resync.phase !== "unready" || resync.intents === null || !isAlone(host)) return;
  if (host.now < session.openedAt + host.rejoin.wait) return;
  resync.phase = "merging";
  const ops: DiskOp[] = [
    ...(resync.isFull ? addDirtyAll(host) : []),
    ...markIntentsDirty(host),
    ...resync.intents.flatMap(({ volume, extents }) => addDirtyExtents(host, volume, extents)),
  ];
  commit(host, ops, { kind: "merged", session: session.id });
}

/**
 * The merged map is durable. From here a block is either dirty or the target's too: so are the blocks of writes that stay here and whose own dirty bits
 * come only with their data, or a newer write of such a block would be mirrored beside them.
 */
export function merged(host: HostState, session: OpenSession): void {
  const { resync } = session;
  if (resync?.side !== "source") return;
  const ops = addDirtyWrites(host, notBegun(host));
  if (ops.length > 0) {
    mark(host, "writes-wait-at-merge");
    commit(host, ops, { kind: "clear" });
  }
  const extents = dirtyExtents(host);
  for (const list of extents) {
    for (const extent of list.extents) resync.unseen.add(blockKey(list.volume, extent));
  }
  resync.total = resync.unseen.size;
  resync.phase = "copying";
  note(host, { what: "resync", state: "started", isFull: resync.isFull, percent: 0 });
  sendStream(host, session, { kind: "merged", extents });
}

/** What differs is to be copied, what is equal is marked so. */
export function takeSums(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "sums" },
): void {
  const { resync } = session;
  if (resync?.side !== "source" || resync.phase !== "copying") return;
  const { volume, first, sums } = body;
  const clear: number[] = [];
  const silent: number[] = [];
  for (const [at, sum] of sums.entries()) {
    const lba = first + at;
    const key = blockKey(volume, lba);
    const isEqual = sum === sumOf(host.mirror.sumsHere, volume, lba);
    if (!isDirty(host, volume, lba)) {
      if (!isEqual && !isOnItsWay(host, key)) silent.push(lba);
      continue;
    }
    if (isEqual && !host.mirror.writer.pending.has(key) && !resync.copying.has(key)) {
      takeDirty(host, volume, lba);
      clear.push(lba);
    } else resync.queue.push(key);
  }
  for (let lba = first; lba < first + sums.length; lba += BLOCKS_PER_EXTENT) {
    resync.unseen.delete(blockKey(volume, extentOf(lba)));
  }
  clearBits(host, volume, clear);
  if (silent.length > 0) copySilent(host, resync, volume, silent);
  sayProgress(host, resync);
}

/** Mirrored, and not answered by the target: its sums may be older. */
function isOnItsWay(host: HostState, key: BlockKey): boolean {
  return host.mirror.unacked.some(({ volume, lba }) => blockKey(volume, lba) === key);
}

/** P18: the hello's digests tell nothing of a block beside a dirty one. */
function copySilent(
  host: HostState,
  resync: SourceResync,
  volume: VolumeId,
  lbas: readonly number[],
): void {
  mark(host, "silent-blocks");
  tellSilent(host, `${lbas.length} blocks of volume ${volume}`);
  commit(host, addDirty(host, volume, lbas), { kind: "clear" });
  for (const lba of lbas) resync.queue.push(blockKey(volume, lba));
}

/** Together with what is committed next, the page of T4 at the latest; a crash before costs copies. */
function clearBits(host: HostState, volume: VolumeId, clear: readonly number[]): void {
  if (clear.length === 0) return;
  const waiting = host.mirror.clearing.get(volume) ?? [];
  waiting.push(...clear);
  host.mirror.clearing.set(volume, waiting);
  if (waiting.length >= CLEARING_MAX) commit(host, [], { kind: "clear" });
}

/** Reads blocks to copy, as far as the window allows. A block with a write of its own on the way is left for later: the disk still holds the older one. */
export function copyIfDue(host: HostState): void {
  const { session } = host;
  if (session.kind !== "open" || session.resync?.side !== "source") return;
  const { resync } = session;
  if (resync.phase !== "copying" || resync.queue.length === 0) return;
  const window = isGuestWriting(host) ? OUTSTANDING_BESIDE_GUEST : OUTSTANDING_MAX;
  while (resync.copying.size < window) {
    const batch = takeBatch(host, resync);
    const [first] = batch;
    if (first === undefined) return;
    const volume = volumeOfKey(first);
    for (const key of batch) resync.copying.set(key, { isTouched: false });
    const token = expectRead(host, { kind: "copy", session: session.id, volume });
    emit(host, { kind: "read-blocks", token, volume, lbas: batch.map(lbaOfKey) });
  }
}

function isGuestWriting(host: HostState): boolean {
  return host.vm.kind === "running" && host.now - host.mirror.wroteAt < GUEST_QUIET_AFTER;
}

/** Blocks of one volume. */
function takeBatch(host: HostState, resync: SourceResync): readonly BlockKey[] {
  const batch: BlockKey[] = [];
  const later: BlockKey[] = [];
  let taken = 0;
  for (const key of resync.queue) {
    if (batch.length === COPY_MAX || taken === LOOKED_AT_MAX) break;
    const [first] = batch;
    if (first !== undefined && volumeOfKey(first) !== volumeOfKey(key)) break;
    taken += 1;
    if (host.mirror.writer.pending.has(key)) later.push(key);
    else batch.push(key);
  }
  resync.queue.splice(0, taken);
  resync.queue.push(...later);
  return batch;
}

export function sendCopies(
  host: HostState,
  session: OpenSession,
  read: { readonly volume: VolumeId; readonly blocks: readonly (ReadBlock & { isBad: boolean })[] },
): void {
  const { volume } = read;
  const bad = read.blocks.filter(({ isBad }) => isBad);
  const [rotten] = bad;
  if (rotten !== undefined) {
    mark(host, "bad-block-at-source");
    const detail = `${volume}/${rotten.lba} does not match its checksum: the target cannot become current`;
    note(host, { what: "alert", code: "bad-block", detail });
    setAside(session, bad);
  }
  const blocks = read.blocks
    .filter(({ isBad }) => !isBad)
    .map(({ lba, sum, data }) => ({ lba, sum, data }));
  if (blocks.length > 0) sendStream(host, session, { kind: "copy", volume, blocks });
}

/** What was written over a block while it was read is whole. */
function setAside({ resync }: OpenSession, bad: readonly ReadBlock[]): void {
  if (resync?.side !== "source") return;
  for (const { volume, lba } of bad) {
    const key = blockKey(volume, lba);
    const isWritten = resync.copying.get(key)?.isTouched === true;
    resync.copying.delete(key);
    if (isWritten) resync.queue.push(key);
    else resync.rotten.add(key);
  }
}

/** The guest writes to a dirty block: what is copied of it, or could not be read, is to be read anew. */
export function touch(resync: SourceResync, key: BlockKey): void {
  const copy = resync.copying.get(key);
  if (copy !== undefined) copy.isTouched = true;
  if (resync.rotten.delete(key)) resync.queue.push(key);
}

/** P22: the bit of a block goes when the block is durable at the target and was not touched since it was read. */
export function takeCopied(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "copied" },
): void {
  const { resync } = session;
  if (resync?.side !== "source") return;
  const { volume } = body;
  const clear: number[] = [];
  for (const [lba, sum] of body.blocks) {
    const key = blockKey(volume, lba);
    const copy = resync.copying.get(key);
    if (copy === undefined) {
      mark(host, "copied-unasked");
      continue;
    }
    resync.copying.delete(key);
    if (copy.isTouched || sum !== sumOf(host.mirror.sumsHere, volume, lba)) {
      mark(host, "copied-and-touched");
      resync.queue.push(key);
    } else if (takeDirty(host, volume, lba)) clear.push(lba);
  }
  clearBits(host, volume, clear);
  sayProgress(host, resync);
}

function sayProgress(host: HostState, resync: SourceResync): void {
  if (resync.total === 0) return;
  const left = resync.unseen.size + (resync.queue.length + resync.copying.size) / BLOCKS_PER_EXTENT;
  const percent = Math.max(0, Math.floor(100 * (1 - left / resync.total)));
  const tenth = Math.floor(percent / 10);
  if (tenth <= resync.saidTenth) return;
  resync.saidTenth = tenth;
  note(host, { what: "resync", state: "progress", isFull: resync.isFull, percent });
}

/** Everything is at the target: T4 may begin. */
export function isCopied(host: HostState, { resync }: OpenSession): boolean {
  return (
    resync?.side === "source" &&
    resync.phase === "copying" &&
    resync.unseen.size === 0 &&
    resync.queue.length === 0 &&
    resync.copying.size === 0 &&
    isDirtyEmpty(host)
  );
}
