/** Opening, carrying and closing the pair session. */

import { drawId, emit, mark, note, parSession, persistPage } from "../host/context.ts";
import type { HostState, OpenSession, PathState } from "../host/state.ts";
import type { RandomId } from "../identity.ts";
import { digestsOf } from "../mirror/book.ts";
import { intentList } from "../mirror/intents.ts";
import { durableFor, isWriterIdle } from "../mirror/writer.ts";
import { cancelClaim } from "./claims.ts";
import { closeSession } from "./close.ts";
import type { HelloView, PathId, PeerBody, PeerFrame } from "./frames.ts";
import { heard, pathOf } from "./paths.ts";
import { reconnect, type Verdict } from "./reconnect.ts";
import { isLower, sendLoose, sendStream } from "./send.ts";
import { seenServices } from "./services.ts";
import { enterVerdict } from "./verdicts.ts";

/**
 * No page that moves the right under way, and nothing of an old session left for the disk (P17). With a dead disk only a VM in memory is worth a hello:
 * it may go on over the peer's copy.
 */
function isReadyForHello(host: HostState): boolean {
  if (!host.isStarted || host.peerBarred !== null || host.barred?.by === "own") return false;
  if (!host.isDiskGood) return host.vm.kind === "running";
  if (host.pages.length > 0) return false;
  return host.vm.kind === "running" || isWriterIdle(host);
}

function viewOf(host: HostState): HelloView {
  const { vm } = host;
  return {
    host: host.config.host,
    page: host.page,
    running: vm.kind === "running",
    suspended: vm.kind === "running" && vm.isSuspended,
    vmBoot: vm.kind === "running" ? vm.vmBoot : host.page.vmBoot,
    applied: durableFor(host),
    lastWrite: vm.kind === "running" ? host.mirror.lastWrite : 0,
    owes: vm.kind === "running" && isOwing(host),
    intents: intentList(host),
    digests: digestsOf(host.mirror.sumsHere),
    diskGood: host.isDiskGood,
    protect: host.config.protect,
    seen: seenServices(host),
    mustRearm: host.mustRearm,
  };
}

function isOwing(host: HostState): boolean {
  return host.mirror.unacked.length > 0 || !isWriterIdle(host);
}

/** The peer has what this runner owed it, so that what still differs is what it had lost. */
export function compareAgainIfDue(host: HostState): void {
  const session = parSession(host);
  if (session?.verdict.kind !== "par" || !session.verdict.isProvisional) return;
  if (host.vm.kind !== "running" || isOwing(host)) return;
  mark(host, "compared-again");
  closeSession(host, "the copies are compared again");
  host.helloAt = host.now;
}

/** The lower host opens over an A-link that is up: after a hello that nobody answered over the next one, for a link that swallows bytes looks as if it were up. */
export function openIfDue(host: HostState): void {
  if (host.session.kind !== "none" || !isLower(host) || host.claim !== null) return;
  if (host.now < host.helloAt || !isReadyForHello(host)) return;
  const up = host.paths.filter(isUpAlink);
  const path = up[host.hellosInVain % up.length];
  if (path === undefined || path.conn === null) return;
  const nonce = drawId(host);
  const view = viewOf(host);
  host.session = {
    kind: "hello-sent",
    path: path.config.id,
    conn: path.conn,
    nonce,
    view,
    since: host.now,
  };
  host.helloAt = host.now + helloTimeout(host);
  sendLoose(host, path, null, { kind: "hello", nonce, answers: null, view });
}

const isUpAlink = ({ config, conn }: PathState): boolean =>
  config.role === "alink" && conn !== null;

/**
 * A round trip fits into it at any distance that the table of times is made for. Half a silence, because a suspected peer's hello is dropped: its late
 * answer ends the silence, and the next hello must be out before the next suspicion, or every answer comes late for ever.
 */
function helloTimeout(host: HostState): number {
  // The peer is about to go alone, and a VM stands still until it has.
  if (!host.isDiskGood) return host.config.timing.redial;
  return Math.max(host.config.timing.claimRetry, host.config.timing.silence / 2);
}

/** Gives up a hello that nobody answers, so that a new one or a claim may follow. */
export function giveUpHelloIfDue(host: HostState): void {
  const { session } = host;
  if (session.kind !== "hello-sent" && session.kind !== "answered") return;
  if (host.now < session.since + helloTimeout(host)) return;
  host.hellosInVain += 1;
  host.session = { kind: "none" };
}

export function takeHello(
  host: HostState,
  path: PathState,
  body: PeerBody & { kind: "hello" },
): void {
  heard(path);
  if (path.conn === null || path.config.role !== "alink" || !host.isStarted) return;
  if (body.answers === null) {
    if (isLower(host)) return;
    if (host.peerBarred !== null) {
      // The hosts do not meet, so the claim that is out stays the last word.
      mark(host, "hello-of-a-barred-peer");
      return;
    }
    closeSession(host, "the peer opens a new session");
    cancelClaim(host, "the peer says hello");
    host.pendingHello = {
      path: path.config.id,
      conn: path.conn,
      nonce: body.nonce,
      view: body.view,
    };
    return;
  }
  const { session } = host;
  if (
    session.kind !== "hello-sent" ||
    session.nonce !== body.answers ||
    session.conn !== path.conn
  ) {
    mark(host, "hello-answer-late");
    return;
  }
  const id = xorIds(session.nonce, body.nonce);
  const { path: way, conn, view: mine } = session;
  const open = openSession(host, { path: way, conn, id, mine, view: body.view });
  sendStream(host, open, { kind: "opened" });
  enterVerdict(host, open, mine, body.view);
}

