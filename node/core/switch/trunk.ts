/** What two switches do for each other: each tells whom it hears itself, and hands over what is for or from a host that only it hears. */
import { unreachable } from "../invariant.ts";
import { takeRack } from "./client-stream.ts";
import { loseWay, takeAnnouncement, takeUnheard } from "./follow.ts";
import type { FromSwitch, SessionFrame, TrunkFrame } from "./frames.ts";
import { homeOf } from "./home.ts";
import { takeOutput } from "./host-stream.ts";
import { hearTrunk } from "./silence.ts";
import type { Out, SwitchState, Way } from "./state.ts";
import { isUsable, newSilence, tellTrunk, trunkWay, waysOf } from "./ways.ts";

/** Takes the place of an older connection. */
export function openTrunk(state: SwitchState, conn: number, out: Out): void {
  closeTrunk(state, out);
  state.trunk = { conn, silence: newSilence(), ways: new Map() };
  for (const way of state.lan.values()) {
    if (!isUsable(way)) continue;
    for (const announcement of way.heard.values()) {
      tellTrunk(state, { kind: "heard", announcement }, out);
    }
  }
}

export function loseTrunk(state: SwitchState, conn: number, out: Out): void {
  if (state.trunk?.conn === conn) closeTrunk(state, out);
}

/** Frames of an older connection say nothing about now. */
export function takeTrunkFrame(
  state: SwitchState,
  conn: number,
  frame: TrunkFrame,
  out: Out,
): void {
  const { trunk } = state;
  if (trunk?.conn !== conn) return void out.push({ kind: "mark", mark: "switch-old-trunk" });
  switch (frame.kind) {
    case "beat":
      tellTrunk(state, { kind: "beat-ok" }, out);
      return;
    case "beat-ok":
      hearTrunk(state, trunk, out);
      return;
    case "heard": {
      const { announcement } = frame;
      takeAnnouncement(state, trunkWay(trunk, announcement.host), announcement, out);
      return;
    }
    case "unheard":
      takeUnheard(state, trunkWay(trunk, frame.host), frame.vm, out);
      return;
    case "from":
      takeHome(state, trunkWay(trunk, frame.host), frame.frame, out);
      return;
    case "to":
      passToHost(state, frame.host, frame.frame, out);
      return;
    default:
      unreachable(frame);
  }
}

/** A session's frame that came on an own link: taken in at home, else handed over (LAN5). */
export function takeOrHandOver(state: SwitchState, way: Way, frame: SessionFrame, out: Out): void {
  if (homeOf(frame.session) === state.config.site) {
    takeHome(state, way, frame, out);
  } else if (state.trunk === null) {
    out.push({ kind: "mark", mark: "switch-no-trunk" });
  } else {
    tellTrunk(state, { kind: "from", host: way.host, frame }, out);
  }
}

/** What came over the trunk and is not for here goes nowhere: else two switches that disagree would send it to and fro. */
function takeHome(state: SwitchState, way: Way, frame: SessionFrame, out: Out): void {
  if (homeOf(frame.session) !== state.config.site) {
    out.push({ kind: "mark", mark: "switch-not-home" });
  } else if (frame.kind === "rack") takeRack(state, frame, out);
  else takeOutput(state, { way, frame }, out);
}

function passToHost(state: SwitchState, host: string, frame: FromSwitch, out: Out): void {
  const way = waysOf(state, host).findLast(({ via }) => via === "lan");
  if (way === undefined) return void out.push({ kind: "mark", mark: "switch-host-gone" });
  out.push({ kind: "send-host", conn: way.conn, frame });
}

function closeTrunk(state: SwitchState, out: Out): void {
  const { trunk } = state;
  if (trunk === null) return;
  state.trunk = null;
  for (const way of trunk.ways.values()) loseWay(state, way, "closed", out);
}
