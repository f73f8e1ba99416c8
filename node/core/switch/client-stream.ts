/** Client → VM: bytes are kept until the machine's receive acknowledgement frees them, and go to the followed host only (SW2, SW5, SW6). */

import { sameBoot } from "../identity.ts";
import { invariant } from "../invariant.ts";
import type { Position, SessionId } from "../machine/entry.ts";
import { CLIENT_FRAME_BYTES, CLIENT_WINDOW, SESSIONS_MAX } from "./contract.ts";
import type { SessionFrame } from "./frames.ts";
import { homeOf } from "./home.ts";
import {
  bootOf,
  forgetSession,
  newSession,
  type Out,
  type Session,
  type SwitchState,
  sendHost,
  type VmState,
} from "./state.ts";

export function acceptClient(
  state: SwitchState,
  vm: VmState | undefined,
  id: SessionId,
  out: Out,
): void {
  invariant(!state.sessions.has(id), "a session number is used once");
  invariant(homeOf(id) === state.config.site, "a switch numbers its sessions as its own");
  const isAnnounced = vm?.followed?.way != null;
  if (vm === undefined || !isAnnounced || vm.sessions.size >= SESSIONS_MAX) {
    out.push({ kind: "mark", mark: isAnnounced ? "switch-full" : "switch-refused" });
    out.push({ kind: "reset-client", session: id });
    return;
  }
  const session = newSession(id, vm.vm);
  vm.sessions.set(id, session);
  state.sessions.set(id, vm);
  send(vm, session, { position: 0, what: "open", bytes: EMPTY }, out);
}

export function takeClientData(vm: VmState, session: Session, bytes: Uint8Array, out: Out): void {
  invariant(session.clientFinAt === null, "a client sends nothing after its fin");
  if (session.isGone || bytes.length === 0) return;
  session.kept.push(bytes);
  session.keptBytes += bytes.length;
  sendBytes(vm, session, session.received, bytes, out);
  session.received += bytes.length;
  if (session.keptBytes > CLIENT_WINDOW && !session.isPaused) {
    session.isPaused = true;
    out.push({ kind: "pause-client", session: session.id });
  }
}

export function takeClientFin(vm: VmState, session: Session, out: Out): void {
  if (session.isGone || session.clientFinAt !== null) return;
  session.clientFinAt = session.received;
  session.received += 1;
  send(vm, session, { position: session.clientFinAt, what: "fin", bytes: EMPTY }, out);
}

/** The followed host is told now, or as soon as one of the same boot announces. */
export function loseClient(state: SwitchState, vm: VmState, session: Session, out: Out): void {
  if (session.isGone) return;
  session.isGone = true;
  vm.taken.delete(session.id);
  session.kept = [];
  session.keptBytes = 0;
  tellGone(state, vm, session, out);
}

/** Frees client bytes. */
export function takeRack(
  state: SwitchState,
  frame: Extract<SessionFrame, { readonly kind: "rack" }>,
  out: Out,
): void {
  const vm = state.vms.get(frame.vm);
  const session = vm?.sessions.get(frame.session);
  if (vm === undefined || session === undefined || !sameBoot(bootOf(vm), frame.vmBoot)) {
    return void out.push({ kind: "mark", mark: "switch-rack-dropped" });
  }
  if (frame.position > session.received) {
    return void out.push({ kind: "mark", mark: "switch-rack-beyond" });
  }
  if (frame.position <= session.freed) return;
  dropKept(session, frame.position);
  session.freed = frame.position;
  if (session.isPaused && session.keptBytes <= CLIENT_WINDOW / 2) {
    session.isPaused = false;
    out.push({ kind: "resume-client", session: session.id });
  }
  forgetIfDone(state, vm, session);
}

/** Everything not freed, once more, to the host that is followed now. */
export function sendKept(state: SwitchState, vm: VmState, session: Session, out: Out): void {
  if (session.isGone) {
    tellGone(state, vm, session, out);
    return;
  }
  if (session.freed === 0) send(vm, session, { position: 0, what: "open", bytes: EMPTY }, out);
  let position = Math.max(session.freed, 1);
  for (const bytes of session.kept) {
    sendBytes(vm, session, position, bytes, out);
    position += bytes.length;
  }
  const { clientFinAt } = session;
  if (clientFinAt !== null && session.freed <= clientFinAt) {
    send(vm, session, { position: clientFinAt, what: "fin", bytes: EMPTY }, out);
  }
}

/** Both directions have ended, and both ends know. */
export function forgetIfDone(state: SwitchState, vm: VmState, session: Session): void {
  const { clientFinAt, hostFinAt, freed, delivered, received } = session;
  if (clientFinAt === null || hostFinAt === null) return;
  if (freed >= received && delivered > hostFinAt && !vm.taken.has(session.id)) {
    forgetSession(state, vm, session);
  }
}

const EMPTY = new Uint8Array(0);

interface Piece {
  readonly position: Position;
  readonly what: "open" | "data" | "fin" | "reset";
  readonly bytes: Uint8Array;
}

function send(vm: VmState, session: Session, piece: Piece, out: Out): void {
  const { followed } = vm;
  if (followed === null || followed.way === null) return;
  const { announcement, route, way } = followed;
  const { vmBoot } = announcement;
  const at = { vm: vm.vm, vmBoot, route, session: session.id } as const;
  sendHost(way, { kind: "client", ...at, ...piece }, out);
}

function sendBytes(
  vm: VmState,
  session: Session,
  position: Position,
  bytes: Uint8Array,
  out: Out,
): void {
  for (let at = 0; at < bytes.length; at += CLIENT_FRAME_BYTES) {
    const piece = bytes.subarray(at, at + CLIENT_FRAME_BYTES);
    send(vm, session, { position: position + at, what: "data", bytes: piece }, out);
  }
}

function tellGone(state: SwitchState, vm: VmState, session: Session, out: Out): void {
  if (vm.followed?.way == null) return;
  send(vm, session, { position: session.received, what: "reset", bytes: EMPTY }, out);
  forgetSession(state, vm, session);
}

/** Drops kept bytes below `position`. */
function dropKept(session: Session, position: Position): void {
  let excess = Math.min(position - Math.max(session.freed, 1), session.keptBytes);
  while (excess > 0) {
    const first = session.kept[0];
    invariant(first !== undefined, "kept bytes are counted");
    const dropped = Math.min(excess, first.length);
    if (dropped === first.length) session.kept.shift();
    else session.kept[0] = first.subarray(dropped);
    session.keptBytes -= dropped;
    excess -= dropped;
  }
}
