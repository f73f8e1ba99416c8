/**
 * The transitions by which a pair is armed (T5) and disarmed (T6). Each is asked for once; its answer, `stepTimeout` or the
 * session's end ends the wait. `from` of every message is the generation that the step starts from (P7).
 */
import {
  barPeer,
  drawId,
  isRightMoving,
  mark,
  parSession,
  persistPage,
  rightOf,
} from "../host/context.ts";
import type { HostState, OpenSession, PendingStep, ServiceState } from "../host/state.ts";
import { type HostId, type RandomId, sameGeneration } from "../identity.ts";
import type { QuorumAnswer } from "../quorum/messages.ts";
import { nextGeneration } from "./claims.ts";
import { closeSession } from "./close.ts";
import type { PeerBody } from "./frames.ts";
import { succeed } from "./page.ts";
import { isLower, sendStream } from "./send.ts";
import { ask, seenServices, unseenUntilLost } from "./services.ts";

export function endStepIfLate(host: HostState): void {
  const { session } = host;
  if (session.kind !== "open" || session.step === null || host.now < session.step.deadline) return;
  mark(host, `step-timeout-${session.step.kind}`);
  closeSession(host, `${session.step.kind} was not answered`);
}

function isFree(host: HostState, session: OpenSession): boolean {
  return session.step === null && !isRightMoving(host) && host.barred === null;
}

/** T5: the elected host registers the next generation with the first service that both hosts see. */
export function armIfDue(host: HostState): void {
  const session = parSession(host);
  if (session === null || !isFree(host, session) || rightOf(host) !== "elected") return;
  if (equaliserOf(session) === host.config.host || session.isLeaving) return;
  if (session.verdict.kind === "par" && session.verdict.isProvisional) return;
  if (isWithoutArbiter(host)) {
    if (host.config.peerLoss === "continue") armAlone(host, session);
    return;
  }
  const service = servicesSeenByBoth(host, session)[0];
  if (service === undefined || service.record === null) return;
  const gen = nextGeneration(host, "joint", drawId(host));
  const request = ask(host, service, { kind: "register", gen, counter: service.record.counter });
  if (request === null || service.conn === null) return;
  session.step = {
    kind: "register",
    gen,
    deadline: host.now + host.config.timing.stepTimeout,
    asked: { service: service.id, conn: service.conn, request },
  };
}

function isWithoutArbiter({ config }: HostState): boolean {
  return config.services.length === 0;
}

/** Policy `continue`: both may go on alone with nobody's word. */
function armAlone(host: HostState, session: OpenSession): void {
  const gen = nextGeneration(host, "joint", drawId(host));
  persistPage(
    host,
    { ...succeed(host.pageNext, gen), right: "open", arbiter: null },
    { kind: "say-armed", session: session.id },
  );
}

/** T5 is possible now, or may be said to be. */
export function isArmable(host: HostState, session: OpenSession): boolean {
  if (isWithoutArbiter(host)) return host.config.peerLoss === "continue";
  return servicesSeenByBoth(host, session).length > 0;
}

/** In the configured order. */
function servicesSeenByBoth(host: HostState, session: OpenSession): readonly ServiceState[] {
  const seen = seenServices(host);
  return host.services.filter(
    ({ id, conn, record }) =>
      conn !== null && record !== null && seen.includes(id) && session.peerSeen.includes(id),
  );
}

function equaliserOf({ verdict }: OpenSession): HostId | null {
  return verdict.kind === "par" ? verdict.equalise : null;
}

/**
 * The copies differ, or the peer leaves: this host goes on alone, as elected, and the peer becomes a target or is gone. As long as it is `open` it asks
 * the peer to cede first, so that no service is needed.
 */
export function partIfDue(host: HostState): void {
  const session = parSession(host);
  if (session === null || !isFree(host, session) || rightOf(host) !== "elected") return;
  const isDifferent = equaliserOf(session) === host.config.host;
  if (!isDifferent && !session.isLeaving) return;
  mark(host, isDifferent ? "part-to-equalise" : "part-from-leaver");
  barPeer(host, isDifferent ? "the copies differ" : "it leaves");
  host.isPeerGone = true;
}

export function answerRegistration(
  host: HostState,
  service: ServiceState,
  request: number,
  answer: QuorumAnswer & { kind: "registered" | "stale" },
): void {
  const session = parSession(host);
  const step = session?.step ?? null;
  if (session === null || step?.kind !== "register" || !isAnswerTo(step, service, request)) {
    mark(host, "registration-answer-late");
    return;
  }
  session.step = null;
  if (answer.kind === "stale") {
    mark(host, "registration-stale");
    return;
  }
  const { instance, counter } = answer.record;
  persistPage(
    host,
    {
      ...succeed(host.pageNext, step.gen),
      right: "open",
      arbiter: { service: service.id, instance, counter },
    },
    { kind: "say-armed", session: session.id },
  );
}

/** Each service counts the requests of each connection from 1. */
function isAnswerTo({ asked }: PendingStep, { id, conn }: ServiceState, request: number): boolean {
  return asked?.service === id && asked.conn === conn && asked.request === request;
}

