/**
 * VM → client: bytes are written only where the client's stream stands; what was written before is compared and dropped, a gap is dropped and
 * answered with positions (SW3). Taken by position from any host of the followed boot: a late packet of a dead host is a repetition, or what
 * the living one would send (SW4).
 */
import { sameBoot } from "../identity.ts";
import type { Position } from "../machine/entry.ts";
import { forgetIfDone, loseClient } from "./client-stream.ts";
import { COMPARE_WINDOW, UNTAKEN_MAX } from "./contract.ts";
import {
  type Arrival,
  bootOf,
  forgetSession,
  type Out,
  type Session,
  type SwitchState,
  sendHost,
  type VmState,
  wantTurn,
} from "./state.ts";

type DataFrame = Arrival["frame"];

export function takeOutput(state: SwitchState, arrival: Arrival, out: Out): void {
  const { way, frame } = arrival;
  const vm = state.vms.get(frame.vm);
  if (vm === undefined) return void out.push({ kind: "mark", mark: "switch-unknown-vm" });
  if (!sameBoot(bootOf(vm), frame.vmBoot)) {
    return void out.push({ kind: "mark", mark: "switch-other-boot" });
  }
  const session = vm.sessions.get(frame.session);
  if (session === undefined) {
    answerUnknown(vm, arrival, out);
    return;
  }
  if (session.isGone) return;
  if (frame.position > session.written) {
    out.push({ kind: "mark", mark: "switch-gap" });
    // Over another way, or from another host, it is late: whoever is followed was told where everything stands.
    if (vm.followed?.way !== way) return;
    state.gaps.add(vm.vm);
    wantTurn(state, out);
    return;
  }
  if (frame.what === "reset") {
    takeReset(state, vm, session, arrival, out);
    return;
  }
  const overlap = Math.min(session.written - frame.position, lengthOf(frame));
  if (overlap > 0) {
    out.push({ kind: "mark", mark: "switch-repeated" });
    if (!isRepetition(session, frame, overlap)) noteConflict(vm, session, arrival, out);
  }
  if (overlap < lengthOf(frame)) append(state, vm, session, { arrival, overlap }, out);
}

/** The client's socket took everything below `upTo`. */
export function takeDrained(
  state: SwitchState,
  vm: VmState,
  { session, upTo }: { readonly session: Session; readonly upTo: Position },
  out: Out,
): void {
  if (session.isGone || upTo <= session.delivered) return;
  session.delivered = upTo;
  vm.taken.add(session.id);
  wantTurn(state, out);
}

/** Tells the followed host what clients took since the last turn. */
export function sendTaken(state: SwitchState, vm: VmState, out: Out): void {
  const sessions = [...vm.taken];
  vm.taken.clear();
  for (const id of sessions) {
    const session = vm.sessions.get(id);
    if (session === undefined) continue;
    const { followed } = vm;
    if (followed !== null && followed.way !== null) {
      const { vmBoot } = followed.announcement;
      const position = session.delivered;
      sendHost(followed.way, { kind: "taken", vm: vm.vm, vmBoot, session: id, position }, out);
    }
    forgetIfDone(state, vm, session);
  }
}

/** A session that ended here goes on in the machine: the reset that said so was lost with its connection. */
function answerUnknown(vm: VmState, { way, frame }: Arrival, out: Out): void {
  out.push({ kind: "mark", mark: "switch-unknown-session" });
  const { followed } = vm;
  if (followed?.way !== way || frame.what === "reset") return;
  const { vmBoot, session } = frame;
  const bytes = new Uint8Array(0);
  const answer = { vm: vm.vm, vmBoot, session, position: 0, what: "reset", bytes } as const;
  sendHost(way, { kind: "client", route: followed.route, ...answer }, out);
}

function lengthOf({ what, bytes }: DataFrame): number {
  return what === "data" ? bytes.length : 1;
}

