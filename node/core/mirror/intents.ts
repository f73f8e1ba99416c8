/** The intent log: extents in which the copies may differ. A bit is durable before a block of its extent is touched (P1). */
import type { DiskOp } from "../disk/ops.ts";
import { commit, mark } from "../host/context.ts";
import type { ExtentIntent, HostState } from "../host/state.ts";
import type { VolumeId } from "../identity.ts";
import type { GuestWrite } from "../machine/entry.ts";
import type { ExtentList } from "../pair/frames.ts";
import { BLOCKS_PER_EXTENT, extentOf } from "../units.ts";
import { blocksOf, isAlone, UNKNOWN_WRITE } from "./dirty.ts";

export function intentCount(host: HostState): number {
  let count = 0;
  for (const extents of host.mirror.intents.values()) count += extents.size;
  return count;
}

export function intentList(host: HostState): readonly ExtentList[] {
  return [...host.mirror.intents].flatMap(([volume, extents]) =>
    extents.size === 0
      ? []
      : [{ volume, extents: [...extents.keys()].sort((left, right) => left - right) }],
  );
}

/** Extents set ahead of a sequential writer: 2 MiB for the price of one flush. */
const AHEAD = 8;

/** @returns the ops that set the bits of extents not yet set */
export function registerIntents(host: HostState, writes: readonly GuestWrite[]): readonly DiskOp[] {
  const cold = new Map<VolumeId, number[]>();
  for (const write of writes) {
    const extents = extentsOf(host, write.volume);
    const extent = extentOf(write.lba);
    const known = extents.get(extent);
    if (known === undefined) {
      const set = [extent, ...extentsAhead(host, write.volume, extent)];
      for (const one of set) extents.set(one, { lastWrite: write.number, lastAt: host.now });
      cold.set(write.volume, [...(cold.get(write.volume) ?? []), ...set]);
    } else {
      if (known.lastWrite !== UNKNOWN_WRITE)
        known.lastWrite = Math.max(known.lastWrite, write.number);
      known.lastAt = host.now;
    }
  }
  return [...cold].map(([volume, set]) => ({ op: "intents", volume, set, clear: [] }));
}

/** Cold extents behind one whose writer comes from the extent before it; none unless there is room for all. */
function extentsAhead(host: HostState, volume: VolumeId, extent: number): readonly number[] {
  const extents = extentsOf(host, volume);
  if (!extents.has(extent - 1) || intentCount(host) + AHEAD > intentMax(host)) return [];
  const end = Math.ceil(blocksOf(host, volume) / BLOCKS_PER_EXTENT);
  const ahead = Array.from({ length: AHEAD - 1 }, (_, index) => extent + 1 + index);
  return ahead.filter((one) => one < end && !extents.has(one));
}

function extentsOf(host: HostState, volume: VolumeId): Map<number, ExtentIntent> {
  const known = host.mirror.intents.get(volume);
  if (known !== undefined) return known;
  const fresh = new Map<number, ExtentIntent>();
  host.mirror.intents.set(volume, fresh);
  return fresh;
}

/** A standby that meets the runner: what its intents meant is sent again, up to the runner's last write (P17). */
export function nameIntents(host: HostState, lastWrite: number): void {
  for (const extents of host.mirror.intents.values()) {
    for (const intent of extents.values()) {
      if (intent.lastWrite === UNKNOWN_WRITE) intent.lastWrite = lastWrite;
    }
  }
}

/**
 * The writes of a new boot are numbered anew: what an intent left by an older one waits for would come too early, or never. Alone, all that it meant is in the
 * dirty map.
 */
export function forgetIntentNumbers(host: HostState): void {
  const lastWrite = isAlone(host) ? 0 : UNKNOWN_WRITE;
  for (const extents of host.mirror.intents.values()) {
    for (const intent of extents.values()) intent.lastWrite = lastWrite;
  }
}

/** Extents kept set at a time, at most. */
function intentMax(host: HostState): number {
  let extents = 0;
  for (const { blocks } of host.config.volumes) extents += Math.ceil(blocks / BLOCKS_PER_EXTENT);
  return Math.min(1_024, Math.max(1, Math.floor(extents / 4)));
}

export function makeRoom(host: HostState): readonly DiskOp[] {
  if (intentCount(host) <= intentMax(host)) return [];
  mark(host, "intents-full");
  return takeClearable(host, 0);
}

/**
 * Up to here every write is durable wherever it must be (P16): never one's own durability alone while the peer counts. A standby takes the runner's word,
 * which is said only after its own: after a restart it knows less of itself.
 */
function clearableTo(host: HostState): number {
  const { mirror } = host;
  if (host.vm.kind === "running") return mirror.completed;
  if (isAlone(host)) return mirror.writer.durable;
  return mirror.cleanTo;
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

/** @param warmFor extents written within this time keep their bit. Unit: milliseconds; 0: all that may be cleared are */
export function clearIdleIntents(host: HostState, warmFor: number): void {
  const ops = takeClearable(host, warmFor);
  if (ops.length > 0) commit(host, ops, { kind: "clear" });
}

/** The copies are equal, whatever the log says. */
export function clearAllIntents(host: HostState): void {
  const ops = takeAllIntents(host);
  if (ops.length > 0) commit(host, ops, { kind: "clear" });
}

/** Forgets every bit. @returns the ops that make it durable */
export function takeAllIntents(host: HostState): DiskOp[] {
  const ops: DiskOp[] = [];
  for (const [volume, extents] of host.mirror.intents) {
    if (extents.size > 0) ops.push({ op: "intents", volume, set: [], clear: [...extents.keys()] });
    extents.clear();
  }
  return ops;
}
