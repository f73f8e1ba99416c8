/** Whom the switch follows (SW1, SW2, SW6) and by which way (LAN3): the hosts' gratuitous ARP, with generations in place of luck. */
import { type HostId, sameBoot, sameGeneration, type VmBoot } from "../identity.ts";
import { sendKept } from "./client-stream.ts";
import type { LossReason } from "./contract.ts";
import type { Announcement } from "./frames.ts";
import {
  bootOf,
  type Followed,
  type Out,
  positionsOf,
  type SwitchState,
  sendHost,
  type VmState,
  type Way,
} from "./state.ts";
import { isUsable, tellTrunk, waysOf } from "./ways.ts";

/** A host announces over this way; over the trunk by the other switch's word. */
export function takeAnnouncement(
  state: SwitchState,
  way: Way,
  announcement: Announcement,
  out: Out,
): void {
  const vm = state.vms.get(announcement.vm);
  if (vm === undefined) return void out.push({ kind: "mark", mark: "switch-unknown-vm" });
  if (way.host !== announcement.host) {
    return void out.push({ kind: "mark", mark: "switch-foreign-announcement" });
  }
  way.heard.set(vm.vm, announcement);
  tellHeard(state, way, announcement, out);
  const isAccepted = consider(state, vm, { way, announcement }, out);
  if (isAccepted || way.via === "trunk") return;
  const { vmBoot } = announcement;
  sendHost(way, { kind: "ignored", vm: vm.vm, vmBoot }, out);
}

/** The VM stopped at that host, whichever way it was heard. Ignored unless the host announced this boot. */
export function takeWithdrawal(
  state: SwitchState,
  { host }: Way,
  { vm: id, vmBoot }: Pick<Announcement, "vm" | "vmBoot">,
  out: Out,
): void {
  const ways = waysOf(state, host).filter(({ heard }) => isOf(vmBoot, heard.get(id)));
  for (const { heard } of ways) heard.delete(id);
  for (const way of ways) leave(state, { way, vm: id, why: "withdrawn" }, out);
}

/** The other switch does not hear that host any more. */
export function takeUnheard(state: SwitchState, way: Way, vm: string, out: Out): void {
  way.heard.delete(vm);
  leave(state, { way, vm, why: "closed" }, out);
}

/** The way is gone, or silent, and no way of the switch's lists any more, or not usable now; what it said is judged no more. */
export function loseWay(
  state: SwitchState,
  way: Way,
  why: Exclude<LossReason, "withdrawn">,
  out: Out,
): void {
  for (const vm of way.heard.keys()) leave(state, { way, vm, why }, out);
}

/** The way was silent and is heard again: what its host said last counts again. */
export function regainWay(state: SwitchState, way: Way, out: Out): void {
  for (const announcement of way.heard.values()) {
    const vm = state.vms.get(announcement.vm);
    if (vm === undefined) continue;
    tellHeard(state, way, announcement, out);
    consider(state, vm, { way, announcement }, out);
  }
}

/** Where every session of the followed boot stands, to the host that is followed. */
export function sendPositions(state: SwitchState, vm: VmState, out: Out): void {
  const { followed } = vm;
  if (followed === null || followed.way === null) return;
  const { announcement, route, way } = followed;
  const { vmBoot, term } = announcement;
  const { site: home } = state.config;
  const sessions = positionsOf(vm);
  sendHost(way, { kind: "positions", vm: vm.vm, vmBoot, term, home, route, sessions }, out);
}

interface Heard {
  readonly way: Way;
  readonly announcement: Announcement;
}

interface Judgement {
  readonly isAccepted: boolean;
  readonly why: string;
}

/** @returns whether the announcement is followed from now on, over the way that it came or a better one of its host */
function consider(state: SwitchState, vm: VmState, heard: Heard, out: Out): boolean {
  const { way, announcement } = heard;
  const judgement = judge(vm.followed, announcement);
  noteAnnouncement(heard, judgement, out);
  if (!judgement.isAccepted) return false;
  const before = vm.followed;
  const isSameBoot = sameBoot(bootOf(vm), announcement.vmBoot);
  if (!isSameBoot) resetSessions(state, vm, out);
  const best = bestWay(state, announcement) ?? way;
  const isSameHost = before?.announcement.host === announcement.host;
  const via = isSameHost ? before.via : null;
  vm.followed = { announcement, way: before?.way ?? null, via, route: before?.route ?? 0 };
  // A second way of the host that is followed already is kept for later.
  if (best === way || best !== before?.way)
    startRoute(state, vm, { best, followed: vm.followed }, out);
  return true;
}

