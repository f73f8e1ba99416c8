import { unreachable } from "../invariant.ts";
import type { SessionId } from "../machine/entry.ts";
import { acceptClient, loseClient, takeClientData, takeClientFin } from "./client-stream.ts";
import {
  REPORT_EVERY_US,
  type SwitchConfig,
  type SwitchEffect,
  type SwitchEvent,
} from "./contract.ts";
import { loseWay, sendPositions, takeAnnouncement, takeWithdrawal } from "./follow.ts";
import { sendTaken, takeDrained } from "./host-stream.ts";
import { askAndCount, hearLan } from "./silence.ts";
import type { Out, Session, SwitchState, VmState } from "./state.ts";
import { countOutput, reportOutputs } from "./tally.ts";
import { loseTrunk, openTrunk, takeOrHandOver, takeTrunkFrame } from "./trunk.ts";
import { openLan } from "./ways.ts";

export function createSwitch(config: SwitchConfig): SwitchState {
  const states = config.vms.map((vm): [string, VmState] => [
    vm,
    { vm, followed: null, sessions: new Map(), taken: new Set() },
  ]);
  return {
    config,
    vms: new Map(states),
    sessions: new Map(),
    lan: new Map(),
    trunk: null,
    nextRoute: config.startedAtUs,
    tallies: new Map(),
    gaps: new Set(),
    isTurnWanted: false,
    reportedAtUs: -REPORT_EVERY_US,
    tickedAtUs: config.startedAtUs,
  };
}

/** Changes `state` in place. The effects are started in their order, none awaited. */
export function stepSwitch(state: SwitchState, event: SwitchEvent): readonly SwitchEffect[] {
  const out: Out = [];
  switch (event.kind) {
    case "host-up":
      openLan(state, event.conn, event.host);
      break;
    case "host-down":
      loseHost(state, event.conn, out);
      break;
    case "host-frame":
      takeFrame(state, event, out);
      break;
    case "trunk-up":
      openTrunk(state, event.conn, out);
      break;
    case "trunk-down":
      loseTrunk(state, event.conn, out);
      break;
    case "trunk-frame":
      takeTrunkFrame(state, event.conn, event.frame, out);
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
      askAndCount(state, event.nowUs, out);
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
  const way = state.lan.get(conn);
  // Its connection closed while the frame was under way.
  if (way === undefined) return;
  hearLan(state, way, out);
  switch (frame.kind) {
    case "announce":
      takeAnnouncement(state, way, frame.announcement, out);
      break;
    case "withdraw":
      takeWithdrawal(state, way, frame, out);
      break;
    case "data":
      countOutput(state, { way, frame }, nowUs);
      takeOrHandOver(state, way, frame, out);
      break;
    case "rack":
      takeOrHandOver(state, way, frame, out);
      break;
    case "beat-ok":
      break;
    default:
      unreachable(frame);
  }
}

function loseHost(state: SwitchState, conn: number, out: Out): void {
  const way = state.lan.get(conn);
  state.lan.delete(conn);
  if (way !== undefined) loseWay(state, way, "closed", out);
}

function endTurn(state: SwitchState, out: Out): void {
  state.isTurnWanted = false;
  for (const vm of state.vms.values()) sendTaken(state, vm, out);
  if (state.gaps.size === 0) return;
  for (const id of state.gaps) {
    const vm = state.vms.get(id);
    if (vm !== undefined) sendPositions(state, vm, out);
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
