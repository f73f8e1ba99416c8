/** What an operator asks of one host. Each command is answered by a note; none waits. */
import { markIntentsDirty } from "../mirror/dirty.ts";
import { cancelClaim, nextGeneration } from "../pair/claims.ts";
import { closeSession } from "../pair/close.ts";
import { NOT_ARMABLE } from "../pair/handover.ts";
import { succeed } from "../pair/page.ts";
import { sendStream } from "../pair/send.ts";
import { ask } from "../pair/services.ts";
import { discardOwn } from "../pair/split-brain.ts";
import { isArmable } from "../pair/steps.ts";
import { drawId, isRightMoving, note, parSession, persistPage } from "./context.ts";
import type { OperatorCommand } from "./contract.ts";
import type { HostState } from "./state.ts";
import { stopVm } from "./vm.ts";

export function takeCommand(host: HostState, command: OperatorCommand): void {
  const why = refusalOf(host, command) ?? obey(host, command);
  const state = why === null ? "accepted" : "refused";
  note(host, { what: "operator", op: command.op, state, why: why ?? "" });
}

/** @returns why nothing can be done now; null: nothing speaks against it */
function refusalOf(host: HostState, command: OperatorCommand): string | null {
  if (!host.isStarted) return "the host is starting";
  if (!host.isDiskGood) return "the disk is dead";
  if (isRightMoving(host)) return "a change of the right is on its way to the disk: ask again";
  switch (command.op) {
    case "resolve":
      return command.keep === host.config.host || command.keep === host.config.peer
        ? null
        : `there is no host ${command.keep} in this pair`;
    case "force-boot":
      return refusalOfForce(host, command.damaged);
    case "switch-over":
      return (
        refusalOfMove(host) ?? (host.vm.kind === "running" ? null : "the VM does not run here")
      );
    case "drain":
      return refusalOfMove(host) ?? refusalOfDrain(host);
  }
}

function refusalOfMove(host: HostState): string | null {
  const session = parSession(host);
  if (session === null) return "there is no peer at par that could take over";
  if (session.verdict.kind === "par" && session.verdict.equalise !== null)
    return "the copies differ";
  if (host.handover !== null || host.isDraining) return "the VM is being moved already";
  return null;
}

function refusalOfDrain(host: HostState): string | null {
  const session = parSession(host);
  const isStuck = session !== null && host.page.right === "elected" && !isArmable(host, session);
  return isStuck ? NOT_ARMABLE : null;
}

function refusalOfForce(host: HostState, damaged: boolean): string | null {
  const { session } = host;
  if (session.kind === "open") return "the peer is there: it decides together with this host";
  if (host.vm.kind !== "none") return "the VM is in memory here";
  const { right, copy, gen } = host.page;
  if (right === "sole") return "this host is alone and boots without force";
  if (gen === null || copy === "blank") return "there is nothing on this disk";
  if (copy === "inconsistent" && !damaged)
    return "the copy is inconsistent: only a boot of a damaged copy is possible, which has to be asked for by that name";
  return null;
}

/** @returns why it was not done; null when it is under way */
function obey(host: HostState, command: OperatorCommand): string | null {
  switch (command.op) {
    case "resolve":
      return resolve(host, command.keep, command.damaged);
    case "force-boot":
      force(host, command);
      return null;
    case "switch-over":
      host.handover = { op: "switch-over" };
      return null;
    case "drain":
      if (host.vm.kind === "none") host.isDraining = true;
      else host.handover = { op: "drain" };
      return null;
  }
}

function resolve(host: HostState, keep: string, damaged: boolean): string | null {
  const { page, session, config } = host;
  if (page.right === "none" && page.copy === "behind" && keep === config.peer) {
    // D9: the operator lets the copy of an old image become a target.
    persistPage(host, { ...host.pageNext, copy: "inconsistent" }, { kind: "chosen" });
    return null;
  }
  if (page.right !== "sole") {
    return damaged && keep === config.host
      ? "this copy can only be booted by force"
      : "this host is not alone: there is nothing to resolve";
  }
  host.mustTellDiscard = false;
  if (keep === config.peer) {
    stopVm(host, "an operator chose the peer's copy");
    discardOwn(host);
    return null;
  }
  if (page.hold?.kind === "split-brain" || page.hold?.kind === "discard")
    persistPage(host, { ...host.pageNext, hold: null }, { kind: "kept" });
  host.mustTellDiscard = true;
  if (session.kind === "open" && session.verdict.kind === "split-brain")
    sendStream(host, session, { kind: "discard" });
  else closeSession(host, "an operator chose this copy");
  return null;
}

/** 5.3. Every service in reach is told, so that the peer is refused. */
function force(host: HostState, command: OperatorCommand & { op: "force-boot" }): void {
  // What is under way was said by a host that was not alone: a grant would be one too many, and a session would open on views that are true no more (P8).
  cancelClaim(host, "an operator forces this copy");
  closeSession(host, "an operator forces this copy");
  host.barred = null;
  const { pageNext } = host;
  const isDamaged = pageNext.copy === "inconsistent";
  const gen = nextGeneration(host, isDamaged ? "damaged" : "forced", drawId(host));
  const joint = pageNext.gen?.kind === "joint" ? pageNext.gen : null;
  const parent = pageNext.parent?.kind === "joint" ? pageNext.parent : null;
  const ops = markIntentsDirty(host);
  note(host, {
    what: "alert",
    code: isDamaged ? "forced-damaged" : "forced",
    detail: `an operator boots a copy that was ${pageNext.right}, ${pageNext.copy}`,
  });
  persistPage(
    host,
    {
      ...succeed(pageNext, gen),
      right: "sole",
      copy: "ahead",
      base: joint === null ? null : { gen: joint, parent },
      resyncFrom: null,
      hold: { kind: "force", wallMs: command.wallMs },
    },
    { kind: "sole", why: "forced" },
    ops,
  );
  for (const service of host.services) ask(host, service, { kind: "override", gen });
}