/** Higher generation, then higher (boot, term) of the same one. Of two with one number the announced one is kept: a split brain shows. */
function judge(followed: Followed | null, announcement: Announcement): Judgement {
  if (followed === null) return { isAccepted: true, why: "first" };
  const { announcement: last, way } = followed;
  const isAnnounced = way !== null;
  if (announcement.gen.n !== last.gen.n) {
    const isHigher = announcement.gen.n > last.gen.n;
    return { isAccepted: isHigher, why: isHigher ? "higher generation" : "lower generation" };
  }
  if (!sameGeneration(announcement.gen, last.gen)) {
    return isAnnounced
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
  return isAnnounced
    ? { isAccepted: false, why: "other boot of the same number" }
    : { isAccepted: true, why: "nobody else announces" };
}

/** The host's own link before the trunk, of its own links the newest. Null: none over which it announces this boot. */
function bestWay(state: SwitchState, { vm, vmBoot, host }: Announcement): Way | null {
  const ways = waysOf(state, host).filter(
    (way) => isUsable(way) && isOf(vmBoot, way.heard.get(vm)),
  );
  return ways.findLast(({ via }) => via === "lan") ?? ways.at(-1) ?? null;
}

/** A host that was not reached this way until now has received nothing by it; what it has by another it trims. */
function startRoute(
  state: SwitchState,
  vm: VmState,
  { best, followed }: { readonly best: Way; readonly followed: Followed },
  out: Out,
): void {
  const { via, host } = best;
  const isMoved = followed.via !== null && followed.via !== via;
  if (isMoved) out.push({ kind: "note", note: { what: "way", vm: vm.vm, host, via } });
  followed.via = via;
  followed.way = best;
  followed.route = state.nextRoute;
  state.nextRoute += 1;
  sendPositions(state, vm, out);
  for (const session of [...vm.sessions.values()]) sendKept(state, vm, session, out);
}

/** Over this way nothing is announced of the VM any more, or nothing is heard. */
function leave(
  state: SwitchState,
  lost: { readonly way: Way; readonly vm: string; readonly why: LossReason },
  out: Out,
): void {
  const { way, why } = lost;
  tellUnheard(state, way, lost.vm, out);
  const vm = state.vms.get(lost.vm);
  const followed = vm?.followed ?? null;
  if (vm === undefined || followed === null || followed.way !== way) return;
  const best = bestWay(state, followed.announcement);
  if (best !== null) {
    startRoute(state, vm, { best, followed }, out);
    return;
  }
  followed.way = null;
  const { host, vmBoot } = followed.announcement;
  out.push({ kind: "note", note: { what: "unfollowed", vm: vm.vm, host, boot: vmBoot.id, why } });
  judgeAgain(state, vm, out);
}

/** What was ignored beside the host that is gone (LAN3). */
function judgeAgain(state: SwitchState, vm: VmState, out: Out): void {
  const heard = [...state.lan.values(), ...(state.trunk?.ways.values() ?? [])]
    .filter(isUsable)
    .flatMap((way): readonly Heard[] => {
      const announcement = way.heard.get(vm.vm);
      return announcement === undefined ? [] : [{ way, announcement }];
    })
    .sort((left, right) => orderOf(right.announcement, left.announcement));
  const next = heard.find(({ announcement }) => judge(vm.followed, announcement).isAccepted);
  if (next !== undefined) consider(state, vm, next, out);
}

function orderOf(left: Announcement, right: Announcement): number {
  return left.gen.n - right.gen.n || left.vmBoot.n - right.vmBoot.n || left.term - right.term;
}

function isOf(boot: VmBoot, announcement: Announcement | undefined): boolean {
  return announcement !== undefined && sameBoot(announcement.vmBoot, boot);
}

/** Only what is heard on an own link goes over the trunk (LAN1). */
function tellHeard(state: SwitchState, way: Way, announcement: Announcement, out: Out): void {
  if (way.via === "lan") tellTrunk(state, { kind: "heard", announcement }, out);
}

function tellUnheard(state: SwitchState, { via, host }: Way, vm: string, out: Out): void {
  if (via === "trunk" || isHeardOnLan(state, host, vm)) return;
  tellTrunk(state, { kind: "unheard", vm, host }, out);
}

/** A host that dialled anew has two connections for a while. */
function isHeardOnLan(state: SwitchState, host: HostId, vm: string): boolean {
  return waysOf(state, host).some((way) => way.via === "lan" && isUsable(way) && way.heard.has(vm));
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

function noteAnnouncement({ way, announcement }: Heard, judgement: Judgement, out: Out): void {
  const { vm, host, vmBoot, gen, term } = announcement;
  const { isAccepted, why } = judgement;
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
      via: way.via,
      why,
    },
  });
}
