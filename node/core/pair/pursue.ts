/**
 * What is due now. Asked after every event and decided from the state alone, so that a lost message costs time and never leaves a pair stuck.
 */

import { bootIfDue, startMachineIfDue } from "../host/boot.ts";
import { isRightMoving, mark, note, rightOf } from "../host/context.ts";
import type { DerivedState } from "../host/contract.ts";
import { announceIfDue } from "../host/lan.ts";
import type { HostState } from "../host/state.ts";
import { pump, release } from "../host/vm.ts";
import { startRoundIfDue } from "../mirror/writer.ts";
import { copyIfDue, mergeIfDue } from "../resync/source.ts";
import { sayCopiedIfDue, saySumsIfDue, stepDownIfDue } from "../resync/target.ts";
import { goAloneIfDue } from "./claims.ts";
import { closeSession } from "./close.ts";
import { endMoveIfCut, handOverIfDue, leaveIfDue } from "./handover.ts";
import { beatIfDue } from "./lease.ts";
import { pairIfDue, takeHeldPair } from "./pairing.ts";
import { isPeerSilent } from "./paths.ts";
import {
  answerHelloIfDue,
  compareAgainIfDue,
  giveUpHelloIfDue,
  giveUpSilentPaths,
  openIfDue,
} from "./session.ts";
import { sayMapsIfDue } from "./split-brain.ts";
import { armIfDue, disarmIfDue, endStepIfLate, partIfDue, takeHeldCede } from "./steps.ts";

export function pursue(host: HostState): void {
  if (host.isStarted) partIfDue(host);
  suspectIfDue(host);
  giveUpSilentPaths(host);
  if (host.isStarted) {
    endStepIfLate(host);
    takeHeldCede(host);
    takeHeldPair(host);
    answerHelloIfDue(host);
    giveUpHelloIfDue(host);
    goAloneIfDue(host);
    compareAgainIfDue(host);
    openIfDue(host);
    stepDownIfDue(host);
    mergeIfDue(host);
    copyIfDue(host);
    saySumsIfDue(host);
    sayCopiedIfDue(host);
    sayMapsIfDue(host);
    pairIfDue(host);
    armIfDue(host);
    disarmIfDue(host);
    endMoveIfCut(host);
    handOverIfDue(host);
    leaveIfDue(host);
    bootIfDue(host);
    startMachineIfDue(host);
    beatIfDue(host);
    release(host);
    startRoundIfDue(host);
    pump(host);
    if (host.vm.kind === "running") announceIfDue(host, host.vm);
  }
  noteDerived(host);
}

function suspectIfDue(host: HostState): void {
  endBarIfVain(host);
  const isSuspected = host.peerBarred !== null || isPeerSilent(host);
  if (isSuspected && !host.isSuspected) {
    mark(host, "peer-suspected");
    note(host, {
      what: "suspect",
      why: host.peerBarred?.why ?? "every path is silent",
    });
  }
  host.isSuspected = isSuspected;
  if (host.peerBarred !== null) host.pendingHello = null;
  if (isSuspected) closeSession(host, host.peerBarred?.why ?? "the peer is suspected");
}

/** Going alone did not come about: the next hello shows what there is now, and bars the peer anew if that is due. */
function endBarIfVain(host: HostState): void {
  const { peerBarred } = host;
  if (peerBarred === null || host.claim !== null || isRightMoving(host)) return;
  if (host.now - peerBarred.since < host.config.timing.stepTimeout) return;
  mark(host, "bar-in-vain");
  host.peerBarred = null;
  host.isPeerGone = false;
}

function noteDerived(host: HostState): void {
  const derived = derive(host);
  if (derived === host.derived) return;
  host.derived = derived;
  note(host, { what: "state", derived });
}

function derive(host: HostState): DerivedState {
  const { session, pageNext, vm } = host;
  const right = rightOf(host);
  if (!host.isStarted) return "starting";
  if (pageNext.hold?.kind === "split-brain" || pageNext.hold?.kind === "discard")
    return "split-brain";
  if (session.kind === "open") {
    const { verdict, peerRight } = session;
    if (verdict.kind === "par" && verdict.equalise === null) {
      if (right === "open" && peerRight === "open") return "duplex";
      if (isPartOf(right) || isPartOf(peerRight)) return "pre-elected";
    }
    if (verdict.kind === "redirect") return "redirect";
    if (verdict.kind === "resync")
      return verdict.source === host.config.host ? "resync-source" : "resync-target";
  }
  if (pageNext.copy === "behind" || pageNext.copy === "inconsistent") return "resync-target";
  if (right === "sole") return "simplex";
  return vm.kind === "running" ? "suspended" : "blocked";
}

function isPartOf(right: string): boolean {
  return right === "elected" || right === "ceded";
}
