/** This host's connections to the quorum services: what it sees of them, and requests. */
import { emit } from "../host/context.ts";
import type { HostState, ServiceState } from "../host/state.ts";
import type { ServiceId } from "../identity.ts";
import type { QuorumFrame, QuorumRequest, SeenCounter } from "../quorum/messages.ts";

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
  ask(host, service, watchBody(host, service));
}

export function beatServices(host: HostState): void {
  for (const service of host.services) {
    if (service.conn === null || host.now - service.beatAt < host.config.timing.quorumBeat)
      continue;
    service.beatAt = host.now;
    ask(host, service, service.record === null ? watchBody(host, service) : { kind: "beat" });
  }
}

/** What this host will be when every page on its way is durable: a service that forgot a grant must not take its holder for unarmed. */
function watchBody(host: HostState, service: ServiceState): QuorumRequest {
  return {
    kind: "watch",
    gen: host.pageNext.gen,
    right: host.pageNext.right,
    seen: seenCounter(host, service.id),
  };
}
