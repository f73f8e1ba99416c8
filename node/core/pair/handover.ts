/** Moving the runner (8): Level 2 keeps no memory, so the guest ends here and boots there. The right is not moved. */
import { mark, note, parSession, rightOf } from "../host/context.ts";
import type { HostState, OpenSession } from "../host/state.ts";
import { stopVm } from "../host/vm.ts";
import type { RandomId, VmBoot } from "../identity.ts";
import { clearIdleIntents, intentCount } from "../mirror/intents.ts";
import { sayClean } from "../mirror/mirror.ts";
import { isWriterIdle } from "../mirror/writer.ts";
import { barSelf, closeSession } from "./close.ts";
import { sendStream } from "./send.ts";
import { isArmable } from "./steps.ts";

/**
 * A move lives and dies with its session: the next hello knows nothing of it, and a VM that waited for a peer which is gone would stand still for ever.
 */
export function endMoveIfCut(host: HostState): void {
  if (host.handover === null && !host.isDraining) return;
  if (parSession(host) !== null) return;
  mark(host, "move-cut");
  endMove(host, "the session with the peer ended: ask again");
}

function endMove(host: HostState, why: string): void {
  const op = host.handover?.op ?? "drain";
  host.handover = null;
  host.isDraining = false;
  note(host, { what: "operator", op, state: "refused", why });
}

/** The runner stops where nothing is under way, and says so. */
export function handOverIfDue(host: HostState): void {
  const { handover, vm } = host;
  const session = parSession(host);
  if (handover === null || vm.kind !== "running" || session === null) return;
  if (vm.isBusy || vm.held.length > 0 || !isAllComplete(host)) return;
  sayClean(host);
  clearIdleIntents(host, 0);
  if (intentCount(host) > 0) return;
  const { vmBoot } = vm;
  const { op } = handover;
  host.handover = null;
  stopVm(host, op);
  host.leaseUntil = null;
  session.turn = host.config.peer;
  sendStream(host, session, { kind: "handover", vmBoot });
  if (op === "drain") host.isDraining = true;
  else note(host, { what: "operator", op, state: "done", why: "the VM was handed over" });
}

function isAllComplete(host: HostState): boolean {
  const { mirror } = host;
  return (
    isWriterIdle(host) &&
    mirror.completed >= mirror.lastWrite &&
    mirror.completedFlush >= mirror.flushes
  );
}

/** The peer's VM has ended at a point where both copies are equal: this host's promise to it ends, and it boots when it has the lease. */
export function takeHandover(host: HostState, session: OpenSession, vmBoot: VmBoot): void {
  if (session.verdict.kind !== "par" || host.vm.kind !== "none") {
    mark(host, "handover-ignored");
    return;
  }
  if (session.peerBoot?.id !== vmBoot.id) mark(host, "handover-of-an-unseen-boot");
  clearIdleIntents(host, 0);
  session.peerBoot = null;
  session.endedBoot = vmBoot.id;
  session.turn = host.config.host;
  host.promiseUntil = host.now;
  host.beatAt = host.now;
}

/** Nothing runs here any more: the peer is asked to go on without this host, which ends when the peer is elected and says so. */
export function leaveIfDue(host: HostState): void {
  if (!host.isDraining || host.vm.kind !== "none") return;
  const session = parSession(host);
  if (session === null || session.isLeaveSaid) return;
  if (rightOf(host) === "elected" && !isArmable(host, session)) {
    mark(host, "drain-of-the-elected");
    endMove(host, NOT_ARMABLE);
    return;
  }
  // Where this host's turn is, nobody will boot as long as it is there.
  if (session.peerBoot === null && session.turn !== host.config.host) return;
  session.isLeaveSaid = true;
  sendStream(host, session, { kind: "leave" });
}

/** Of a drain. */
export const NOT_ARMABLE =
  "the peer cannot be elected in this host's place: no quorum service is seen by both";

/** A peer that was asked to go on alone says its bye when it is durably elected: `from` is the generation that this host has ceded in. */
export function takeBye(
  host: HostState,
  session: OpenSession,
  reason: string,
  from: RandomId | null,
): void {
  const { right, gen } = host.page;
  const isReleased = session.isLeaveSaid && right === "ceded" && from === gen?.id;
  if (isReleased) host.isDraining = false;
  closeSession(host, `the peer said bye: ${reason}`);
  host.helloAt = host.now;
  if (!isReleased) return;
  note(host, { what: "operator", op: "drain", state: "done", why: "the peer is elected" });
  barSelf(host, "drained");
}
