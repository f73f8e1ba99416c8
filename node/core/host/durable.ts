/** What follows when a commit has become durable. */

import { invariant } from "../invariant.ts";
import { roundSettled, settle } from "../mirror/mirror.ts";
import { clearDirty, roundDone } from "../mirror/writer.ts";
import { beatNow } from "../pair/lease.ts";
import type { Page } from "../pair/page.ts";
import { sendStream } from "../pair/send.ts";
import { watch } from "../pair/services.ts";
import { sendArmed, startPair } from "../pair/steps.ts";
import { note, writeNextPage } from "./context.ts";
import type { AfterPage, HostState, OpenSession } from "./state.ts";

export function committed(host: HostState, token: number): void {
  const then = host.commits.get(token);
  invariant(then !== undefined, "a commit ends once");
  host.commits.delete(token);
  switch (then.kind) {
    case "round":
      roundSettled(host, roundDone(host, token));
      return;
    case "clear":
      return;
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

function pageDurable(host: HostState, page: Page, then: AfterPage, why: string): void {
  const before = host.page;
  host.page = page;
  host.pages.shift();
  writeNextPage(host);
  if (
    before.right !== page.right ||
    before.copy !== page.copy ||
    before.gen?.id !== page.gen?.id ||
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
    case "stepped-down":
      return;
    case "sole":
      host.mustRearm = false;
      host.isPeerBarred = false;
      settle(host);
      return;
    case "protect":
      startPair(host);
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
    case "say-paired": {
      const session = openSessionOf(host, then.session);
      if (session !== null)
        sendStream(
          host,
          session,
          { kind: "paired", gen: present(host) },
          host.page.parent?.id ?? null,
        );
      becomePar(host, session);
      return;
    }
    case "say-ceded": {
      host.mustRearm = false;
      const session = openSessionOf(host, then.session);
      if (session !== null) {
        session.peerRight = "elected";
        session.peerGenNow = present(host);
        sendStream(host, session, { kind: "ceded", gen: present(host) }, then.from);
      }
      return;
    }
    case "say-armed": {
      host.mustRearm = false;
      host.arbiterUnseenSince = null;
      const session = openSessionOf(host, then.session);
      if (session !== null) sendArmed(host, session);
      return;
    }
  }
}

function present(host: HostState): NonNullable<Page["gen"]> {
  invariant(host.page.gen !== null, "a step ends in a generation");
  return host.page.gen;
}

/** A pairing ended: from here the session mirrors, and beats give a lease. */
function becomePar(host: HostState, session: OpenSession | null): void {
  if (session === null || session.verdict.kind === "par") return;
  session.verdict = { kind: "par", row: "D11", isRearmDue: false };
  if (host.page.right === "ceded") {
    session.peerRight = "elected";
    session.peerGenNow = host.page.gen;
  }
  if (host.config.preferred === host.config.host) beatNow(host, session);
}
