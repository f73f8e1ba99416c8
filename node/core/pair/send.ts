/** Frames to the peer, and small questions about the open session. */
import { emit } from "../host/context.ts";
import type { HostState, OpenSession, PathState } from "../host/state.ts";
import { type RandomId, sameBoot } from "../identity.ts";
import type { PeerBody, PeerFrame } from "./frames.ts";

export function isLower(host: HostState): boolean {
  return host.config.host < host.config.peer;
}

/** Sends on the ordered stream of the open session. `from` defaults to this host's durable generation (P7). */
export function sendStream(
  host: HostState,
  session: OpenSession,
  body: PeerBody,
  from: RandomId | null = host.page.gen?.id ?? null,
): void {
  session.sent += 1;
  const frame: PeerFrame = {
    vm: host.config.vm,
    session: session.id,
    number: session.sent,
    from,
    body,
  };
  emit(host, { kind: "send-peer", path: session.path, conn: session.conn, frame });
}

/** Sends outside the stream, over one path. */
export function sendLoose(
  host: HostState,
  path: PathState,
  session: RandomId | null,
  body: PeerBody,
): void {
  if (path.conn === null) return;
  const frame: PeerFrame = {
    vm: host.config.vm,
    session,
    number: 0,
    from: host.page.gen?.id ?? null,
    body,
  };
  emit(host, { kind: "send-peer", path: path.config.id, conn: path.conn, frame });
}

/** True if the peer's VM of the open session is this host's own boot or none. */
export function isPeerRunning(session: OpenSession, own: HostState): boolean {
  return (
    session.peerBoot !== null &&
    !(own.vm.kind === "running" && sameBoot(own.vm.vmBoot, session.peerBoot))
  );
}
