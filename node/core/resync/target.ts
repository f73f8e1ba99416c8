/** The side of a resync that is behind (T3, 4.4). From its first block on it can be booted by nobody, and only a T4 makes it current. */
import type { DiskOp } from "../disk/ops.ts";
import { commit, mark, persistPage } from "../host/context.ts";
import type { HostState, OpenSession, TargetResync } from "../host/state.ts";
import { sameBoot, type VolumeId } from "../identity.ts";
import { noteSum, sumsOf } from "../mirror/book.ts";
import { blocksOf } from "../mirror/dirty.ts";
import { intentList, takeAllIntents } from "../mirror/intents.ts";
import { forgetBoot, isWriterIdle, startRoundIfDue } from "../mirror/writer.ts";
import { COPIED_MAX, type CopiedBlockSum, type PeerBody } from "../pair/frames.ts";
import type { Page } from "../pair/page.ts";
import { sendStream } from "../pair/send.ts";
import { BLOCKS_PER_EXTENT } from "../units.ts";

/** Extents whose sums go into one frame: 512 numbers, which the source compares within a millisecond. */
const EXTENTS_PER_SUMS = 8;
/** Copied blocks kept for one frame at most: the source's window is to stay open. */
const COPIED_AT_ONCE = COPIED_MAX / 2;

export function beginTarget(session: OpenSession): void {
  session.resync = {
    side: "target",
    phase: "stopping",
    extents: [],
    unsaid: [],
    copied: new Map(),
  };
}

function targetOf(host: HostState): { session: OpenSession; resync: TargetResync } | null {
  const { session } = host;
  return session.kind === "open" && session.resync?.side === "target"
    ? { session, resync: session.resync }
    : null;
}

/** T3: once nothing of an older session is on its way to the disk. */
export function stepDownIfDue(host: HostState): void {
  const target = targetOf(host);
  if (target === null || target.resync.phase !== "stopping") return;
  if (!isWriterIdle(host) || host.pages.length > 0 || host.vm.kind !== "none") return;
  const { session, resync } = target;
  resync.phase = "stepping-down";
  const page = steppedDown(host.pageNext);
  const boot = session.peerBoot;
  const isOtherBoot = boot !== null && !sameBoot(page.vmBoot, boot);
  if (isOtherBoot) forgetBoot(host);
  persistPage(host, isOtherBoot ? { ...page, vmBoot: boot } : page, {
    kind: "stepped-down",
    session: session.id,
  });
}

function steppedDown(page: Page): Page {
  if (page.right === "none") return page;
  const copy = page.copy === "inconsistent" ? "inconsistent" : "behind";
  return { ...page, right: "ceded", copy };
}

export function sayReady(host: HostState, session: OpenSession): void {
  if (session.resync?.side !== "target") return;
  session.resync.phase = "unmerged";
  sendStream(host, session, { kind: "ready", intents: intentList(host) });
}

/** The source's map holds this host's intents: they may go, together with what makes the copy worthless for a boot. */
export function takeMerged(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "merged" },
): void {
  const { resync } = session;
  if (resync?.side !== "target" || resync.phase !== "unmerged") {
    mark(host, "merged-ignored");
    return;
  }
  resync.phase = "merging";
  resync.extents = body.extents;
  host.mirror.writer.isHeld = true;
  persistPage(
    host,
    { ...host.pageNext, copy: "inconsistent", resyncFrom: session.peerGenNow },
    { kind: "inconsistent", session: session.id },
    takeAllIntents(host),
  );
}

export function receive(host: HostState, session: OpenSession): void {
  const { resync } = session;
  if (resync?.side !== "target") return;
  resync.phase = "receiving";
  host.mirror.writer.isHeld = false;
  resync.unsaid = resync.extents.flatMap(({ volume, extents }) =>
    runs(extents).map(([first, count]) => ({ volume, first, count })),
  );
  startRoundIfDue(host);
}

/** One frame a step: all at once would keep the source, and the guest that runs there, busy for tens of milliseconds. */
export function saySumsIfDue(host: HostState): void {
  const target = targetOf(host);
  if (target === null || target.resync.phase !== "receiving") return;
  const next = target.resync.unsaid.shift();
  if (next === undefined) return;
  const { volume, first, count } = next;
  const sums: number[] = [];
  for (let extent = first; extent < first + count; extent += 1)
    sums.push(...sumsOf(host.mirror.sumsHere, volume, extent));
  const block = first * BLOCKS_PER_EXTENT;
  sendStream(host, target.session, { kind: "sums", volume, first: block, sums });
}

/** Neighbouring extents together, as many as fit into a frame. */
function runs(extents: readonly number[]): readonly (readonly [first: number, count: number])[] {
  const found: [number, number][] = [];
  for (const extent of extents) {
    const last = found.at(-1);
    if (last !== undefined && extent === last[0] + last[1] && last[1] < EXTENTS_PER_SUMS)
      last[1] += 1;
    else found.push([extent, 1]);
  }
  return found;
}

export function takeCopy(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "copy" },
): void {
  const { volume, blocks } = body;
  const size = blocksOf(host, volume);
  if (session.resync?.side !== "target" || session.resync.phase !== "receiving") {
    mark(host, "copy-ignored");
    return;
  }
  const ops: DiskOp[] = [];
  for (const { lba, sum, data } of blocks) {
    if (lba >= size) continue;
    noteSum(host.mirror.sumsHere, volume, lba, sum);
    ops.push({ op: "block", volume, lba, data, sum });
  }
  commit(host, ops, {
    kind: "copied",
    session: session.id,
    volume,
    blocks: blocks.map(({ lba, sum }) => [lba, sum] as const),
  });
}

/** These blocks are durable. The frame that says so waits for the others that the same flush served. */
export function noteCopied(
  { resync }: OpenSession,
  of: { readonly volume: VolumeId; readonly blocks: readonly CopiedBlockSum[] },
): void {
  if (resync?.side !== "target") return;
  const known = resync.copied.get(of.volume);
  if (known === undefined) resync.copied.set(of.volume, [...of.blocks]);
  else known.push(...of.blocks);
}

export function sayCopiedIfDue(host: HostState): void {
  const target = targetOf(host);
  if (target === null) return;
  const { session, resync } = target;
  for (const [volume, blocks] of resync.copied) {
    if (host.isMoreDue && blocks.length < COPIED_AT_ONCE) continue;
    resync.copied.delete(volume);
    sendStream(host, session, { kind: "copied", volume, blocks });
  }
}
