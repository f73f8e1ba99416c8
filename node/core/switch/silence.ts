/** Connected is not heard (LAN4): asks quiet links, counts their silence by own ticks, and takes silent ways out of use. */
import { LAN_BEAT_US, LAN_SILENCE_US, LATE_TICK_US } from "./contract.ts";
import { loseWay, regainWay } from "./follow.ts";
import type { Out, Silence, SwitchState, Trunk, Way } from "./state.ts";
import { tellTrunk } from "./ways.ts";

/** A link that brought something lately needs no question. The trunk is always asked: what it brings proves one direction alone. */
export function askAndCount(state: SwitchState, nowUs: number, out: Out): void {
  const gapUs = nowUs - state.tickedAtUs;
  state.tickedAtUs = nowUs;
  // This process did not run: what came meanwhile is read after this tick.
  const countedUs = gapUs <= LATE_TICK_US ? gapUs : 0;
  for (const way of state.lan.values()) {
    if (fellSilent(way.silence, countedUs)) loseWay(state, way, "silent", out);
    if (way.silence.us < LAN_BEAT_US || !isDue(way.silence, nowUs)) continue;
    for (const vm of state.vms.keys()) {
      out.push({ kind: "send-host", conn: way.conn, frame: { kind: "beat", vm } });
    }
  }
  const { trunk } = state;
  if (trunk === null) return;
  if (fellSilent(trunk.silence, countedUs)) {
    for (const way of trunk.ways.values()) loseWay(state, way, "silent", out);
  }
  if (isDue(trunk.silence, nowUs)) tellTrunk(state, { kind: "beat" }, out);
}

/** Anything that a host sends is a sign of life, and what it sent before counts again from here on. */
export function hearLan(state: SwitchState, way: Way, out: Out): void {
  if (endSilence(way.silence)) regainWay(state, way, out);
}

export function hearTrunk(state: SwitchState, trunk: Trunk, out: Out): void {
  if (!endSilence(trunk.silence)) return;
  for (const way of trunk.ways.values()) regainWay(state, way, out);
}

/** True in the tick in which it became too long. */
function fellSilent(silence: Silence, us: number): boolean {
  const wasSilent = silence.us > LAN_SILENCE_US;
  silence.us += us;
  return !wasSilent && silence.us > LAN_SILENCE_US;
}

/** True when it was too long. */
function endSilence(silence: Silence): boolean {
  const wasSilent = silence.us > LAN_SILENCE_US;
  silence.us = 0;
  return wasSilent;
}

function isDue(silence: Silence, nowUs: number): boolean {
  if (nowUs - silence.askedAtUs < LAN_BEAT_US) return false;
  silence.askedAtUs = nowUs;
  return true;
}
