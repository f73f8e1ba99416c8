/** What a host does when a session opens, by the verdict of the reconnect table. */
import { barPeer, mark, note, persistPage, rightOf } from "../host/context.ts";
import type { HostState, OpenSession } from "../host/state.ts";
import { stopVm } from "../host/vm.ts";
import { clearAllIntents, nameIntents } from "../mirror/intents.ts";
import { resend } from "../mirror/mirror.ts";
import { beginSource, suspect } from "../resync/source.ts";
import { beginTarget } from "../resync/target.ts";
import type { HelloView } from "./frames.ts";
import { followBoot } from "./lease.ts";
import { succeed } from "./page.ts";
import { protect } from "./pairing.ts";
import type { AtPar, Refusal, Verdict } from "./reconnect.ts";
import { forgetWord, meetSplitBrain } from "./split-brain.ts";
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
  forgetWord(host, session);
  switch (verdict.kind) {
    case "refuse":
      refuse(host, verdict);
      return;
    case "protect":
      protect(host, verdict.source);
      return;
    case "resync":
      meetSole(host, session, verdict, { mine, peer });
      return;
    case "redirect":
      if (verdict.runner === host.config.host) goOnOverPeer(host, session, peer);
      return;
    case "split-brain":
      meetSplitBrain(host, session);
      return;
    case "discard":
      if (verdict.loser === host.config.host) stopVm(host, "an operator chose the peer's copy");
      return;
    case "par":
      meetAtPar(host, session, verdict, mine, peer);
      return;
  }
}

/**
 * Both keep what they have. A host that may go on beside a peer whose copy is worth nothing does so as if the peer were lost. One that is alone is not
 * hindered; any other boots and claims nothing until a later session says otherwise.
 */
function refuse(host: HostState, verdict: Refusal): void {
  const { host: self } = host.config;
  note(host, { what: "alert", code: verdict.code, detail: `${verdict.row}: ${verdict.why}` });
  if (verdict.quarantine.includes(self)) {
    stopVm(host, "this disk is an old image or a clone");
    // Taken amid a resync it would name a source whose map has long forgotten what this copy lacks. What it remembers of its peer is of the past too: it would
    // find the only good copy to be older than that.
    persistPage(
      host,
      { ...host.pageNext, right: "none", copy: verdict.keep, resyncFrom: null, peer: null },
      { kind: "quarantined" },
    );
    return;
  }
  if (verdict.survivor === self) {
    mark(host, "peer-worthless");
    barPeer(host, verdict.why);
    return;
  }
  if (!host.isDiskGood) stopVm(host, "the peer went on alone");
  const isHindered = verdict.row === "D17" || (verdict.row !== "D1" && rightOf(host) !== "sole");
  if (isHindered) host.barred = { by: "verdict", why: verdict.row };
}

/** P24: the peer's copy holds this very boot. */
function goOnOverPeer(host: HostState, session: OpenSession, peer: HelloView): void {
  if (host.vm.kind !== "running") return;
  mark(host, "redirected");
  host.vm.overGen = peer.page.gen;
  resend(host, session, peer);
}

function meetSole(
  host: HostState,
  session: OpenSession,
  verdict: Verdict & { kind: "resync" },
  views: { readonly mine: HelloView; readonly peer: HelloView },
): void {
  if (verdict.source === host.config.host) {
    beginSource(host, session, { isFull: verdict.isFull, ...views });
    return;
  }
  stopVm(host, "the peer went on alone");
  beginTarget(session);
}

function meetAtPar(
  host: HostState,
  session: OpenSession,
  verdict: AtPar,
  mine: HelloView,
  peer: HelloView,
): void {
  if (verdict.isRearmDue) host.mustRearm = true;
  if (verdict.silent.length > 0) suspect(host, verdict.silent);
  if (verdict.equalise !== null) mark(host, "copies-differ");
  if (verdict.equalise === host.config.host && rightOf(host) === "ceded" && !verdict.isProvisional)
    note(host, {
      what: "alert",
      code: "copies-differ",
      detail:
        "the elected peer came back with a copy that differs: the VM waits for a quorum service",
    });
  if (peer.running && peer.vmBoot !== null) {
    followBoot(host, peer.vmBoot);
    nameIntents(host, peer.lastWrite);
  }
  if (!mine.running && !peer.running && verdict.equalise === null) {
    if (mine.intents.length > 0) mark(host, "intents-equal");
    clearAllIntents(host);
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
  if (host.session === session) resend(host, session, peer);
}
