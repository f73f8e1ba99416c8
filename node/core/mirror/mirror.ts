/** The mirror between two hosts: what the runner sends, what the peer answers, and when a write is complete. */
import { barPeer, flowSession, mark, note } from "../host/context.ts";
import type { HostState, OpenSession } from "../host/state.ts";
import { sameBoot } from "../identity.ts";
import type { GuestWrite, MachineResult } from "../machine/entry.ts";
import { closeSession } from "../pair/close.ts";
import type { HelloView, PeerBody } from "../pair/frames.ts";
import { sendStream } from "../pair/send.ts";
import { touch } from "../resync/source.ts";
import { settle } from "./complete.ts";
import { isAlone, isDirty } from "./dirty.ts";
import { clearIdleIntents } from "./intents.ts";
import { blockKey } from "./keys.ts";
import { enqueue } from "./writer.ts";

/** Incomplete epochs at most: beyond it input waits, and the next batch shares one flush. */
export const EPOCHS_MAX = 8;

/** The runner's new writes: onto its own disk and to the peer, in parallel. */
export function takeWrites(host: HostState, result: MachineResult): void {
  const { mirror } = host;
  const before = mirror.lastWrite;
  if (result.writes.length > 0) mirror.wroteAt = host.now;
  const session = flowSession(host);
  const due = result.writes.filter((write) => isMirrored(host, session, write));
  for (const { number } of result.writes) mirror.lastWrite = number;
  mirror.unacked.push(...due);
  if (session !== null) sendWrites(host, session, due);
  for (let flush = mirror.flushes + 1; flush <= result.flushes; flush += 1) {
    const inside = result.writes.filter(({ epoch }) => epoch <= flush).at(-1);
    mirror.flushEnds.push({ flush, upTo: inside?.number ?? before });
  }
  mirror.flushes = result.flushes;
  if (host.isDiskGood) enqueue(host, result.writes);
  settle(host);
}

/** A host that is alone sends what goes to blocks that its target holds; any other sends everything, now or when the peer is back. */
function isMirrored(host: HostState, session: OpenSession | null, write: GuestWrite): boolean {
  if (host.page.right !== "sole") return true;
  const resync = session?.resync;
  if (resync?.side !== "source") return false;
  if (isDirty(host, write.volume, write.lba)) {
    touch(resync, blockKey(write.volume, write.lba));
    return false;
  }
  host.mirror.writer.mirrored.add(write.number);
  return true;
}

function sendWrites(host: HostState, session: OpenSession, writes: readonly GuestWrite[]): void {
  for (const [index, write] of writes.entries()) {
    host.mirror.sums.set(write.number, write.sum);
    const isMoreDue = writes[index + 1]?.epoch === write.epoch;
    sendStream(host, session, { kind: "write", write, isMoreDue });
  }
}

export function takeWrote(host: HostState, body: PeerBody & { kind: "wrote" }): void {
  const { mirror } = host;
  for (const [number, sum] of body.sums) {
    const expected = mirror.sums.get(number);
    if (expected === undefined || expected === sum) continue;
    giveUpPeer(host, number);
    return;
  }
  for (const [number] of body.sums) mirror.sums.delete(number);
  if (body.upTo <= mirror.peerDurable) return;
  mirror.peerDurable = body.upTo;
  const rest = mirror.unacked.findIndex(({ number }) => number > body.upTo);
  mirror.unacked = rest === -1 ? [] : mirror.unacked.slice(rest);
  settle(host);
}

/**
 * The peer stored something else (S41): it counts as lost at once. To send the write again would put it behind newer ones of the same block, and a
 * later `wrote` would complete it unproven.
 */
function giveUpPeer(host: HostState, number: number): void {
  mark(host, "sums-differ");
  note(host, {
    what: "alert",
    code: "sums-differ",
    detail: `write ${number} is stored differently at the peer`,
  });
  if (isAlone(host)) closeSession(host, "the target stored something else");
  else barPeer(host, "it stored something else");
}

/**
 * On a new session at par the runner sends again what the peer may lack: epoch by epoch, of each block only the last version inside an
 * epoch (P17). An older version sent after a newer one has landed, with the power failing in between, would undo the newer one.
 */
export function resend(host: HostState, session: OpenSession, peer: HelloView): void {
  const { mirror, vm } = host;
  if (vm.kind !== "running") return;
  const stated = sameBoot(peer.vmBoot, vm.vmBoot) ? peer.applied : 0;
  mirror.peerDurable = Math.max(mirror.peerDurable, stated);
  mirror.unacked = mirror.unacked.filter(({ number }) => number > mirror.peerDurable);
  mirror.sums.clear();
  mirror.cleanSaid = 0;
  const newest = new Map<string, number>();
  for (const { epoch, volume, lba, number } of mirror.unacked) {
    newest.set(`${epoch}/${volume}/${lba}`, number);
  }
  const due = mirror.unacked.filter(
    ({ epoch, volume, lba, number }) => newest.get(`${epoch}/${volume}/${lba}`) === number,
  );
  if (due.length > 0) mark(host, "writes-sent-again");
  sendWrites(host, session, due);
  settle(host);
}

/** The standby takes a mirrored write onto its disk. */
export function takeMirrored(
  host: HostState,
  { write, isMoreDue }: PeerBody & { kind: "write" },
): void {
  const session = flowSession(host);
  if (
    session === null ||
    host.vm.kind !== "none" ||
    !host.isDiskGood ||
    host.pageNext.vmBoot === null
  ) {
    mark(host, "write-not-taken");
    closeSession(host, "a write came that this host cannot take");
    return;
  }
  host.mirror.writer.moreDueFrom = isMoreDue ? session.id : null;
  enqueue(host, [write]);
}

/** A round of this host's copy is durable. */
export function roundSettled(host: HostState, writes: readonly GuestWrite[]): void {
  if (writes.length === 0) return;
  if (host.vm.kind === "running") settle(host);
  else sendWrote(host, writes);
}

function sendWrote(host: HostState, writes: readonly GuestWrite[]): void {
  const session = flowSession(host);
  if (session === null) return;
  sendStream(host, session, {
    kind: "wrote",
    upTo: host.mirror.writer.durable,
    sums: writes.map(({ number, sum }) => [number, sum] as const),
  });
}

/** Says how far both copies are equal, and clears what is idle (P16). */
export function tidyIntents(host: HostState): void {
  sayClean(host);
  clearIdleIntents(host, host.config.timing.intentWarm);
}

/** The runner's word that every write up to here is durable on both. */
export function sayClean(host: HostState): void {
  const { mirror } = host;
  const session = flowSession(host);
  if (host.vm.kind !== "running" || session === null || mirror.completed <= mirror.cleanSaid)
    return;
  mirror.cleanSaid = mirror.completed;
  sendStream(host, session, { kind: "clean-to", number: mirror.completed });
}