/** Repeated on D14 with the same generations. */
export function sendArmed(host: HostState, session: OpenSession): void {
  const { gen, arbiter, parent } = host.page;
  if (gen === null || parent === null) return;
  session.peerRight = "open";
  session.peerGenNow = gen;
  sendStream(host, session, { kind: "armed", gen, arbiter }, parent.id);
}

export function takeArmed(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "armed" },
  from: RandomId | null,
): void {
  if (rightOf(host) !== "ceded" || from !== host.page.gen?.id || isRightMoving(host)) {
    mark(host, "armed-ignored");
    return;
  }
  session.peerRight = "open";
  session.peerGenNow = body.gen;
  persistPage(
    host,
    { ...succeed(host.pageNext, body.gen), right: "open", arbiter: body.arbiter },
    { kind: "nothing" },
  );
}

/** T6: the arbiter is lost to either host, or may have granted what counts no more. The runner asks, else the lower host. */
export function disarmIfDue(host: HostState): void {
  const session = parSession(host);
  if (session === null || rightOf(host) !== "open") return;
  const why = whyDisarm(host, session);
  if (why === null || !isAsker(host, session) || !isFree(host, session)) return;
  if (session.peerRight !== "open") return;
  const gen = nextGeneration(host, "joint", drawId(host));
  session.step = {
    kind: "cede",
    gen,
    deadline: host.now + host.config.timing.stepTimeout,
    asked: null,
  };
  mark(host, `disarm-${why}`);
  sendStream(host, session, { kind: "cede", gen });
}

type DisarmReason = "equalise" | "leave" | "arbiter-lost" | "rearm" | "preferred-back";

function whyDisarm(host: HostState, session: OpenSession): DisarmReason | null {
  // Asked each time: it counts since when.
  const isLost = isArbiterLost(host, session);
  const isBack = isPreferredBack(host, session);
  if (equaliserOf(session) !== null) return "equalise";
  if (session.isLeaving) return "leave";
  if (isLost) return "arbiter-lost";
  if (host.mustRearm) return "rearm";
  return isBack ? "preferred-back" : null;
}

/** The asker is the one who survives. */
function isAsker(host: HostState, session: OpenSession): boolean {
  const equaliser = equaliserOf(session);
  if (equaliser !== null) return equaliser === host.config.host;
  if (session.isLeaving) return true;
  return host.vm.kind !== "none" || (session.peerBoot === null && isLower(host));
}

/** Another service arbitrates, and the preferred one has been seen by both for `quorumBack`. */
function isPreferredBack(host: HostState, session: OpenSession): boolean {
  const [preferred] = host.services;
  const arbiter = host.page.arbiter?.service;
  const isSeen =
    preferred !== undefined &&
    arbiter !== undefined &&
    arbiter !== preferred.id &&
    servicesSeenByBoth(host, session).includes(preferred);
  if (!isSeen) {
    host.preferredSeenSince = null;
    return false;
  }
  host.preferredSeenSince ??= host.now;
  return host.now - host.preferredSeenSince >= host.config.timing.quorumBack;
}

function isArbiterLost(host: HostState, session: OpenSession): boolean {
  if (isWithoutArbiter(host) && host.config.peerLoss === "continue") return false;
  const arbiter = host.page.arbiter?.service;
  const isSeen =
    arbiter !== undefined &&
    seenServices(host).includes(arbiter) &&
    session.peerSeen.includes(arbiter);
  if (isSeen) {
    host.arbiterUnseenSince = null;
    return false;
  }
  host.arbiterUnseenSince ??= host.now;
  return host.now - host.arbiterUnseenSince >= unseenUntilLost(host);
}

export function takeCede(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "cede" },
  from: RandomId | null,
): void {
  if (isRightMoving(host)) {
    session.heldCede = { gen: body.gen, from };
    return;
  }
  const isRefused = host.vm.kind !== "none" || rightOf(host) !== "open";
  const isCrossing = session.step?.kind === "cede";
  if (isRefused || from !== host.page.gen?.id || (isCrossing && isLower(host))) {
    mark(host, "cede-ignored");
    return;
  }
  if (isCrossing) session.step = null;
  session.peerRight = "open";
  persistPage(
    host,
    { ...succeed(host.pageNext, body.gen), right: "ceded", arbiter: null },
    { kind: "say-ceded", session: session.id, from },
  );
}

/** A `cede` that came while a page was on its way: the page may be the very one that it starts from. */
export function takeHeldCede(host: HostState): void {
  const { session } = host;
  if (session.kind !== "open" || session.heldCede === null || isRightMoving(host)) return;
  const { gen, from } = session.heldCede;
  session.heldCede = null;
  takeCede(host, session, { kind: "cede", gen }, from);
}

export function takeCeded(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "ceded" },
  from: RandomId | null,
): void {
  const { step } = session;
  if (step?.kind !== "cede" || !sameGeneration(step.gen, body.gen) || from !== host.page.gen?.id) {
    mark(host, "ceded-ignored");
    return;
  }
  session.step = null;
  session.peerRight = "ceded";
  session.peerGenNow = body.gen;
  persistPage(
    host,
    { ...succeed(host.pageNext, body.gen), right: "elected", arbiter: null },
    { kind: "elected", session: session.id },
  );
}