function takeReset(
  state: SwitchState,
  vm: VmState,
  session: Session,
  arrival: Arrival,
  out: Out,
): void {
  // The machine said something else at this position before.
  if (arrival.frame.position < session.written) {
    noteConflict(vm, session, arrival, out);
    return;
  }
  out.push({ kind: "reset-client", session: session.id });
  vm.taken.delete(session.id);
  forgetSession(state, vm, session);
}

/** What comes after `overlap` bytes that the client has already. */
function append(
  state: SwitchState,
  vm: VmState,
  session: Session,
  { arrival, overlap }: { readonly arrival: Arrival; readonly overlap: number },
  out: Out,
): void {
  const { frame } = arrival;
  const isFirst = session.written === 0;
  if (session.hostFinAt !== null || isFirst !== (frame.what === "accept")) {
    noteConflict(vm, session, arrival, out);
    return;
  }
  switch (frame.what) {
    case "accept":
      session.written = 1;
      takeDrained(state, vm, { session, upTo: 1 }, out);
      break;
    case "data": {
      const bytes = frame.bytes.subarray(overlap);
      session.written += bytes.length;
      remember(session, bytes);
      out.push({ kind: "write-client", session: session.id, bytes, upTo: session.written });
      giveUpIfStuck(state, vm, session, out);
      break;
    }
    case "fin":
      session.hostFinAt = session.written;
      session.written += 1;
      out.push({ kind: "end-client", session: session.id, upTo: session.written });
      break;
    case "reset":
      break;
    default:
      frame.what satisfies never;
  }
}

/** A client that does not read may not fill this process. */
function giveUpIfStuck(state: SwitchState, vm: VmState, session: Session, out: Out): void {
  if (session.written - session.delivered <= UNTAKEN_MAX) return;
  out.push({ kind: "mark", mark: "switch-client-stuck" });
  out.push({ kind: "reset-client", session: session.id });
  loseClient(state, vm, session, out);
}

function remember(session: Session, bytes: Uint8Array): void {
  session.recent.push(bytes);
  session.recentBytes += bytes.length;
  let first = session.recent[session.recentForgotten];
  while (first !== undefined && session.recentBytes - first.length >= COMPARE_WINDOW) {
    session.recentForgotten += 1;
    session.recentBytes -= first.length;
    first = session.recent[session.recentForgotten];
  }
  // In bulk: a window of short answers holds thousands of them, and to take one off moves all others.
  if (2 * session.recentForgotten <= session.recent.length) return;
  session.recent = session.recent.slice(session.recentForgotten);
  session.recentForgotten = 0;
}

/** Compares what the window still holds; what is older counts as equal. */
function isRepetition(session: Session, frame: DataFrame, overlap: number): boolean {
  const { hostFinAt } = session;
  if (frame.what === "accept") return frame.position === 0;
  if (frame.what === "fin") return frame.position === hostFinAt;
  const bytesEnd = hostFinAt ?? session.written;
  if (frame.position === 0 || frame.position + overlap > bytesEnd) return false;
  let at = bytesEnd - session.recentBytes;
  for (const chunk of session.recent.slice(session.recentForgotten)) {
    const from = Math.max(at, frame.position);
    const to = Math.min(at + chunk.length, frame.position + overlap);
    for (let position = from; position < to; position += 1) {
      if (chunk[position - at] !== frame.bytes[position - frame.position]) return false;
    }
    at += chunk.length;
  }
  return true;
}

function noteConflict(vm: VmState, session: Session, { way, frame }: Arrival, out: Out): void {
  out.push({ kind: "mark", mark: "switch-conflict" });
  if (session.hasConflict) return;
  session.hasConflict = true;
  out.push({
    kind: "note",
    note: {
      what: "byte-conflict",
      vm: vm.vm,
      boot: frame.vmBoot.id,
      session: session.id,
      position: frame.position,
      host: way.host,
      gen: frame.gen.id,
    },
  });
}
