/**
 * One host's copy: writes go to the disk in rounds, one after the other. A round is the longest run of queued writes of one epoch without two
 * of the same block, so that no write of epoch k+1 reaches a disk before epoch k is durable there (P15), and overlapping writes
 * keep their order (P14). Intent bits are durable before their blocks are touched (P1).
 */
import type { DiskOp } from "../disk/ops.ts";
import { commit } from "../host/context.ts";
import type { HostState, WriterState } from "../host/state.ts";
import { invariant } from "../invariant.ts";
import type { GuestWrite } from "../machine/entry.ts";
import { noteSum } from "./book.ts";
import { addDirtyWrites } from "./dirty.ts";
import { forgetIntentNumbers, makeRoom, registerIntents } from "./intents.ts";
import { blockKey } from "./keys.ts";

/** Writes in one round at most: 1 MiB, so that a round takes a few milliseconds. */
const ROUND_MAX = 256;

export function enqueue(host: HostState, writes: readonly GuestWrite[]): void {
  const { writer } = host.mirror;
  for (const write of writes) {
    writer.queue.push(write);
    count(writer, write, 1);
  }
  startRoundIfDue(host);
}

function count({ pending }: WriterState, { volume, lba }: GuestWrite, by: number): void {
  const key = blockKey(volume, lba);
  const left = (pending.get(key) ?? 0) + by;
  if (left > 0) pending.set(key, left);
  else pending.delete(key);
}

/** Drops what is not begun; a round under way ends by itself. */
export function dropQueued(host: HostState): void {
  const { writer } = host.mirror;
  for (const write of writer.queue) {
    count(writer, write, -1);
    writer.mirrored.delete(write.number);
  }
  writer.queue = [];
}

export function isWriterIdle(host: HostState): boolean {
  return host.mirror.writer.round === null && host.mirror.writer.queue.length === 0;
}

/** Writes of which nothing is on its way to the disk yet but intent bits. */
export function notBegun(host: HostState): readonly GuestWrite[] {
  const { round, queue } = host.mirror.writer;
  return round?.phase === "intents" ? [...round.writes, ...queue] : queue;
}

/** Write number known durable for the boot that this copy holds; 0 when it holds none. */
export function durableFor(host: HostState): number {
  return host.mirror.writer.durable;
}

/** A new boot counts its writes from 1. */
export function forgetBoot(host: HostState): void {
  const { mirror } = host;
  invariant(isWriterIdle(host), "a boot begins with no write of an older one under way");
  mirror.writer.durable = 0;
  mirror.writer.mirrored.clear();
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
  forgetIntentNumbers(host);
}

export function startRoundIfDue(host: HostState): void {
  const { writer } = host.mirror;
  if (writer.round !== null || writer.queue.length === 0 || writer.isHeld || !host.isDiskGood)
    return;
  if (host.isMoreDue || isEpochPartial(host)) return;
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

/** The next round would be a part of an epoch whose rest the peer is sending: each part would cost a flush of its own. */
function isEpochPartial({ mirror: { writer }, session }: HostState): boolean {
  if (session.kind !== "open" || session.id !== writer.moreDueFrom) return false;
  return writer.queue[0]?.epoch === writer.queue.at(-1)?.epoch;
}

function takeRound(writer: WriterState): readonly GuestWrite[] {
  const { queue } = writer;
  const epoch = queue[0]?.epoch;
  const seen = new Set<number>();
  let taken = 0;
  for (const write of queue) {
    const block = blockKey(write.volume, write.lba);
    if (write.epoch !== epoch || seen.has(block) || taken === ROUND_MAX) break;
    seen.add(block);
    taken += 1;
  }
  const writes = queue.slice(0, taken);
  writer.queue = queue.slice(taken);
  return writes;
}

function startData(host: HostState, writes: readonly GuestWrite[]): void {
  const { writer, sumsHere } = host.mirror;
  const boot = host.pageNext.vmBoot;
  invariant(boot !== null, "a copy knows the boot whose writes it takes");
  const ops: DiskOp[] = [...dirtyOps(host, writes)];
  for (const { volume, lba, data, sum } of writes) {
    noteSum(sumsHere, volume, lba, sum);
    ops.push({ op: "block", volume, lba, data, sum });
  }
  ops.push({ op: "applied", boot: boot.id, number: writer.durable });
  const token = commit(host, ops, { kind: "round" });
  writer.round = { phase: "data", token, writes };
}

/** While this host is alone, or becoming so, the dirty bit of a write that the peer does not get goes into the same flush as its data. */
function dirtyOps(host: HostState, writes: readonly GuestWrite[]): readonly DiskOp[] {
  if (host.page.right !== "sole" && host.pageNext.right !== "sole") return [];
  const { mirrored } = host.mirror.writer;
  const own = mirrored.size === 0 ? writes : writes.filter(({ number }) => !mirrored.has(number));
  return addDirtyWrites(host, own);
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
  for (const write of round.writes) {
    count(writer, write, -1);
    writer.mirrored.delete(write.number);
  }
  startRoundIfDue(host);
  return round.writes;
}
