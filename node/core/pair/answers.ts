/** What the quorum services answer. */
import { mark, note } from "../host/context.ts";
import type { HostState, ServiceState } from "../host/state.ts";
import type { QuorumAnswer, QuorumFrame } from "../quorum/messages.ts";
import { answerClaim, cancelClaim } from "./claims.ts";
import { seenCounter } from "./services.ts";
import { answerRegistration } from "./steps.ts";

/** The connection closed: what was asked over it is dead (P10). */
export function serviceDown(host: HostState, service: ServiceState, conn: number): void {
  if (service.conn !== conn) return;
  service.conn = null;
  if (host.claim?.service === service.id) cancelClaim(host, "the service's connection closed");
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
  if (!isForgetful) service.isDoubted = false;
  if (isForgetful && body.kind === "record" && !service.isDoubted) {
    // An answer can be overtaken by the peer's word of a newer one: the service is asked again before it is accused.
    service.isDoubted = true;
    service.record = null;
    return false;
  }
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
