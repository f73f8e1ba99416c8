/** Moving the runner (8): Level 2 keeps no memory, so the guest ends here and boots there. The right is not moved. */
import { barPeer, mark, note, parSession } from "../host/context.ts";
import type { HostState, OpenSession } from "../host/state.ts";
import { stopVm } from "../host/vm.ts";
import type { VmBoot } from "../identity.ts";
import { clearIdleIntents, intentCount } from "../mirror/intents.ts";
import { sayClean } from "../mirror/mirror.ts";
import { isWriterIdle } from "../mirror/writer.ts";
import { barSelf } from "./close.ts";
import { sendStream } from "./send.ts";

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
  session.turn = host.config.host;
  host.promiseUntil = host.now;
  host.beatAt = host.now;
}

/** The peer has ceded and gone: as elected this host needs neither a claim nor silence. */
export function peerLeft(host: HostState, session: OpenSession): void {
  if (!session.isLeaving || host.pageNext.right !== "elected") return;
  mark(host, "peer-left");
  barPeer(host, "it left");
  host.isPeerGone = true;
}

/** Nothing runs here any more: the peer is asked to go on without this host, which ends when it has ceded. */
export function leaveIfDue(host: HostState): void {
  if (!host.isDraining || host.vm.kind !== "none") return;
  const session = parSession(host);
  if (session === null) return;
  if (host.page.right === "ceded" && session.peerRight === "elected") {
    note(host, { what: "operator", op: "drain", state: "done", why: "the peer is elected" });
    host.isDraining = false;
    barSelf(host, "drained");
    return;
  }
  if (session.isLeaveSaid || session.peerBoot === null) return;
  session.isLeaveSaid = true;
  sendStream(host, session, { kind: "leave" });
}
