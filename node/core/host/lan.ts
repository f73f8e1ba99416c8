/** The host's side of the LAN: announcements, and the streams of clients' sessions. */

import { sameBoot } from "../identity.ts";
import type { MachineOutput, Position, SessionId } from "../machine/entry.ts";
import type { FromSwitch, ToSwitch } from "../switch/frames.ts";
import { homeOf } from "../switch/home.ts";
import { emit, mark, note } from "./context.ts";
import type { SwitchId } from "./contract.ts";
import type { HostState, RunningVm } from "./state.ts";

/** Counts the runners of one boot; at Level 2 there is one. */
const TERM = 1;

function sendSwitch(host: HostState, id: SwitchId, frame: ToSwitch): void {
  const conn = host.switches.get(id);
  if (conn !== undefined) emit(host, { kind: "send-switch", switch: id, conn, frame });
}

/** Sends to the switch that spoke of the session last; it may not be the session's home, and then hands over. */
function forward(host: HostState, vm: RunningVm, session: SessionId, frame: ToSwitch): void {
  const id = vm.switchOf.get(session);
  if (id !== undefined) sendSwitch(host, id, frame);
}

export function sendRack(
  host: HostState,
  vm: RunningVm,
  session: SessionId,
  position: Position,
): void {
  const { vmBoot } = vm;
  forward(host, vm, session, { kind: "rack", vm: host.config.vm, vmBoot, session, position });
}

export function sendOutput(
  host: HostState,
  vm: RunningVm,
  output: MachineOutput,
  intakeAt: number,
): void {
  const gen = vm.overGen ?? host.page.gen;
  if (gen === null) return;
  const { session, position, what, bytes } = output;
  forward(host, vm, session, {
    kind: "data",
    vm: host.config.vm,
    vmBoot: vm.vmBoot,
    gen,
    session,
    position,
    what,
    bytes,
    intakeAtUs: Math.round(intakeAt * 1_000),
  });
}

/** Announces once the boot has run, and again whenever the generation changes. */
export function announceIfDue(host: HostState, vm: RunningVm): void {
  const gen = vm.overGen ?? host.page.gen;
  if (gen === null || vm.last === 0 || (vm.isBusy && !vm.isAnnounced) || vm.announcedGen === gen.id)
    return;
  vm.announcedGen = gen.id;
  for (const id of host.switches.keys()) announceTo(host, vm, id);
  if (!vm.isAnnounced)
    note(host, { what: "vm", state: "announced", boot: vm.vmBoot.id, why: "runs" });
  vm.isAnnounced = true;
}

export function announceTo(host: HostState, vm: RunningVm, id: SwitchId): void {
  const gen = vm.overGen ?? host.page.gen;
  if (gen === null) return;
  const announcement = {
    vm: host.config.vm,
    vmBoot: vm.vmBoot,
    gen,
    term: TERM,
    host: host.config.host,
  };
  sendSwitch(host, id, { kind: "announce", announcement });
}

export function withdraw(host: HostState, vm: RunningVm): void {
  for (const id of host.switches.keys()) {
    sendSwitch(host, id, { kind: "withdraw", vm: host.config.vm, vmBoot: vm.vmBoot });
  }
}

export function takeSwitchFrame(host: HostState, id: SwitchId, frame: FromSwitch): void {
  const { vm } = host;
  if (frame.kind === "beat") {
    if (frame.vm === host.config.vm) sendSwitch(host, id, { kind: "beat-ok", vm: frame.vm });
    return;
  }
  if (vm.kind !== "running" || !sameBoot(vm.vmBoot, frame.vmBoot)) return;
  switch (frame.kind) {
    case "client":
      if (vm.routes.get(homeOf(frame.session)) !== frame.route) {
        mark(host, "client-of-another-route");
        return;
      }
      vm.switchOf.set(frame.session, id);
      vm.inbox.push(frame);
      return;
    case "taken":
      vm.taken.set(frame.session, frame.position);
      vm.takenSince ??= host.now;
      forgetTaken(vm, frame.session, frame.position);
      return;
    case "positions":
      takePositions(host, vm, id, frame);
      return;
    case "ignored":
      note(host, {
        what: "alert",
        code: "announcement-ignored",
        detail: `${id} follows a newer boot`,
      });
      return;
  }
}

type PositionsFrame = Extract<FromSwitch, { readonly kind: "positions" }>;

/** The home's sessions go by this switch from here on. What it lacks is said again, what it does not have is over (LAN7). */
function takePositions(
  host: HostState,
  vm: RunningVm,
  id: SwitchId,
  { home, route, term, sessions }: PositionsFrame,
): void {
  if (term !== TERM || route < (vm.routes.get(home) ?? 0)) {
    mark(host, "positions-late");
    return;
  }
  vm.routes.set(home, route);
  for (const { session, delivered, freed } of sessions) {
    vm.switchOf.set(session, id);
    resume(host, vm, session, delivered);
    const racked = vm.racked.get(session) ?? 0;
    if (racked > freed) sendRack(host, vm, session, racked);
  }
  const listed = new Set(sessions.map(({ session }) => session));
  const known = [...vm.switchOf.keys()].filter((session) => homeOf(session) === home);
  for (const session of known) if (!listed.has(session)) endSession(host, vm, session, route);
}

/** The machine may have ended it long ago; then the reset means nothing to it. */
function endSession(host: HostState, vm: RunningVm, session: SessionId, route: number): void {
  for (const map of [vm.switchOf, vm.sent, vm.racked, vm.taken]) map.delete(session);
  const nothing = { position: 0, what: "reset", bytes: new Uint8Array(0) } as const;
  const { vmBoot } = vm;
  vm.inbox.push({ kind: "client", vm: host.config.vm, vmBoot, route, session, ...nothing });
}

function endOf({ position, what, bytes }: MachineOutput): number {
  return position + (what === "data" ? bytes.length : 1);
}

function forgetTaken(vm: RunningVm, session: SessionId, position: number): void {
  const kept = vm.sent.get(session)?.filter((output) => endOf(output) > position) ?? [];
  if (kept.length === 0) vm.sent.delete(session);
  else vm.sent.set(session, kept);
}

/** A switch that connects anew says what its clients have: the rest is sent again. */
function resume(host: HostState, vm: RunningVm, session: SessionId, delivered: number): void {
  for (const output of vm.sent.get(session) ?? []) {
    if (endOf(output) > delivered) sendOutput(host, vm, output, vm.bootedAt);
  }
}
