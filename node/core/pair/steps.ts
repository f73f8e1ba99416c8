/**
 * The transitions that two hosts make together: pair (T4), arm (T5), disarm (T6). Each is asked for once; its answer, `stepTimeout` or the
 * session's end ends the wait. `from` of every message is the generation that the step starts from (P7).
 */
import { drawId, isRightMoving, mark, parSession, persistPage, rightOf } from "../host/context.ts";
import type { HostState, OpenSession, ServiceState } from "../host/state.ts";
import { type RandomId, sameGeneration } from "../identity.ts";
import { isWriterIdle } from "../mirror/writer.ts";
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

/** T4 at the source, once it is durably sole and its dirty map is empty. No VM runs yet: only a first protection comes here. */
export function startPair(host: HostState): void {
  const { session } = host;
  if (session.kind !== "open" || session.verdict.kind !== "protect" || !isFree(host, session))
    return;
  const parent = host.page.gen;
  if (parent === null || host.vm.kind !== "none") return;
  const gen = nextGeneration(host, "joint", drawId(host));
  session.step = {
    kind: "pair",
    gen,
    deadline: host.now + host.config.timing.stepTimeout,
    request: 0,
  };
  sendStream(host, session, { kind: "pair", gen, parent });
}

export function takePair(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "pair" },
  from: RandomId | null,
): void {
  const isTarget =
    session.verdict.kind === "protect" && session.verdict.source !== host.config.host;
  if (!isTarget || from !== body.parent.id || isRightMoving(host) || !isWriterIdle(host)) {
    mark(host, "pair-ignored");
    return;
  }
  persistPage(
    host,
    {
      ...host.pageNext,
      gen: body.gen,
      parent: body.parent,
      history: [body.parent],
      right: "ceded",
      copy: "in-sync",
    },
    { kind: "say-paired", session: session.id },
  );
}

export function takePaired(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "paired" },
  from: RandomId | null,
): void {
  const { step } = session;
  if (step?.kind !== "pair" || !sameGeneration(step.gen, body.gen) || from !== host.page.gen?.id) {
    mark(host, "paired-ignored");
    return;
  }
  session.step = null;
  session.peerRight = "ceded";
  session.peerGenNow = body.gen;
  persistPage(
    host,
    { ...succeed(host.pageNext, body.gen), right: "elected", copy: "in-sync", base: null },
    { kind: "elected", session: session.id },
  );
}

/** T5: the elected host registers the next generation with the first service that both hosts see. */
export function armIfDue(host: HostState): void {
  const session = parSession(host);
  if (session === null || !isFree(host, session) || rightOf(host) !== "elected") return;
  const seen = seenServices(host);
  const service = host.services.find(
    ({ id, conn, record }) =>
      conn !== null && record !== null && seen.includes(id) && session.peerSeen.includes(id),
  );
  if (service === undefined || service.record === null) return;
  const gen = nextGeneration(host, "joint", drawId(host));
  const request = ask(host, service, { kind: "register", gen, counter: service.record.counter });
  if (request === null) return;
  session.step = {
    kind: "register",
    gen,
    deadline: host.now + host.config.timing.stepTimeout,
    request,
  };
}

export function answerRegistration(
  host: HostState,
  service: ServiceState,
  request: number,
  answer: QuorumAnswer & { kind: "registered" | "stale" },
): void {
  const session = parSession(host);
  const step = session?.step ?? null;
  if (session === null || step?.kind !== "register" || step.request !== request) {
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

/** Repeated on D14 with the same generations. */
export function sendArmed(host: HostState, session: OpenSession): void {
  const { gen, arbiter, parent } = host.page;
  if (gen === null || arbiter === null || parent === null) return;
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
  const isLost = isArbiterLost(host, session);
  const isAsker = host.vm.kind !== "none" || (session.peerBoot === null && isLower(host));
  if (!isAsker || !isFree(host, session) || !(isLost || host.mustRearm)) return;
  if (session.peerRight !== "open") return;
  const gen = nextGeneration(host, "joint", drawId(host));
  session.step = {
    kind: "cede",
    gen,
    deadline: host.now + host.config.timing.stepTimeout,
    request: 0,
  };
  mark(host, isLost ? "disarm-arbiter-lost" : "disarm-rearm");
  sendStream(host, session, { kind: "cede", gen });
}

function isArbiterLost(host: HostState, session: OpenSession): boolean {
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
