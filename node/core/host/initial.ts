import { openBook } from "../mirror/book.ts";
import { blankPage } from "../pair/page.ts";
import type { HostConfig } from "./contract.ts";
import type { HostState, MirrorState } from "./state.ts";

/** A host core before its `start` event: it has read nothing and says nothing. */
export function initialState(config: HostConfig): HostState {
  const page = blankPage({ cluster: config.cluster, vm: config.vm, volumes: config.volumes });
  return {
    config,
    now: 0,
    isMoreDue: false,
    isStarted: false,
    lastTick: null,
    starved: { from: 0, uncounted: 0, isSaid: false },
    page,
    pageNext: page,
    pages: [],
    isDiskGood: true,
    barred: null,
    ids: [],
    nextToken: 1,
    commits: new Map(),
    reads: new Map(),
    diskSilentFor: 0,
    paths: config.paths.map((path) => ({
      config: path,
      conn: null,
      silentFor: 0,
      isRefused: false,
    })),
    services: config.services.map((id) => ({
      id,
      conn: null,
      record: null,
      heardAt: null,
      nextRequest: 1,
      beatAt: 0,
      isDoubted: false,
    })),
    switches: new Map(),
    session: { kind: "none" },
    pendingHello: null,
    helloAt: 0,
    hellosInVain: 0,
    isSuspected: false,
    beatSeq: 0,
    beatAt: 0,
    beatsSent: new Map(),
    leaseUntil: null,
    promiseUntil: 0,
    claim: null,
    claimAt: 0,
    mustRearm: false,
    peerBarred: null,
    isPeerGone: false,
    rejoin: { wait: config.timing.rejoin, lostAt: 0, startId: null },
    handover: null,
    isDraining: false,
    mustTellDiscard: false,
    preferredSeenSince: null,
    arbiterUnseenSince: null,
    tidyAt: 0,
    vm: { kind: "none" },
    mirror: emptyMirror(config),
    derived: "starting",
    out: [],
  };
}

function emptyMirror(config: HostConfig): MirrorState {
  return {
    writer: {
      queue: [],
      round: null,
      moreDueFrom: null,
      durable: 0,
      pending: new Map(),
      mirrored: new Set(),
      isHeld: false,
    },
    intents: new Map(),
    dirty: new Map(),
    clearing: new Map(),
    sumsHere: openBook(config.volumes, new Map()),
    suspect: new Map(),
    unacked: [],
    peerDurable: 0,
    sums: new Map(),
    flushEnds: [],
    lastWrite: 0,
    wroteAt: 0,
    flushes: 0,
    completed: 0,
    completedFlush: 0,
    cleanTo: 0,
    cleanSaid: 0,
  };
}
