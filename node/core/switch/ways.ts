/** By which ways hosts are reached, and which of them are heard (LAN4). */
import type { HostId } from "../identity.ts";
import { LAN_SILENCE_US } from "./contract.ts";
import type { TrunkFrame } from "./frames.ts";
import type { Out, Silence, SwitchState, Trunk, Way } from "./state.ts";

export function newSilence(): Silence {
  return { us: 0, askedAtUs: 0 };
}

export function openLan(state: SwitchState, conn: number, host: HostId): void {
  state.lan.set(conn, { host, via: "lan", conn, heard: new Map(), silence: newSilence() });
}

/** The way by the trunk; made when the host is first heard of. */
export function trunkWay({ ways, conn, silence }: Trunk, host: HostId): Way {
  const known = ways.get(host);
  if (known !== undefined) return known;
  const way: Way = { host, via: "trunk", conn, heard: new Map(), silence };
  ways.set(host, way);
  return way;
}

/** Own links first, oldest first; then the trunk. */
export function waysOf(state: SwitchState, host: HostId): readonly Way[] {
  const own = [...state.lan.values()].filter((way) => way.host === host);
  const other = state.trunk?.ways.get(host);
  return other === undefined ? own : [...own, other];
}

export function isUsable({ silence }: Way): boolean {
  return silence.us <= LAN_SILENCE_US;
}

export function tellTrunk({ trunk }: SwitchState, frame: TrunkFrame, out: Out): void {
  if (trunk !== null) out.push({ kind: "send-trunk", conn: trunk.conn, frame });
}