/** The higher host answers as soon as it may. It acts on nothing yet: the hello may have been long under way. */
export function answerHelloIfDue(host: HostState): void {
  const hello = host.pendingHello;
  if (hello === null) return;
  const path = pathOf(host, hello.path);
  if (path?.conn !== hello.conn) {
    host.pendingHello = null;
    return;
  }
  if (host.claim !== null || !isReadyForHello(host)) return;
  host.pendingHello = null;
  const nonce = drawId(host);
  const mine = viewOf(host);
  sendLoose(host, path, null, { kind: "hello", nonce, answers: hello.nonce, view: mine });
  const { conn, view } = hello;
  const id = xorIds(hello.nonce, nonce);
  host.session = { kind: "answered", path: hello.path, conn, id, mine, view, since: host.now };
}

function openSession(
  host: HostState,
  hello: {
    readonly path: PathId;
    readonly conn: number;
    readonly id: RandomId;
    readonly mine: HelloView;
    readonly view: HelloView;
  },
): OpenSession {
  const verdict = reconnect(hello.mine, hello.view);
  const { page, running, vmBoot, intents, seen } = hello.view;
  const session: OpenSession = {
    kind: "open",
    id: hello.id,
    path: hello.path,
    conn: hello.conn,
    openedAt: host.now,
    verdict,
    sent: 0,
    received: 0,
    peerRight: page.right,
    peerGenNow: page.gen,
    peerBoot: running ? vmBoot : null,
    peerBootN: page.vmBoot?.n ?? 0,
    peerIntentsEmpty: intents.length === 0,
    peerSeen: seen,
    step: null,
    heldCede: null,
    heldPair: null,
    turn: host.config.preferred,
    endedBoot: null,
    resync: null,
    isLeaving: false,
    isLeaveSaid: false,
    mapsSaid: false,
  };
  host.session = session;
  host.beatAt = host.now;
  host.beatsSent.clear();
  for (const path of host.paths) if (path.conn !== null) heard(path);
  note(host, {
    what: "session",
    state: "open",
    verdict: verdict.row,
    why: verdict.kind === "refuse" ? verdict.why : verdict.kind,
  });
  if (isBelieved(verdict)) rememberPeer(host, hello.view);
  return session;
}

/**
 * What a refused peer says of itself is not remembered: the memory is what tells an old image (D4). Nor what one says whose copy differs after a restart: a
 * session that dies before this host is alone must find it restarted again.
 */
function isBelieved(verdict: Verdict): boolean {
  if (verdict.kind === "refuse") return false;
  return verdict.kind !== "par" || verdict.equalise === null;
}

function rememberPeer(host: HostState, view: HelloView): void {
  const { gen, right, copy, starts, startId } = view.page;
  const known = host.pageNext.peer;
  const isSame =
    known !== null &&
    known.gen?.id === gen?.id &&
    known.right === right &&
    known.copy === copy &&
    known.startId === startId;
  if (isSame) return;
  persistPage(
    host,
    { ...host.pageNext, peer: { gen, right, copy, starts, startId } },
    { kind: "nothing" },
  );
}

/** Session id: equal on both sides, and new if either nonce is. */
function xorIds(left: RandomId, right: RandomId): RandomId {
  let id = "";
  for (let at = 0; at < left.length; at += 1) {
    const digit = Number.parseInt(left.charAt(at), 16) ^ Number.parseInt(right.charAt(at), 16);
    id += digit.toString(16);
  }
  return id;
}

/**
 * Checks that a frame belongs to the open session and continues its stream.
 *
 * @returns the session, or null when the frame is to be dropped
 */
export function acceptFrame(
  host: HostState,
  path: PathState,
  frame: PeerFrame,
): OpenSession | null {
  openIfConfirmed(host, frame);
  const { session } = host;
  if (session.kind !== "open" || frame.session !== session.id) {
    mark(host, "frame-of-another-session");
    return null;
  }
  heard(path);
  if (frame.number === 0) return session;
  if (
    path.config.id !== session.path ||
    path.conn !== session.conn ||
    frame.number !== session.received + 1
  ) {
    mark(host, "stream-gap");
    closeSession(host, `frame ${frame.number} came after ${session.received}`);
    return null;
  }
  session.received += 1;
  return session;
}

/** A frame of the answered session proves that its opener is there and holds the answer. */
function openIfConfirmed(host: HostState, frame: PeerFrame): void {
  const { session } = host;
  if (session.kind !== "answered" || frame.session !== session.id) return;
  const open = openSession(host, session);
  enterVerdict(host, open, session.mine, session.view);
}

/**
 * A connection over which nothing came for a whole silence, while the session lives, is given up: a link that swallows bytes closes nothing. With the
 * stream's own the session ends, and the next one begins over another A-link. Its silence goes on counting, so that nobody is suspected later for it.
 */
export function giveUpSilentPaths(host: HostState): void {
  const { session } = host;
  if (session.kind !== "open") return;
  for (const path of host.paths) {
    const { conn, silentFor, config } = path;
    if (conn === null || silentFor < host.config.timing.silence) continue;
    mark(host, "silent-path");
    emit(host, { kind: "close-path", path: config.id, conn });
    path.conn = null;
    path.isRefused = false;
    if (config.id !== session.path) continue;
    closeSession(host, `${config.id} is silent`);
    host.helloAt = host.now;
  }
}

/** A path closed: with the stream's connection the session ends. */
export function pathClosed(host: HostState, path: PathState, conn: number): void {
  const { session } = host;
  if (session.kind === "none" || session.conn !== conn || session.path !== path.config.id) return;
  closeSession(host, `${path.config.id} closed`);
  host.helloAt = host.now;
}
