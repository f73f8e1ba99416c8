/** Whom the switch follows (SW1, SW2, SW6): the hosts' gratuitous ARP, with generations in place of luck. */
import { sameBoot, sameGeneration, type VmId } from "../identity.ts";
import { sendKept } from "./client-stream.ts";
import type { Announcement, ToSwitch } from "./frames.ts";
import {
  bootOf,
  type Followed,
  type Out,
  positionsOf,
  type SwitchState,
  type VmState,
} from "./state.ts";

interface Judgement {
  readonly isAccepted: boolean;
  readonly why: string;
}

export function takeAnnouncement(
  state: SwitchState,
  conn: number,
  announcement: Announcement,
  out: Out,
): void {
  const vm = state.vms.get(announcement.vm);
  if (vm === undefined) return void out.push({ kind: "mark", mark: "switch-unknown-vm" });
  if (state.hosts.get(conn) !== announcement.host) {
    return void out.push({ kind: "mark", mark: "switch-foreign-announcement" });
  }
  const { isAccepted, why } = judge(vm.followed, announcement);
  noteAnnouncement(announcement, isAccepted, why, out);
  const { vm: id, vmBoot } = announcement;
  if (!isAccepted) {
    out.push({ kind: "send-host", conn, frame: { kind: "ignored", vm: id, vmBoot } });
    return;
  }
  if (!sameBoot(bootOf(vm), vmBoot)) resetSessions(state, vm, out);
  vm.followed = { announcement, conn };
  sendPositions(state, conn, id, out);
  // A host that was not followed until now has received nothing; one that was trims what it has.
  for (const session of [...vm.sessions.values()]) sendKept(state, vm, session, out);
}

/** Higher generation, then higher (boot, term) of the same one. Of two with one number the connected one is kept: a split brain shows. */
function judge(followed: Followed | null, announcement: Announcement): Judgement {
  if (followed === null) return { isAccepted: true, why: "first" };
  const { announcement: last, conn } = followed;
  const isConnected = conn !== null;
  if (announcement.gen.n !== last.gen.n) {
    const isHigher = announcement.gen.n > last.gen.n;
    return { isAccepted: isHigher, why: isHigher ? "higher generation" : "lower generation" };
  }
  if (!sameGeneration(announcement.gen, last.gen)) {
    return isConnected
      ? { isAccepted: false, why: "other generation of the same number" }
      : { isAccepted: true, why: "nobody else announces" };
  }
  const order = announcement.vmBoot.n - last.vmBoot.n || announcement.term - last.term;
  if (order !== 0) {
    return { isAccepted: order > 0, why: order > 0 ? "higher boot or term" : "lower boot or term" };
  }
  if (announcement.host === last.host && sameBoot(announcement.vmBoot, last.vmBoot)) {
    return { isAccepted: true, why: "again" };
  }
  return isConnected
    ? { isAccepted: false, why: "other boot of the same number" }
    : { isAccepted: true, why: "nobody else announces" };
}

/** Ignored unless this host and boot are followed. */
export function takeWithdrawal(
  state: SwitchState,
  conn: number,
  frame: Extract<ToSwitch, { readonly kind: "withdraw" }>,
  out: Out,
): void {
  const vm = state.vms.get(frame.vm);
  if (vm === undefined || vm.followed === null || vm.followed.conn !== conn) return;
  if (sameBoot(bootOf(vm), frame.vmBoot)) unfollow(vm, "withdrawn", out);
}

export function loseHost(state: SwitchState, conn: number, out: Out): void {
  state.hosts.delete(conn);
  state.gaps.delete(conn);
  for (const vm of state.vms.values()) if (vm.followed?.conn === conn) unfollow(vm, "closed", out);
}

/** Sends where every session of the followed boot stands, to whoever asked by an announcement or a gap. */
export function sendPositions(state: SwitchState, conn: number, id: VmId, out: Out): void {
  const vm = state.vms.get(id);
  const vmBoot = vm === undefined ? null : bootOf(vm);
  if (vm === undefined || vmBoot === null) return;
  const sessions = positionsOf(vm);
  out.push({ kind: "send-host", conn, frame: { kind: "positions", vm: id, vmBoot, sessions } });
}

function unfollow(vm: VmState, why: "withdrawn" | "closed", out: Out): void {
  const { followed } = vm;
  if (followed === null) return;
  followed.conn = null;
  const { host, vmBoot } = followed.announcement;
  out.push({
    kind: "note",
    note: { what: "unfollowed", vm: vm.vm, host, boot: vmBoot.id, why },
  });
}

/** The machine that the sessions lived in is gone. */
function resetSessions(state: SwitchState, vm: VmState, out: Out): void {
  const boot = bootOf(vm);
  const alive = [...vm.sessions.values()].filter((session) => !session.isGone);
  for (const session of alive) out.push({ kind: "reset-client", session: session.id });
  for (const session of vm.sessions.keys()) state.sessions.delete(session);
  vm.sessions.clear();
  vm.taken.clear();
  if (boot === null) return;
  const note = { what: "sessions-reset", vm: vm.vm, boot: boot.id, count: alive.length } as const;
  out.push({ kind: "note", note });
}

function noteAnnouncement(
  { vm, host, vmBoot, gen, term }: Announcement,
  isAccepted: boolean,
  why: string,
  out: Out,
): void {
  out.push({
    kind: "note",
    note: {
      what: "announce",
      state: isAccepted ? "accepted" : "ignored",
      vm,
      host,
      boot: vmBoot.id,
      bootN: vmBoot.n,
      gen: gen.id,
      n: gen.n,
      term,
      why,
    },
  });
}
