/** Opening, carrying and closing the pair session. */

import { drawId, mark, note, persistPage } from "../host/context.ts";
import type { HostState, OpenSession, PathState, PendingHello } from "../host/state.ts";
import type { RandomId } from "../identity.ts";
import { durableFor, intentCount, isDirtyEmpty, isWriterIdle } from "../mirror/writer.ts";
import { cancelClaim } from "./claims.ts";
import { closeSession } from "./close.ts";
import type { HelloView, PeerBody, PeerFrame } from "./frames.ts";
import { heard, pathOf } from "./paths.ts";
import { reconnect } from "./reconnect.ts";
import { isLower, sendLoose } from "./send.ts";
import { seenServices } from "./services.ts";
import { enterVerdict } from "./verdicts.ts";

/** No page that moves the right under way, and nothing of an old session left for the disk (P17). */
function isReadyForHello(host: HostState): boolean {
  if (!host.isStarted || host.pages.length > 0) return false;
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
    intentCount: intentCount(host),
    dirtyEmpty: isDirtyEmpty(host),
    diskGood: host.isDiskGood,
    protect: host.config.protect,
    seen: seenServices(host),
    mustRearm: host.mustRearm,
  };
}

/** The lower host opens over the first A-link that is up. */
export function openIfDue(host: HostState): void {
  if (host.session.kind !== "none" || !isLower(host) || host.claim !== null) return;
  if (host.now < host.helloAt || host.isPeerBarred || !isReadyForHello(host)) return;
  const path = host.paths.find(
    (candidate) => candidate.config.role === "alink" && candidate.conn !== null,
  );
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
  host.helloAt = host.now + host.config.timing.claimRetry;
  sendLoose(host, path, null, { kind: "hello", nonce, answers: null, view });
}

/** Gives up a hello that nobody answers, so that a new one or a claim may follow. */
export function giveUpHelloIfDue(host: HostState): void {
  if (host.session.kind === "hello-sent" && host.now >= host.helloAt)
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
  const { nonce, view } = session;
  openSession(
    host,
    { path: path.config.id, conn: path.conn, nonce, mine: view, view: body.view },
    body.nonce,
  );
}

/** The higher host answers as soon as it may. */
export function answerHelloIfDue(host: HostState): void {
  const hello = host.pendingHello;
  if (hello === null) return;
  const path = pathOf(host, hello.path);
  if (path?.conn !== hello.conn) {
    host.pendingHello = null;
    return;
  }
  if (host.claim !== null || host.isPeerBarred || !isReadyForHello(host)) return;
  host.pendingHello = null;
  const nonce = drawId(host);
  const mine = viewOf(host);
  sendLoose(host, path, null, { kind: "hello", nonce, answers: hello.nonce, view: mine });
  openSession(host, { ...hello, mine }, nonce);
}

function openSession(
  host: HostState,
  hello: PendingHello & { readonly mine: HelloView },
  otherNonce: RandomId,
): void {
  const verdict = reconnect(hello.mine, hello.view);
  const session: OpenSession = {
    kind: "open",
    id: xorIds(hello.nonce, otherNonce),
    path: hello.path,
    conn: hello.conn,
    verdict,
    peerGen: hello.view.page.gen,
    sent: 0,
    received: 0,
    peerRight: hello.view.page.right,
    peerGenNow: hello.view.page.gen,
    peerCopy: hello.view.page.copy,
    peerBoot: hello.view.running ? hello.view.vmBoot : null,
    peerBootN: hello.view.page.vmBoot?.n ?? 0,
    peerIntentsEmpty: hello.view.intentCount === 0,
    peerSeen: hello.view.seen,
    step: null,
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
  rememberPeer(host, hello.view);
  enterVerdict(host, session, hello.mine, hello.view);
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
  const { session } = host;
  if (session.kind !== "open" || frame.session !== session.id) {
    host.droppedFrames += 1;
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

/** A path closed: with the stream's connection the session ends. */
export function pathClosed(host: HostState, path: PathState, conn: number): void {
  const { session } = host;
  if (session.kind === "none" || session.conn !== conn || session.path !== path.config.id) return;
  closeSession(host, `${path.config.id} closed`);
  host.helloAt = host.now;
}
