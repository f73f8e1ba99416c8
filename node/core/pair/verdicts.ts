/** What a host does when a session opens, by the verdict of the reconnect table. */
import { copyOf, drawId, mark, note, parSession, persistPage } from "../host/context.ts";
import type { HostState, OpenSession } from "../host/state.ts";
import { stopVm } from "../host/vm.ts";
import { resend } from "../mirror/mirror.ts";
import { intentCount } from "../mirror/writer.ts";
import { nextGeneration } from "./claims.ts";
import type { HelloView } from "./frames.ts";
import { followBoot } from "./lease.ts";
import { succeed } from "./page.ts";
import type { Verdict } from "./reconnect.ts";
import { sendArmed } from "./steps.ts";

export function enterVerdict(
  host: HostState,
  session: OpenSession,
  mine: HelloView,
  peer: HelloView,
): void {
  const { verdict } = session;
  mark(host, `reconnect-${verdict.row}`);
  // What the hosts see now counts, not what an earlier session made of it. An old image stays known by its quarantine.
  if (host.barred?.by === "verdict") host.barred = null;
  switch (verdict.kind) {
    case "refuse":
      refuse(host, verdict, peer);
      return;
    case "protect":
      protect(host, verdict);
      return;
    case "step-down":
      stepDown(host, verdict);
      return;
    case "par":
      meetAtPar(host, session, verdict, mine, peer);
      return;
  }
}

/**
 * Both keep what they have. A VM that runs by right goes on: beside a peer whose copy is worth nothing the runner goes alone, as if the peer
 * were lost. Any other host boots and claims nothing until a later session says otherwise.
 */
function refuse(host: HostState, verdict: Verdict & { kind: "refuse" }, peer: HelloView): void {
  note(host, { what: "alert", code: verdict.code, detail: `${verdict.row}: ${verdict.why}` });
  if (verdict.quarantine === host.config.host) {
    stopVm(host, "this disk is an old image or a clone");
    persistPage(
      host,
      { ...host.pageNext, right: "none", copy: "inconsistent" },
      { kind: "nothing" },
    );
  }
  const isPeerWorthless =
    peer.page.copy === "blank" ||
    peer.page.right === "none" ||
    verdict.quarantine === host.config.peer;
  if (isPeerWorthless && host.vm.kind === "running" && copyOf(host) === "in-sync") {
    mark(host, "peer-worthless");
    host.isPeerBarred = true;
    return;
  }
  if (verdict.code === "not-yet" || verdict.code === "impossible") bar(host, verdict.row);
}

function bar(host: HostState, row: string): void {
  host.barred = { by: "verdict", why: row };
}

function protect(host: HostState, verdict: Verdict & { kind: "protect" }): void {
  if (verdict.source !== host.config.host) return;
  const gen = nextGeneration(host, "alone", drawId(host));
  persistPage(
    host,
    { ...succeed(host.pageNext, gen), right: "sole", copy: "ahead" },
    { kind: "protect" },
  );
}

function stepDown(host: HostState, verdict: Verdict & { kind: "step-down" }): void {
  note(host, {
    what: "alert",
    code: "not-yet",
    detail: "D7: the resync that follows is not there yet",
  });
  if (verdict.source === host.config.host) return;
  stopVm(host, "the peer went on alone");
  if (host.pageNext.right === "ceded" && copyOf(host) === "behind") return;
  persistPage(host, { ...host.pageNext, right: "ceded", copy: "behind" }, { kind: "stepped-down" });
}

function meetAtPar(
  host: HostState,
  session: OpenSession,
  verdict: Verdict & { kind: "par" },
  mine: HelloView,
  peer: HelloView,
): void {
  if (verdict.isRearmDue) host.mustRearm = true;
  if (peer.running && peer.vmBoot !== null) followBoot(host, peer.vmBoot);
  if (!mine.running && !peer.running && mine.intentCount + peer.intentCount > 0) {
    note(host, {
      what: "alert",
      code: "not-yet",
      detail: `4.3: no VM runs and ${mine.intentCount} + ${peer.intentCount} extents may differ`,
    });
    bar(host, "4.3");
    return;
  }
  if (verdict.row === "D13" && host.page.right === "open" && peer.page.gen !== null) {
    persistPage(
      host,
      { ...succeed(host.pageNext, peer.page.gen), right: "elected" },
      { kind: "elected", session: session.id },
    );
  }
  if (verdict.row === "D13" && host.page.right === "ceded") {
    session.peerRight = "elected";
    session.peerGenNow = host.page.gen;
  }
  if (verdict.row === "D14" && host.page.right === "open") sendArmed(host, session);
  if (intentCount(host) > 0 && host.vm.kind === "none") mark(host, "standby-with-intents");
  if (parSession(host) !== null) resend(host, session, peer);
}
