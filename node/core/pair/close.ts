import { note } from "../host/context.ts";
import type { HostState } from "../host/state.ts";
import { dropQueued } from "../mirror/writer.ts";
import { pathOf } from "./paths.ts";
import { sendLoose } from "./send.ts";

/** Boots and claims nothing any more, for a reason of this host's own, and falls silent: the peer shall take over. */
export function barSelf(host: HostState, why: string): void {
  host.barred = { by: "own", why };
  host.pendingHello = null;
  closeSession(host, why);
}

/** Ends the session for this side. Writes of it that are not begun are dropped unless this host made them. */
export function closeSession(host: HostState, why: string): void {
  const { session } = host;
  if (session.kind === "none") return;
  if (session.kind === "open") {
    const path = pathOf(host, session.path);
    if (path?.conn === session.conn)
      sendLoose(host, path, session.id, { kind: "bye", reason: why });
    note(host, { what: "session", state: "closed", verdict: session.verdict.row, why });
  }
  host.session = { kind: "none" };
  host.beatsSent.clear();
  if (host.vm.kind !== "running") dropQueued(host);
}
