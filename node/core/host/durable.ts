/** What follows when a commit has become durable, and when blocks were read or saved. */
import type { ReadBlock } from "../disk/ops.ts";
import { invariant } from "../invariant.ts";
import { forgetUnacked, settle } from "../mirror/complete.ts";
import { clearDirty } from "../mirror/dirty.ts";
import { roundSettled } from "../mirror/mirror.ts";
import { roundDone } from "../mirror/writer.ts";
import { closeSession } from "../pair/close.ts";
import { beatNow } from "../pair/lease.ts";
import type { Page } from "../pair/page.ts";
import { sendStream } from "../pair/send.ts";
import { watch } from "../pair/services.ts";
import { couldNotSave, giveUpCopy, sayMapped } from "../pair/split-brain.ts";
import { sendArmed } from "../pair/steps.ts";
import { merged, sendCopies } from "../resync/source.ts";
import { noteCopied, receive, sayReady } from "../resync/target.ts";
import { mark, note, writeNextPage } from "./context.ts";
import type { HostEvent } from "./contract.ts";
import type { AfterPage, HostState, OpenSession } from "./state.ts";

export function committed(host: HostState, token: number): void {
  const then = host.commits.get(token);
  if (!host.isDiskGood) {
    mark(host, "dead-disk-answers");
    return;
  }
  invariant(then !== undefined, "a commit ends once");
  host.commits.delete(token);
  host.diskSilentFor = 0;
  switch (then.kind) {
    case "round":
      roundSettled(host, roundDone(host, token));
      return;
    case "clear":
      return;
    case "marked":
      if (host.page.right === "sole") forgetUnacked(host, then.upTo);
      return;
    case "merged":
    case "mapped": {
      const session = openSessionOf(host, then.session);
      if (session === null) return;
      if (then.kind === "merged") merged(host, session);
      else sayMapped(host, session);
      return;
    }
    case "copied": {
      const session = openSessionOf(host, then.session);
      if (session !== null) noteCopied(session, then);
      return;
    }
    case "started":
      host.isStarted = true;
      pageDurable(host, host.pageNext, { kind: "nothing" }, "started");
      for (const service of host.services) if (service.conn !== null) watch(host, service);
      return;
    case "page":
      pageDurable(
        host,
        then.page,
        then.after,
        then.after.kind === "sole" ? then.after.why : then.after.kind,
      );
      return;
  }
}

export function blocksRead(host: HostState, event: HostEvent & { kind: "blocks-read" }): void {
  const then = host.reads.get(event.token);
  host.reads.delete(event.token);
  const session = then === undefined ? null : openSessionOf(host, then.session);
  if (then === undefined || session === null) return;
  if (then.kind === "copy")
    sendCopies(host, session, { volume: then.volume, blocks: event.blocks });
  else if (then.kind === "fetch") answerFetch(host, session, then.volume, event.blocks);
}

function answerFetch(
  host: HostState,
  session: OpenSession,
  volume: number,
  blocks: readonly (ReadBlock & { readonly isBad: boolean })[],
): void {
  for (const { lba, sum, data, isBad } of blocks) {
    const block = isBad ? null : { lba, sum, data };
    sendStream(host, session, { kind: "fetched", volume, lba, block });
  }
}

export function blocksSaved(
  host: HostState,
  event: HostEvent & { kind: "blocks-saved" | "save-failed" },
): void {
  const then = host.reads.get(event.token);
  host.reads.delete(event.token);
  const session = then === undefined ? null : openSessionOf(host, then.session);
  if (then?.kind !== "save" || session === null) return;
  if (event.kind === "save-failed") couldNotSave(host, event.code);
  else giveUpCopy(host, session, { file: event.file, blocks: then.count });
}

function pageDurable(host: HostState, page: Page, then: AfterPage, why: string): void {
  const before = host.page;
  host.page = page;
  host.pages.shift();
  writeNextPage(host);
  if (
    before.right !== page.right ||
    before.copy !== page.copy ||
    before.gen?.id !== page.gen?.id ||
    before.hold?.kind !== page.hold?.kind ||
    why === "started"
  ) {
    note(host, {
      what: "page",
      right: page.right,
      copy: page.copy,
      gen: page.gen?.id ?? null,
      n: page.gen?.n ?? 0,
      why,
    });
  }
  follow(host, then);
}

function openSessionOf(host: HostState, id: string | null): OpenSession | null {
  return host.session.kind === "open" && host.session.id === id ? host.session : null;
}

function follow(host: HostState, then: AfterPage): void {
  switch (then.kind) {
    case "nothing":
      return;
    case "kept":
      noteDone(host, "resolve", "this copy stays");
      return;
    case "quarantined":
    case "chosen":
    case "discarded":
      if (then.kind === "discarded") noteDone(host, "resolve", "this copy was given up");
      closeSession(host, `the page changed: ${then.kind}`);
      host.helloAt = host.now;
      return;
    case "stepped-down":
    case "inconsistent": {
      const session = openSessionOf(host, then.session);
      if (session === null) return;
      if (then.kind === "stepped-down") sayReady(host, session);
      else receive(host, session);
      return;
    }
    case "sole":
      if (then.why === "forced") noteDone(host, "force-boot", "this host is alone");
      host.mustRearm = false;
      host.peerBarred = null;
      host.isPeerGone = false;
      host.helloAt = host.now;
      forgetUnacked(host, Number.MAX_SAFE_INTEGER);
      return;
    case "boot":
      if (host.vm.kind === "booting") host.vm.isPageDurable = true;
      return;
    case "elected":
      host.mustRearm = false;
      clearDirty(host);
      becomePar(host, openSessionOf(host, then.session));
      settle(host);
      return;
    case "say-paired":
    case "say-ceded":
    case "say-armed":
      answer(host, then);
      return;
  }
}

/** A step of the pair is durable here: the peer may know. */
function answer(
  host: HostState,
  then: AfterPage & { kind: "say-paired" | "say-ceded" | "say-armed" },
): void {
  const session = openSessionOf(host, then.session);
  if (then.kind === "say-paired") {
    const parent = host.page.parent?.id ?? null;
    if (session !== null) sendStream(host, session, { kind: "paired", gen: present(host) }, parent);
    becomePar(host, session);
    return;
  }
  host.mustRearm = false;
  if (then.kind === "say-armed") {
    host.arbiterUnseenSince = null;
    if (session !== null) sendArmed(host, session);
    return;
  }
  if (session === null) return;
  session.peerRight = "elected";
  session.peerGenNow = present(host);
  sendStream(host, session, { kind: "ceded", gen: present(host) }, then.from);
}

function noteDone(host: HostState, op: "resolve" | "force-boot", why: string): void {
  note(host, { what: "operator", op, state: "done", why });
}

function present(host: HostState): NonNullable<Page["gen"]> {
  invariant(host.page.gen !== null, "a step ends in a generation");
  return host.page.gen;
}

/** A pairing ended: from here the session is at par, and beats give a lease. */
function becomePar(host: HostState, session: OpenSession | null): void {
  if (session === null || session.verdict.kind === "par") return;
  session.verdict = {
    kind: "par",
    row: "D11",
    isRearmDue: false,
    equalise: null,
    isProvisional: false,
    silent: [],
  };
  session.resync = null;
  if (host.page.right === "ceded") {
    session.peerRight = "elected";
    session.peerGenNow = host.page.gen;
  }
  if (host.vm.kind !== "none" || session.turn === host.config.host) beatNow(host, session);
}
