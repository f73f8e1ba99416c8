import { note } from "../host/context.ts";
import type { HostState, OpenSession } from "../host/state.ts";
import { markUnacked } from "../mirror/complete.ts";
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
  host.mirror.writer.isHeld = false;
  if (session.kind === "open" && session.resync !== null) leaveResync(host, session);
  if (host.vm.kind !== "running") dropQueued(host);
}

/** Sessions lost within this time count as one flapping path. Unit: milliseconds. */
const FLAP_WINDOW = 300_000;
const REJOIN_MAX = 60_000;

/** The next resync waits longer if the path flaps: a session lost anew, to the same process of the peer. */
function leaveResync(host: HostState, { resync, verdict }: OpenSession): void {
  const { timing } = host.config;
  if (resync?.side === "source" && verdict.kind === "resync") {
    note(host, { what: "resync", state: "interrupted", isFull: resync.isFull, percent: 0 });
    markUnacked(host);
  }
  const startId = host.pageNext.peer?.startId ?? null;
  const { lostAt, wait, startId: lostTo } = host.rejoin;
  const isFlap = lostTo === startId && host.now - lostAt < FLAP_WINDOW;
  host.rejoin = {
    wait: isFlap ? Math.min(2 * wait, REJOIN_MAX) : timing.rejoin,
    lostAt: host.now,
    startId,
  };
}
