/** This host's connections to the quorum services: what it sees of them, and requests. */
import { emit, mark, note } from "../host/context.ts";
import type { HostState, ServiceState } from "../host/state.ts";
import type { ServiceId } from "../identity.ts";
import type { QuorumAnswer, QuorumFrame, QuorumRequest, SeenCounter } from "../quorum/messages.ts";
import { answerClaim, cancelClaim } from "./claims.ts";
import { answerRegistration } from "./steps.ts";

export function serviceOf(host: HostState, id: ServiceId): ServiceState | undefined {
  return host.services.find((service) => service.id === id);
}

/** Beats of a service that may be missed before it counts as unseen. */
const BEATS_MISSED = 3;

/** For how long an arbiter must be unseen until it counts as lost, so that unseen and lost together take `quorumLost`. */
export function unseenUntilLost(host: HostState): number {
  return host.config.timing.quorumLost - BEATS_MISSED * host.config.timing.quorumBeat;
}

/** Services heard lately whose record is known. */
export function seenServices(host: HostState): readonly ServiceId[] {
  const since = host.now - BEATS_MISSED * host.config.timing.quorumBeat;
  return host.services
    .filter(({ record, heardAt }) => record !== null && heardAt !== null && heardAt > since)
    .map(({ id }) => id);
}

/** @returns the number of the request, or null when the service is not connected */
export function ask(host: HostState, service: ServiceState, body: QuorumRequest): number | null {
  if (service.conn === null) return null;
  const request = service.nextRequest;
  service.nextRequest += 1;
  repeat(host, service, request, body);
  return request;
}

/** Sends a request again under its old number. */
export function repeat(
  host: HostState,
  service: ServiceState,
  request: number,
  body: QuorumRequest,
): void {
  if (service.conn === null) return;
  const { cluster, vm } = host.config;
  const frame: QuorumFrame<QuorumRequest> = { cluster, vm, host: host.config.host, request, body };
  emit(host, { kind: "send-service", service: service.id, conn: service.conn, frame });
}

/** What this host remembers of the service's counter. */
export function seenCounter(host: HostState, service: ServiceId): SeenCounter | null {
  const { arbiter } = host.pageNext;
  return arbiter?.service === service
    ? { instance: arbiter.instance, counter: arbiter.counter }
    : null;
}

export function serviceUp(host: HostState, service: ServiceState, conn: number): void {
  service.conn = conn;
  service.nextRequest = 1;
  if (host.isStarted) watch(host, service);
}

export function watch(host: HostState, service: ServiceState): void {
  ask(host, service, {
    kind: "watch",
    gen: host.page.gen,
    right: host.page.right,
    seen: seenCounter(host, service.id),
  });
}

/** The connection closed: what was asked over it is dead (P10). */
export function serviceDown(host: HostState, service: ServiceState, conn: number): void {
  if (service.conn !== conn) return;
  service.conn = null;
  if (host.claim?.service === service.id) cancelClaim(host, "the service's connection closed");
}

export function beatServices(host: HostState): void {
  for (const service of host.services) {
    if (service.conn === null || host.now - service.beatAt < host.config.timing.quorumBeat)
      continue;
    service.beatAt = host.now;
    ask(host, service, service.record === null ? watchBody(host, service) : { kind: "beat" });
  }
}

function watchBody(host: HostState, service: ServiceState): QuorumRequest {
  return {
    kind: "watch",
    gen: host.page.gen,
    right: host.page.right,
    seen: seenCounter(host, service.id),
  };
}

export function takeAnswer(
  host: HostState,
  service: ServiceState,
  frame: QuorumFrame<QuorumAnswer>,
): void {
  if (frame.cluster !== host.config.cluster || frame.vm !== host.config.vm) {
    mark(host, "answer-of-another-vm");
    return;
  }
  service.heardAt = host.now;
  const { body } = frame;
  if (body.kind === "beat-ok") return;
  if (!noteRecord(host, service, body)) return;
  switch (body.kind) {
    case "record":
      return;
    case "registered":
    case "stale":
      answerRegistration(host, service, frame.request, body);
      return;
    case "grant":
    case "refused":
    case "behind":
      answerClaim(host, service, frame.request, body);
      return;
  }
}

/**
 * Takes over the record and looks whether it contradicts what this host holds.
 *
 * @returns false for a record that the service itself has moved on from, or that lies behind what this host saw: nothing acts on it
 */
function noteRecord(
  host: HostState,
  service: ServiceState,
  body: Exclude<QuorumAnswer, { kind: "beat-ok" }>,
): boolean {
  const { record } = body;
  const seen = seenCounter(host, service.id);
  const isForgetful =
    seen !== null && (record.instance !== seen.instance || record.counter < seen.counter);
  if (isForgetful && body.kind !== "behind" && body.kind !== "registered") {
    mark(host, "service-forgot");
    note(host, {
      what: "alert",
      code: "quorum-behind",
      detail: `${service.id} is at ${record.counter}, this host saw ${seen.counter}`,
    });
    host.mustRearm = true;
    service.record = record;
    return body.kind === "stale" || body.kind === "record";
  }
  service.record = record;
  const { page } = host;
  const isOwnArbiter = page.right === "open" && page.arbiter?.service === service.id;
  if (isOwnArbiter && (record.gen?.id !== page.gen?.id || record.holder !== null))
    host.mustRearm = true;
  return true;
}
