/** Becoming a pair: the first protection, and T4, which ends every resync. */
import { drawId, isRightMoving, mark, note, persistPage } from "../host/context.ts";
import type { HostState, OpenSession } from "../host/state.ts";
import { type HostId, type RandomId, sameBoot, sameGeneration } from "../identity.ts";
import { forgetBoot, isWriterIdle } from "../mirror/writer.ts";
import { isCopied } from "../resync/source.ts";
import { nextGeneration } from "./claims.ts";
import type { PeerBody } from "./frames.ts";
import { HISTORY_MAX, succeed } from "./page.ts";
import { sendStream } from "./send.ts";

/** D3: the host that was told to protect makes generation 1. */
export function protect(host: HostState, source: HostId): void {
  if (source !== host.config.host) return;
  const gen = nextGeneration(host, "alone", drawId(host));
  persistPage(
    host,
    { ...succeed(host.pageNext, gen), right: "sole", copy: "ahead" },
    { kind: "nothing" },
  );
}

/** T4 at the source, once it is durably sole and the target lacks nothing. */
export function pairIfDue(host: HostState): void {
  const { session } = host;
  if (session.kind !== "open" || session.step !== null || isRightMoving(host)) return;
  if (host.page.right !== "sole" || !isPairDue(host, session)) return;
  const { gen: parent, history, vmBoot } = host.page;
  if (parent === null) return;
  const gen = nextGeneration(host, "joint", drawId(host));
  session.step = {
    kind: "pair",
    gen,
    deadline: host.now + host.config.timing.stepTimeout,
    asked: null,
  };
  const past = [parent, ...history].slice(0, HISTORY_MAX);
  sendStream(host, session, { kind: "pair", gen, parent, history: past, vmBoot });
}

/** A first protection copies nothing: both disks are blank, and no VM has run. */
function isPairDue(host: HostState, session: OpenSession): boolean {
  const { verdict } = session;
  if (verdict.kind === "protect")
    return verdict.source === host.config.host && host.vm.kind === "none";
  return verdict.kind === "resync" && isCopied(host, session);
}

export function takePair(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "pair" },
  from: RandomId | null,
): void {
  if (session.resync?.side === "target" && session.resync.phase === "merging") {
    session.heldPair = { body, from };
    return;
  }
  if (!isTarget(host, session) || from !== body.parent.id || isRightMoving(host)) {
    mark(host, "pair-ignored");
    return;
  }
  if (!sameBoot(host.pageNext.vmBoot, body.vmBoot)) {
    if (!isWriterIdle(host)) {
      mark(host, "pair-ignored");
      return;
    }
    forgetBoot(host);
  }
  const { gen, parent, history, vmBoot } = body;
  persistPage(
    host,
    {
      ...host.pageNext,
      ...{ gen, parent, history, vmBoot },
      right: "ceded",
      copy: "in-sync",
      base: null,
      resyncFrom: null,
      hold: null,
    },
    { kind: "say-paired", session: session.id },
  );
}

/** Where nothing is to be copied, `pair` follows `merged` at once, and comes before the page that says so is durable. */
export function takeHeldPair(host: HostState): void {
  const { session } = host;
  if (session.kind !== "open" || session.heldPair === null) return;
  if (session.resync?.side !== "target" || session.resync.phase !== "receiving") return;
  const { body, from } = session.heldPair;
  session.heldPair = null;
  mark(host, "nothing-to-copy");
  takePair(host, session, body, from);
}

function isTarget(host: HostState, { verdict, resync }: OpenSession): boolean {
  if (verdict.kind === "protect") return verdict.source !== host.config.host;
  return verdict.kind === "resync" && resync?.side === "target" && resync.phase === "receiving";
}

export function takePaired(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "paired" },
  from: RandomId | null,
): void {
  const { step } = session;
  if (step?.kind !== "pair" || !sameGeneration(step.gen, body.gen) || from !== host.page.gen?.id) {
    mark(host, "paired-ignored");
    return;
  }
  session.step = null;
  session.peerRight = "ceded";
  session.peerGenNow = body.gen;
  if (session.resync?.side === "source") {
    const { isFull } = session.resync;
    note(host, { what: "resync", state: "done", isFull, percent: 100 });
  }
  persistPage(
    host,
    {
      ...succeed(host.pageNext, body.gen),
      right: "elected",
      copy: "in-sync",
      base: null,
      resyncFrom: null,
      hold: null,
    },
    { kind: "elected", session: session.id },
  );
}
