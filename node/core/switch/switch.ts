import { unreachable } from "../invariant.ts";
import type { SessionId } from "../machine/entry.ts";
import {
  acceptClient,
  loseClient,
  takeClientData,
  takeClientFin,
  takeRack,
} from "./client-stream.ts";
import {
  REPORT_EVERY_US,
  type SwitchConfig,
  type SwitchEffect,
  type SwitchEvent,
} from "./contract.ts";
import { loseHost, sendPositions, takeAnnouncement, takeWithdrawal } from "./follow.ts";
import { sendTaken, takeDrained, takeOutput } from "./host-stream.ts";
import type { Out, Session, SwitchState, VmState } from "./state.ts";
import { reportOutputs } from "./tally.ts";

export function createSwitch({ vms }: SwitchConfig): SwitchState {
  const states = vms.map((vm): [string, VmState] => [
    vm,
    { vm, followed: null, sessions: new Map(), taken: new Set() },
  ]);
  return {
    vms: new Map(states),
    sessions: new Map(),
    hosts: new Map(),
    tallies: new Map(),
    gaps: new Set(),
    isTurnWanted: false,
    reportedAtUs: -REPORT_EVERY_US,
  };
}

/** Changes `state` in place. The effects are started in their order, none awaited. */
export function stepSwitch(state: SwitchState, event: SwitchEvent): readonly SwitchEffect[] {
  const out: Out = [];
  switch (event.kind) {
    case "host-up":
      state.hosts.set(event.conn, event.host);
      break;
    case "host-down":
      loseHost(state, event.conn, out);
      break;
    case "host-frame":
      takeFrame(state, event, out);
      break;
    case "client-accepted":
      acceptClient(state, state.vms.get(event.vm), event.session, out);
      break;
    case "client-data":
      withSession(state, event.session, (vm, session) =>
        takeClientData(vm, session, event.bytes, out),
      );
      break;
    case "client-fin":
      withSession(state, event.session, (vm, session) => takeClientFin(vm, session, out));
      break;
    case "client-gone":
      withSession(state, event.session, (vm, session) => loseClient(state, vm, session, out));
      break;
    case "client-drained":
      withSession(state, event.session, (vm, session) =>
        takeDrained(state, vm, { session, upTo: event.upTo }, out),
      );
      break;
    case "turn":
      endTurn(state, out);
      break;
    case "tick":
      if (event.nowUs - state.reportedAtUs >= REPORT_EVERY_US)
        reportOutputs(state, event.nowUs, out);
      break;
    case "report":
      reportOutputs(state, event.nowUs, out);
      break;
    default:
      unreachable(event);
  }
  return out;
}

function takeFrame(
  state: SwitchState,
  { conn, frame, nowUs }: Extract<SwitchEvent, { readonly kind: "host-frame" }>,
  out: Out,
): void {
  const host = state.hosts.get(conn);
  // Its connection closed while the frame was under way.
  if (host === undefined) return;
  switch (frame.kind) {
    case "announce":
      takeAnnouncement(state, conn, frame.announcement, out);
      break;
    case "withdraw":
      takeWithdrawal(state, conn, frame, out);
      break;
    case "data":
      takeOutput(state, { conn, host, frame, nowUs }, out);
      break;
    case "rack":
      takeRack(state, frame, out);
      break;
    default:
      unreachable(frame);
  }
}

function endTurn(state: SwitchState, out: Out): void {
  state.isTurnWanted = false;
  for (const vm of state.vms.values()) sendTaken(state, vm, out);
  for (const conn of state.gaps) {
    for (const vm of state.vms.keys()) sendPositions(state, conn, vm, out);
  }
  state.gaps.clear();
}

/** Events of a session that was reset or has ended are late, not wrong. */
function withSession(
  state: SwitchState,
  id: SessionId,
  act: (vm: VmState, session: Session) => void,
): void {
  const vm = state.sessions.get(id);
  const session = vm?.sessions.get(id);
  if (vm !== undefined && session !== undefined) act(vm, session);
}
