/** A quorum service with a store that is the last list of records made durable; what it does is read as lines. */
import type { Generation, HostId } from "../../node/core/identity.ts";
import type { QuorumFrame, QuorumRecord, QuorumRequest } from "../../node/core/quorum/messages.ts";
import {
  createQuorumService,
  type QuorumEffect,
  type QuorumEvent,
} from "../../node/core/quorum/service.ts";

export const CLUSTER = "c-1";
export const gen = (id: string, by: HostId = "a"): Generation => ({ n: 1, id, kind: "joint", by });
export const EMPTY: QuorumRecord = {
  cluster: CLUSTER,
  vm: "vm1",
  gen: null,
  holder: null,
  from: null,
  counter: 0,
  instance: "i1",
};
export const REGISTERED: QuorumRecord = { ...EMPTY, gen: gen("g1"), counter: 1 };
export const GRANTED: QuorumRecord = {
  ...EMPTY,
  gen: gen("g2"),
  holder: "a",
  from: gen("g1"),
  counter: 2,
};

interface Bench {
  /** Host a has connections 1 and 3, host b has 2. */
  ask(conn: number, body: QuorumRequest, request?: number): readonly string[];
  step(event: QuorumEvent): readonly string[];
  /** Ends the persist under way. */
  persisted(): readonly string[];
  readonly store: () => readonly QuorumRecord[];
  readonly pending: () => readonly QuorumRecord[] | null;
}

interface BenchOptions {
  /** Of the frames that hosts send. */
  readonly cluster?: string;
  readonly confirmAfterRestart?: boolean;
}

export function bench(records: readonly QuorumRecord[], options: BenchOptions = {}): Bench {
  const { cluster = CLUSTER, confirmAfterRestart = false } = options;
  let store = records;
  let pending: Extract<QuorumEffect, { kind: "persist" }> | null = null;
  const service = createQuorumService({
    cluster: CLUSTER,
    service: "q",
    instance: "i1",
    records,
    confirmAfterRestart,
  });
  const step = (event: QuorumEvent): readonly string[] =>
    service.step(event).map((effect) => {
      if (effect.kind === "persist") pending = effect;
      return told(effect);
    });
  const hosts: Readonly<Record<number, HostId>> = { 1: "a", 2: "b", 3: "a" };
  for (const conn of [1, 2]) step({ kind: "connected", conn, host: hosts[conn] ?? "", vm: "vm1" });
  return {
    step,
    ask: (conn, body, request = 1) => {
      const host = hosts[conn] ?? "";
      const frame: QuorumFrame<QuorumRequest> = { cluster, vm: "vm1", host, request, body };
      return step({ kind: "frame", conn, frame });
    },
    persisted: () => {
      const ended = pending;
      if (ended === null) throw new Error("nothing is on its way to the store");
      pending = null;
      store = ended.records;
      return step({ kind: "persisted", token: ended.token });
    },
    store: () => store,
    pending: () => pending?.records ?? null,
  };
}

function told(effect: QuorumEffect): string {
  switch (effect.kind) {
    case "send": {
      const { body, host, request } = effect.frame;
      const record = body.kind === "beat-ok" ? "" : ` ${briefly(body.record)}`;
      const why = body.kind === "behind" ? ` ${body.why}` : "";
      return `${effect.conn} ${host}#${request} ${body.kind}${record}${why}`;
    }
    case "persist":
      return `persist ${effect.records.map(briefly).join(" ")}`;
    case "note":
      return `note ${effect.what}`;
    default:
      return "";
  }
}

const briefly = ({ gen, holder, counter }: QuorumRecord): string =>
  `${gen?.id ?? "-"}/${holder ?? "-"}/${counter}`;

export const claim = (from: string, to: string, seen: QuorumSeen = null): QuorumRequest => ({
  kind: "claim",
  from: gen(from),
  gen: gen(to),
  seen,
});
export type QuorumSeen = { readonly instance: string; readonly counter: number } | null;
export const register = (id: string, counter: number): QuorumRequest => ({
  kind: "register",
  gen: gen(id),
  counter,
});
export const watch = (seen: QuorumSeen = null): QuorumRequest => ({
  kind: "watch",
  gen: null,
  right: "open",
  seen,
});
export const override = (id: string): QuorumRequest => ({ kind: "override", gen: gen(id) });
export const seen = (counter: number, instance = "i1"): QuorumSeen => ({ counter, instance });
