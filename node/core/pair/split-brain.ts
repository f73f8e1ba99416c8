/** Sole beside sole (7): nothing is merged, ever. An operator picks; what the other side alone holds is saved before it is given up (P25). */
import { commit, emit, expectRead, mark, note, persistPage } from "../host/context.ts";
import type { HostState, OpenSession } from "../host/state.ts";
import { sameGeneration } from "../identity.ts";
import { addDirty, addDirtyAll, addDirtyExtents, blocksOf } from "../mirror/dirty.ts";
import { intentList } from "../mirror/intents.ts";
import { blocksOfRuns, runsOf } from "../mirror/keys.ts";
import { isWriterIdle } from "../mirror/writer.ts";
import { closeSession } from "./close.ts";
import type { BlockRuns, PeerBody } from "./frames.ts";
import type { Lineage } from "./page.ts";
import { sendStream } from "./send.ts";

export function meetSplitBrain(host: HostState, session: OpenSession): void {
  note(host, {
    what: "alert",
    code: "split-brain",
    detail: "both hosts went on alone: nothing is copied until an operator says whose copy stays",
  });
  if (host.mustTellDiscard) sendStream(host, session, { kind: "discard" });
  else holdBack(host);
}

function holdBack(host: HostState): void {
  if (host.pageNext.hold?.kind === "split-brain") return;
  const hold = { kind: "split-brain", wallMs: null } as const;
  persistPage(host, { ...host.pageNext, hold }, { kind: "nothing" });
}

/** The word was for the split brain there was: a later one is another matter. */
export function forgetWord(host: HostState, { verdict }: OpenSession): void {
  if (!host.mustTellDiscard || verdict.kind === "split-brain") return;
  host.mustTellDiscard = false;
  if (verdict.kind === "discard") return;
  mark(host, "nothing-to-resolve");
  const why = "the peer is not alone";
  note(host, { what: "operator", op: "resolve", state: "refused", why });
}

/** The operator chose the peer's copy. The word is durable before anything follows from it. */
export function discardOwn(host: HostState): void {
  const hold = { kind: "discard", wallMs: null } as const;
  persistPage(host, { ...host.pageNext, hold }, { kind: "chosen" });
}

export function takeDiscard(host: HostState, session: OpenSession): void {
  if (session.verdict.kind !== "split-brain") {
    mark(host, "discard-ignored");
    return;
  }
  if (host.mustTellDiscard) {
    // Both words stand until one of them is taken back.
    mark(host, "words-contradict");
    note(host, {
      what: "alert",
      code: "split-brain",
      detail:
        "both copies were told to stay: nothing is copied until an operator says which one does",
    });
    holdBack(host);
    return;
  }
  discardOwn(host);
}

/** The loser says what it alone may hold, once nothing is on its way to its disk. */
export function sayMapsIfDue(host: HostState): void {
  const { session } = host;
  if (session.kind !== "open" || session.verdict.kind !== "discard" || session.mapsSaid) return;
  if (session.verdict.loser !== host.config.host || !isWriterIdle(host)) return;
  if (host.vm.kind !== "none" || host.pages.length > 0) return;
  session.mapsSaid = true;
  sendStream(host, session, {
    kind: "maps",
    base: host.page.base,
    dirty: [...host.mirror.dirty].map(([volume, blocks]) => runsOf(volume, blocks)),
    intents: intentList(host),
  });
}

/** The keeper's map comes first: a crash after the loser's page would else leave it a valid target whose own blocks nobody marks. */
export function takeMaps(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "maps" },
): void {
  const { verdict } = session;
  if (verdict.kind !== "discard" || verdict.keeper !== host.config.host) {
    mark(host, "maps-ignored");
    return;
  }
  const ops = doLineagesMeet(host.page.base, body.base)
    ? [
        ...body.dirty.flatMap((runs) =>
          addDirty(host, runs.volume, blocksOfRuns(runs, blocksOf(host, runs.volume))),
        ),
        ...[...body.intents, ...intentList(host)].flatMap(({ volume, extents }) =>
          addDirtyExtents(host, volume, extents),
        ),
      ]
    : addDirtyAll(host);
  commit(host, ops, { kind: "mapped", session: session.id });
  if (host.page.hold !== null)
    persistPage(host, { ...host.pageNext, hold: null }, { kind: "nothing" });
}

function doLineagesMeet(one: Lineage | null, two: Lineage | null): boolean {
  if (one === null || two === null) return false;
  return [one.gen, one.parent].some((left) =>
    [two.gen, two.parent].some((right) => sameGeneration(left, right)),
  );
}

export function sayMapped(host: HostState, session: OpenSession): void {
  const blocks = [...host.mirror.dirty].map(([volume, dirty]) => runsOf(volume, dirty));
  sendStream(host, session, { kind: "mapped", blocks });
}

export function takeMapped(
  host: HostState,
  session: OpenSession,
  body: PeerBody & { kind: "mapped" },
): void {
  const { verdict } = session;
  if (verdict.kind !== "discard" || verdict.loser !== host.config.host) {
    mark(host, "mapped-ignored");
    return;
  }
  const count = countBlocks(body.blocks);
  const token = expectRead(host, { kind: "save", session: session.id, count });
  emit(host, { kind: "save-blocks", token, page: host.page, blocks: body.blocks });
}

function countBlocks(lists: readonly BlockRuns[]): number {
  let count = 0;
  for (const { runs } of lists) for (let at = 1; at < runs.length; at += 2) count += runs[at] ?? 0;
  return count;
}

/** The blocks are safe outside the disk: this copy becomes one that is behind. */
export function giveUpCopy(
  host: HostState,
  session: OpenSession,
  saved: { readonly file: string; readonly blocks: number },
): void {
  note(host, { what: "saved", ...saved });
  persistPage(
    host,
    {
      ...host.pageNext,
      right: "ceded",
      copy: "behind",
      base: null,
      hold: null,
      resyncFrom: session.peerGenNow,
    },
    { kind: "discarded" },
  );
}

export function couldNotSave(host: HostState, code: string): void {
  note(host, {
    what: "alert",
    code: "save-failed",
    detail: `the discarded blocks could not be saved (${code}): nothing was given up`,
  });
  closeSession(host, "the discarded blocks could not be saved");
}
