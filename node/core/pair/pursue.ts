/**
 * What is due now. Asked after every event and decided from the state alone, so that a lost message costs time and never leaves a pair stuck.
 */

import { bootIfDue, startMachineIfDue } from "../host/boot.ts";
import { mark, note, parSession, rightOf } from "../host/context.ts";
import type { DerivedState } from "../host/contract.ts";
import { announceIfDue } from "../host/lan.ts";
import type { HostState } from "../host/state.ts";
import { pump, release } from "../host/vm.ts";
import { goAloneIfDue } from "./claims.ts";
import { closeSession } from "./close.ts";
import { beatIfDue } from "./lease.ts";
import { isPeerSilent } from "./paths.ts";
import { answerHelloIfDue, giveUpHelloIfDue, openIfDue } from "./session.ts";
import { armIfDue, disarmIfDue, endStepIfLate, takeHeldCede } from "./steps.ts";

export function pursue(host: HostState): void {
  suspectIfDue(host);
  if (host.isStarted) {
    endStepIfLate(host);
    takeHeldCede(host);
    answerHelloIfDue(host);
    giveUpHelloIfDue(host);
    goAloneIfDue(host);
    openIfDue(host);
    armIfDue(host);
    disarmIfDue(host);
    bootIfDue(host);
    startMachineIfDue(host);
    beatIfDue(host);
    release(host);
    pump(host);
    if (host.vm.kind === "running") announceIfDue(host, host.vm);
  }
  noteDerived(host);
}

function suspectIfDue(host: HostState): void {
  const isSuspected = host.isPeerBarred || isPeerSilent(host);
  if (isSuspected && !host.isSuspected) {
    mark(host, "peer-suspected");
    note(host, {
      what: "suspect",
      why: host.isPeerBarred ? "stored something else" : "every path is silent",
    });
  }
  host.isSuspected = isSuspected;
  if (host.isPeerBarred) host.pendingHello = null;
  if (isSuspected) closeSession(host, "the peer is suspected");
}

function noteDerived(host: HostState): void {
  const derived = derive(host);
  if (derived === host.derived) return;
  host.derived = derived;
  note(host, { what: "state", derived });
}

function derive(host: HostState): DerivedState {
  const right = rightOf(host);
  if (!host.isStarted) return "starting";
  if (parSession(host) !== null) {
    const { peerRight } = host.session.kind === "open" ? host.session : { peerRight: "none" };
    if (right === "open" && peerRight === "open") return "duplex";
    if (
      right === "elected" ||
      right === "ceded" ||
      peerRight === "elected" ||
      peerRight === "ceded"
    )
      return "pre-elected";
  }
  if (host.pageNext.copy === "behind" || host.pageNext.copy === "inconsistent")
    return "resync-target";
  if (right === "sole") return "simplex";
  if (host.vm.kind === "running") return "suspended";
  return "blocked";
}
