/** T1 and T2: going on alone. Both need that no session is open (P8). */
import type { DiskOp } from "../disk/ops.ts";
import {
  copyOf,
  drawId,
  isRightMoving,
  mark,
  note,
  persistPage,
  rightOf,
} from "../host/context.ts";
import type { HostState, ServiceState } from "../host/state.ts";
import { stopVm } from "../host/vm.ts";
import type { Generation, RandomId } from "../identity.ts";
import { invariant } from "../invariant.ts";
import { markIntentsDirty } from "../mirror/dirty.ts";
import type { QuorumAnswer } from "../quorum/messages.ts";
import { succeed } from "./page.ts";
import { ask, repeat, seenCounter, serviceOf } from "./services.ts";

/** A runner waits for nothing: the standby holds no lease. Anyone else waits out its promise. */
export function isPromiseOver(host: HostState): boolean {
  return host.now >= host.promiseUntil;
}

export function nextGeneration(
  host: HostState,
  kind: Generation["kind"],
  id: RandomId,
): Generation {
  return { n: (host.pageNext.gen?.n ?? 0) + 1, id, kind, by: host.config.host };
}

function mayGoAlone(host: HostState): boolean {
  return (
    host.session.kind === "none" &&
    host.pendingHello === null &&
    host.isSuspected &&
    host.isStarted &&
    host.isDiskGood &&
    host.barred === null &&
    !isRightMoving(host) &&
    copyOf(host) === "in-sync" &&
    (host.vm.kind === "running" || host.isPeerGone || isPromiseOver(host))
  );
}

export function goAloneIfDue(host: HostState): void {
  if (!mayGoAlone(host)) return;
  const right = rightOf(host);
  if (right === "elected") {
    becomeSole(host, nextGeneration(host, "alone", drawId(host)), "elected, the peer is silent");
  } else if (right === "open" && host.config.services.length > 0) {
    claimIfDue(host);
  } else if (right === "open" && host.config.peerLoss === "continue") {
    mark(host, "alone-by-policy");
    becomeSole(host, nextGeneration(host, "alone", drawId(host)), "no service, policy continue");
  }
}

/**
 * A claim that stays unanswered is given up for a while, so that a hello gets its turn: the service may be cut off while the peer is back (P11).
 */
function claimIfDue(host: HostState): void {
  const { arbiter, gen } = host.page;
  if (arbiter === null || gen === null) return;
  const service = serviceOf(host, arbiter.service);
  if (service === undefined || service.conn === null || host.now < host.claimAt) return;
  const { claim } = host;
  if (claim !== null && host.now - claim.sentAt >= host.config.timing.stepTimeout) {
    mark(host, "claim-unanswered");
    cancelClaim(host, "the service does not answer");
    host.claimAt = host.now + host.config.timing.claimRetry;
    host.helloAt = host.now;
    return;
  }
  if (claim !== null) {
    repeatClaim(host, service);
    return;
  }
  const next = nextGeneration(host, "alone", drawId(host));
  const request = ask(host, service, {
    kind: "claim",
    from: gen,
    gen: next,
    seen: seenCounter(host, service.id),
  });
  if (request === null) return;
  host.claim = {
    service: service.id,
    conn: service.conn,
    request,
    from: gen,
    gen: next,
    sentAt: host.now,
  };
  host.claimAt = host.now + host.config.timing.claimRetry;
  note(host, { what: "claim", state: "sent", from: gen.id, gen: next.id });
}

function repeatClaim(host: HostState, service: ServiceState): void {
  const { claim } = host;
  if (claim === null) return;
  host.claimAt = host.now + host.config.timing.claimRetry;
  repeat(host, service, claim.request, {
    kind: "claim",
    from: claim.from,
    gen: claim.gen,
    seen: seenCounter(host, service.id),
  });
}

/** The claim counts no more; the service may have granted it all the same, so the pair must arm anew (P10). */
export function cancelClaim(host: HostState, why: string): void {
  const { claim } = host;
  if (claim === null) return;
  host.claim = null;
  host.mustRearm = true;
  mark(host, "claim-cancelled");
  note(host, { what: "claim", state: "cancelled", from: why, gen: claim.gen.id });
}

export function answerClaim(
  host: HostState,
  service: ServiceState,
  request: number,
  answer: QuorumAnswer & { kind: "grant" | "refused" | "behind" },
): void {
  const { claim } = host;
  if (claim?.service !== service.id || claim.request !== request || claim.conn !== service.conn) {
    mark(host, "claim-answer-late");
    return;
  }
  host.claim = null;
  const { record } = answer;
  if (answer.kind === "grant" && record.gen !== null) {
    invariant(host.session.kind === "none", "a claim is out only while no session is open");
    note(host, { what: "claim", state: "granted", from: claim.from.id, gen: record.gen.id });
    becomeSole(host, record.gen, "granted");
    return;
  }
  note(host, { what: "claim", state: "refused", from: claim.from.id, gen: claim.gen.id });
  mark(host, answer.kind === "behind" ? "claim-behind" : "claim-refused");
  if (host.peerBarred !== null) {
    // The peer may have the last word, whatever it was barred for. Not at once, or hello and refusal would chase each other.
    host.peerBarred = null;
    host.isPeerGone = false;
    host.helloAt = host.now + host.config.timing.rejoin;
  }
  if (answer.kind === "refused") stopVm(host, "the claim was refused");
}

/** Page and the dirty bits of every intent extent in one commit: a pending write completes only after it. */
export function becomeSole(host: HostState, gen: Generation, why: string): void {
  const page = host.pageNext;
  invariant(page.gen !== null && page.copy === "in-sync", "only a copy in sync goes on alone");
  const joint = page.gen.kind === "joint" ? page.gen : null;
  const ops: DiskOp[] = markIntentsDirty(host);
  // What the last resync mirrored and nobody answered for needs its dirty bit now.
  host.mirror.writer.mirrored.clear();
  const parent = page.parent?.kind === "joint" ? page.parent : null;
  persistPage(
    host,
    {
      ...succeed(page, gen),
      right: "sole",
      copy: "ahead",
      base: joint === null ? null : { gen: joint, parent },
      arbiter: page.arbiter,
    },
    { kind: "sole", why },
    ops,
  );
}
