/** Small verbs that every module of the host core uses: emit an effect, draw an id, give a commit to the disk. */

import type { DiskOp } from "../disk/ops.ts";
import type { RandomId } from "../identity.ts";
import { invariant } from "../invariant.ts";
import type { HostMark } from "../marks.ts";
import type { CopyState, Page, Right } from "../pair/page.ts";
import type { HostEffect, HostNote } from "./contract.ts";
import type { AfterPage, Continuation, HostState, OpenSession, ReadContinuation } from "./state.ts";

export function emit(host: HostState, effect: HostEffect): void {
  host.out.push(effect);
}

export function note(host: HostState, what: HostNote): void {
  emit(host, { kind: "note", note: what });
}

export function mark(host: HostState, name: HostMark): void {
  emit(host, { kind: "mark", mark: name });
}

/** This host is to go on alone, as if the peer were lost. */
export function barPeer(host: HostState, why: string): void {
  host.peerBarred = { why, since: host.now };
}

/** Ids are drawn by the driver; below half a stock the core asks for more. */
export function drawId(host: HostState): RandomId {
  const id = host.ids.pop();
  invariant(id !== undefined, "the stock of ids never runs out within a step");
  if (host.ids.length === 16) emit(host, { kind: "need-ids" });
  return id;
}

export function commit(host: HostState, ops: readonly DiskOp[], then: Continuation): number {
  const token = host.nextToken;
  host.nextToken += 1;
  if (!host.isDiskGood) return token;
  if (host.commits.size === 0) host.diskSilentFor = 0;
  host.commits.set(token, then);
  // Bits that wait to be cleared go first: what `ops` sets stays set.
  emit(host, { kind: "commit", token, ops: [...clearings(host), ...ops] });
  return token;
}

function clearings({ mirror }: HostState): readonly DiskOp[] {
  if (mirror.clearing.size === 0) return [];
  const ops = [...mirror.clearing].map(
    ([volume, clear]): DiskOp => ({ op: "dirty", volume, set: [], clear }),
  );
  mirror.clearing.clear();
  return ops;
}

/** Reads come back as an event with this token. */
export function expectRead(host: HostState, then: ReadContinuation): number {
  const token = host.nextToken;
  host.nextToken += 1;
  host.reads.set(token, then);
  return token;
}

/** Gives a new page to the disk; `after` follows when it is durable. `ops` go into the same commit, before the page. */
export function persistPage(
  host: HostState,
  page: Page,
  after: AfterPage,
  ops: readonly DiskOp[] = [],
): void {
  if (!host.isDiskGood) return;
  host.pageNext = page;
  host.pages.push({ page, after, ops });
  if (host.pages.length === 1) writeNextPage(host);
}

/** One page at a time: a power failure may tear the slot that is being written, never both. */
export function writeNextPage(host: HostState): void {
  const [next] = host.pages;
  if (next === undefined) return;
  const { page, after, ops } = next;
  commit(host, [...ops, { op: "page", page }], { kind: "page", page, after });
}

const POWER = { none: 0, ceded: 1, open: 2, elected: 3, sole: 4 } as const satisfies Record<
  Right,
  number
>;

/** The right this host may act on: the weaker of the durable page and the one under way. */
export function rightOf(host: HostState): Right {
  const { page, pageNext } = host;
  return POWER[pageNext.right] < POWER[page.right] ? pageNext.right : page.right;
}

/** The copy as this host may present it: in sync only if both the durable page and the one under way say so. */
export function copyOf(host: HostState): CopyState {
  const { page, pageNext } = host;
  return page.copy === "in-sync" || page.copy === "ahead" ? pageNext.copy : page.copy;
}

/** A transition of the right (not only of the boot or the peer's memory) is on its way to the disk. */
export function isRightMoving(host: HostState): boolean {
  return (
    host.page.right !== host.pageNext.right ||
    host.page.copy !== host.pageNext.copy ||
    host.page.gen?.id !== host.pageNext.gen?.id
  );
}

/**
 * The session, if the VM's writes travel in it: at par, over the peer's copy, and in a resync from the moment when the maps are one.
 */
export function flowSession(host: HostState): OpenSession | null {
  const { session } = host;
  if (session.kind !== "open") return null;
  switch (session.verdict.kind) {
    case "par":
    case "redirect":
      return session;
    case "resync":
      return isFlowing(session) ? session : null;
    case "refuse":
    case "protect":
    case "split-brain":
    case "discard":
      return null;
  }
}

function isFlowing({ resync }: OpenSession): boolean {
  if (resync === null) return false;
  return resync.side === "source"
    ? resync.phase === "copying"
    : resync.phase === "merging" || resync.phase === "receiving";
}

/** The session, if it is open and its hosts are at par. */
export function parSession(host: HostState): OpenSession | null {
  const { session } = host;
  return session.kind === "open" && session.verdict.kind === "par" ? session : null;
}

/** The VM runs over the copy of the peer (6). */
export function isOverPeer({ session, config }: HostState): boolean {
  return (
    session.kind === "open" &&
    session.verdict.kind === "redirect" &&
    session.verdict.runner === config.host
  );
}
