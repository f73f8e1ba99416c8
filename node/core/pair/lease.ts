/** Beats, the lease they give and the promise that stands behind it (P4 to P6). */
import { copyOf, isOverPeer, mark, persistPage, rightOf } from "../host/context.ts";
import type { HostState, OpenSession, PathState } from "../host/state.ts";
import { sameBoot, type VmBoot } from "../identity.ts";
import { isAlone } from "../mirror/dirty.ts";
import { intentCount } from "../mirror/intents.ts";
import { forgetBoot, isWriterIdle } from "../mirror/writer.ts";
import { closeSession } from "./close.ts";
import type { PeerBody } from "./frames.ts";
import { isPeerRunning, sendLoose } from "./send.ts";
import { seenServices } from "./services.ts";

const BEATS_KEPT = 64;

/** Beats go out from the runner, or while none runs from the host whose turn it is to boot. */
function isBeater(host: HostState, session: OpenSession): boolean {
  if (host.vm.kind !== "none") return true;
  return session.turn === host.config.host && !isPeerRunning(session, host);
}

export function beatIfDue(host: HostState): void {
  const { session } = host;
  if (session.kind !== "open" || host.now < host.beatAt || !isBeater(host, session)) return;
  beatNow(host, session);
}

export function beatNow(host: HostState, session: OpenSession): void {
  host.beatAt = host.now + host.config.timing.beat;
  host.beatSeq += 1;
  const seq = host.beatSeq;
  host.beatsSent.set(seq, host.now);
  host.beatsSent.delete(seq - BEATS_KEPT);
  const vmBoot = host.vm.kind === "running" ? host.vm.vmBoot : null;
  const body: PeerBody = { kind: "beat", seq, vmBoot, seen: seenServices(host) };
  for (const path of host.paths) sendLoose(host, path, session.id, body);
}

export function takeBeat(
  host: HostState,
  session: OpenSession,
  path: PathState,
  beat: PeerBody & { kind: "beat" },
): void {
  if (beat.vmBoot !== null && beat.vmBoot.id === session.endedBoot) {
    mark(host, "beat-of-an-ended-boot");
    return;
  }
  session.peerSeen = beat.seen;
  session.peerBoot = beat.vmBoot;
  if (beat.vmBoot !== null && isFollowing(session)) followBoot(host, beat.vmBoot);
  if (host.session !== session) return;
  const promised = mayConfirm(host, session, beat.vmBoot);
  if (promised) host.promiseUntil = host.now + host.config.timing.claimWait;
  sendLoose(host, path, session.id, {
    kind: "beat-ok",
    seq: beat.seq,
    promised,
    gen: host.page.gen,
    right: rightOf(host),
    vmBoot: host.page.vmBoot,
    intentsEmpty: intentCount(host) === 0,
    seen: seenServices(host),
  });
}

/** Its copy takes the writes of the boot that beats name: at par, and as a target that has stepped down. */
function isFollowing({ verdict, resync }: OpenSession): boolean {
  if (verdict.kind === "par") return true;
  return resync?.side === "target" && resync.phase !== "stopping";
}

/** P6. A host that sends beats of its own promises nothing either, or both would wait for each other. */
function mayConfirm(host: HostState, session: OpenSession, vmBoot: VmBoot | null): boolean {
  const { verdict } = session;
  if (host.vm.kind !== "none" || host.claim !== null || !host.isDiskGood) return false;
  if (verdict.kind === "redirect") return isAlone(host) && sameBoot(host.page.vmBoot, vmBoot);
  return (
    verdict.kind === "par" &&
    verdict.equalise === null &&
    host.barred === null &&
    copyOf(host) === "in-sync"
  );
}

/**
 * The copy holds the writes of this boot from now on. Told by the hello and by every beat, and always before the first write of that boot: a
 * write filed under another boot would count for what it is not.
 */
export function followBoot(host: HostState, vmBoot: VmBoot): void {
  if (sameBoot(host.pageNext.vmBoot, vmBoot) || host.vm.kind !== "none") return;
  if (!isWriterIdle(host)) {
    mark(host, "boot-amid-writes");
    closeSession(host, "the peer boots anew while writes of its last boot are under way");
    return;
  }
  forgetBoot(host);
  persistPage(host, { ...host.pageNext, vmBoot }, { kind: "nothing" });
}

export function takeBeatOk(
  host: HostState,
  session: OpenSession,
  answer: PeerBody & { kind: "beat-ok" },
): void {
  session.peerSeen = answer.seen;
  session.peerIntentsEmpty = answer.intentsEmpty;
  const sentAt = host.beatsSent.get(answer.seq);
  if (sentAt === undefined) {
    mark(host, "beat-ok-late");
    return;
  }
  if (answer.gen?.id === session.peerGenNow?.id) session.peerRight = answer.right;
  if (!answer.promised || !mayBelieve(host, session, answer)) return;
  const until = sentAt + host.config.timing.lease;
  if (host.leaseUntil === null || until > host.leaseUntil) host.leaseUntil = until;
}

function mayBelieve(
  host: HostState,
  { verdict, turn }: OpenSession,
  answer: PeerBody & { kind: "beat-ok" },
): boolean {
  if (verdict.kind === "redirect")
    return host.vm.kind === "running" && sameBoot(answer.vmBoot, host.vm.vmBoot);
  // After a handover the peer's lease counts, not this host's.
  const isHandedOver = host.vm.kind === "none" && turn !== host.config.host;
  return verdict.kind === "par" && !isHandedOver && copyOf(host) === "in-sync";
}

export function hasLease(host: HostState, now: number): boolean {
  return host.leaseUntil !== null && now < host.leaseUntil;
}

/** P2: this host may take in input of its VM now. */
export function mayIntake(host: HostState, now: number): boolean {
  if (host.vm.kind !== "running") return false;
  if (!host.isDiskGood) return isOverPeer(host) && hasLease(host, now);
  switch (rightOf(host)) {
    case "sole":
      return true;
    case "elected":
      return copyOf(host) === "in-sync";
    case "open":
    case "ceded":
      return copyOf(host) === "in-sync" && hasLease(host, now);
    case "none":
      return false;
  }
}
