/**
 * Goal: of one generation the service grants at most one host, whatever is asked, repeated, lost or forgotten, and it says nothing that a
 * crash could take back.
 * Method: the pure service, driven step by step; a store is the last list of records that was made durable.
 */
import t from "tap";
import type { Generation, HostId } from "../../node/core/identity.ts";
import type { QuorumFrame, QuorumRecord, QuorumRequest } from "../../node/core/quorum/messages.ts";
import {
  createQuorumService,
  type QuorumEffect,
  type QuorumEvent,
} from "../../node/core/quorum/service.ts";

const CLUSTER = "c-1";
const gen = (id: string, by: HostId = "a"): Generation => ({ n: 1, id, kind: "joint", by });
const EMPTY: QuorumRecord = {
  cluster: CLUSTER,
  vm: "vm1",
  gen: null,
  holder: null,
  from: null,
  counter: 0,
  instance: "i1",
};
const REGISTERED: QuorumRecord = { ...EMPTY, gen: gen("g1"), counter: 1 };
const GRANTED: QuorumRecord = {
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

function bench(records: readonly QuorumRecord[], cluster = CLUSTER): Bench {
  let store = records;
  let pending: Extract<QuorumEffect, { kind: "persist" }> | null = null;
  const service = createQuorumService({ cluster: CLUSTER, service: "q", instance: "i1", records });
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
      return `${effect.conn} ${host}#${request} ${body.kind}${record}`;
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

const claim = (from: string, to: string, seen: QuorumSeen = null): QuorumRequest => ({
  kind: "claim",
  from: gen(from),
  gen: gen(to),
  seen,
});
type QuorumSeen = { readonly instance: string; readonly counter: number } | null;
const register = (id: string, counter: number): QuorumRequest => ({
  kind: "register",
  gen: gen(id),
  counter,
});
const watch = (seen: QuorumSeen = null): QuorumRequest => ({
  kind: "watch",
  gen: null,
  right: "open",
  seen,
});
const seen = (counter: number, instance = "i1"): QuorumSeen => ({ counter, instance });

/** Requests that change nothing: one record, one request by host a, the whole answer. */
const UNCHANGED: readonly {
  readonly title: string;
  readonly record: QuorumRecord;
  readonly body: QuorumRequest;
  readonly effects: readonly string[];
}[] = [
  {
    title: "a beat is answered",
    record: EMPTY,
    body: { kind: "beat" },
    effects: ["1 a#1 beat-ok"],
  },
  {
    title: "a watch is answered with the record",
    record: GRANTED,
    body: watch(seen(2)),
    effects: ["1 a#1 record g2/a/2"],
  },
  {
    title: "a watch that saw another instance is answered with the record",
    record: REGISTERED,
    body: watch(seen(9, "i0")),
    effects: ["1 a#1 record g1/-/1"],
  },
  {
    title: "a claim before any registration is refused",
    record: EMPTY,
    body: claim("g1", "g2"),
    effects: ["1 a#1 refused -/-/0", "note refused"],
  },
  {
    title: "a claim from another generation is refused",
    record: REGISTERED,
    body: claim("g0", "g2", seen(1)),
    effects: ["1 a#1 refused g1/-/1", "note refused"],
  },
  {
    title: "a claim from the generation that was granted is refused",
    record: GRANTED,
    body: claim("g2", "g3", seen(2)),
    effects: ["1 a#1 refused g2/a/2", "note refused"],
  },
  {
    title: "a claim of a generation that the other host holds is refused",
    record: { ...GRANTED, holder: "b" },
    body: claim("g1", "g3", seen(1)),
    effects: ["1 a#1 refused g2/b/2", "note refused"],
  },
  {
    title: "a repeated claim is answered with the stored grant, not with what it now asks for",
    record: GRANTED,
    body: claim("g1", "g9", seen(1)),
    effects: ["1 a#1 grant g2/a/2"],
  },
  {
    title: "a claim that saw another instance is turned away",
    record: REGISTERED,
    body: claim("g1", "g2", seen(0, "i0")),
    effects: ["1 a#1 behind g1/-/1", "note behind"],
  },
  {
    title: "a claim that saw a higher counter is turned away",
    record: REGISTERED,
    body: claim("g1", "g2", seen(2)),
    effects: ["note behind", "1 a#1 behind g1/-/1"],
  },
  {
    title: "a registration with an old counter is stale",
    record: GRANTED,
    body: register("g3", 1),
    effects: ["1 a#1 stale g2/a/2", "note stale"],
  },
  {
    title: "a repeated registration is answered as the first one was",
    record: REGISTERED,
    body: register("g1", 0),
    effects: ["1 a#1 registered g1/-/1"],
  },
  {
    title: "a registration whose generation was granted away since is stale",
    record: { ...REGISTERED, holder: "b", from: gen("g0") },
    body: register("g1", 0),
    effects: ["1 a#1 stale g1/b/1", "note stale"],
  },
];

for (const { title, record, body, effects } of UNCHANGED) {
  await t.test(title, (t) => {
    t.same(bench([record]).ask(1, body), effects);
    t.end();
  });
}

await t.test(
  "the first registration is durable, then answered, then told to the other host",
  (t) => {
    const it = bench([]);
    t.same(it.ask(1, register("g1", 0)), ["persist g1/-/1"]);
    t.same(it.persisted(), ["1 a#1 registered g1/-/1", "2 b#0 record g1/-/1", "note registered"]);
    t.same(it.store(), [REGISTERED]);
    t.end();
  },
);

await t.test("a registration ends the grant before it", (t) => {
  const it = bench([GRANTED]);
  it.ask(1, register("g3", 2));
  it.persisted();
  t.same(it.store(), [{ ...EMPTY, gen: gen("g3"), counter: 3 }]);
  t.end();
});

await t.test("of two claims of one generation the first is granted and the second refused", (t) => {
  const it = bench([REGISTERED]);
  t.same(it.ask(1, claim("g1", "g2", seen(1))), ["persist g2/a/2"]);
  t.same(it.ask(2, claim("g1", "g2b", seen(1))), [], "the second waits for the first");
  t.same(it.persisted(), [
    "1 a#1 grant g2/a/2",
    "2 b#0 record g2/a/2",
    "note granted",
    "2 b#1 refused g2/a/2",
    "note refused",
  ]);
  t.same(it.store(), [GRANTED]);
  t.end();
});

await t.test("a claim repeated while its grant is written is answered once", (t) => {
  const it = bench([REGISTERED]);
  it.ask(1, claim("g1", "g2"));
  t.same(it.ask(1, claim("g1", "g2")), []);
  t.same(
    it.persisted().filter((line) => line.startsWith("1 ")),
    ["1 a#1 grant g2/a/2"],
  );
  t.end();
});

await t.test("nothing at all is answered while a change is on its way, and then in order", (t) => {
  const it = bench([REGISTERED]);
  it.ask(1, claim("g1", "g2"));
  t.same(it.ask(2, watch(), 1), []);
  t.same(it.ask(2, { kind: "beat" }, 2), []);
  t.same(it.ask(1, register("g3", 2), 2), []);
  t.same(it.ask(2, watch(), 3), []);
  t.same(it.persisted().slice(3), ["2 b#1 record g2/a/2", "2 b#2 beat-ok", "persist g3/-/3"]);
  t.same(it.persisted().slice(3), ["2 b#3 record g3/-/3"]);
  t.end();
});

await t.test("a crash before the grant is durable takes back nothing that was said", (t) => {
  const first = bench([REGISTERED]);
  t.same(first.ask(1, claim("g1", "g2")), ["persist g2/a/2"], "nobody was answered or told");
  t.same(first.ask(2, watch()), []);
  const second = bench(first.store());
  second.ask(2, claim("g1", "g2b", seen(1)));
  t.match(second.persisted(), ["2 b#1 grant g2b/b/2"], "the other host may have it");
  const third = bench(second.store());
  t.same(third.ask(1, claim("g1", "g2", seen(1))), ["1 a#1 refused g2b/b/2", "note refused"]);
  t.end();
});

await t.test("a crash after the grant is durable and before its answer repeats that grant", (t) => {
  const first = bench([REGISTERED]);
  first.ask(1, claim("g1", "g2"));
  const second = bench(first.pending() ?? []);
  t.same(second.ask(2, claim("g1", "g2b")), ["2 b#1 refused g2/a/2", "note refused"]);
  t.same(second.ask(1, claim("g1", "g9")), ["1 a#1 grant g2/a/2"]);
  t.end();
});

await t.test("a claim that waits dies with its connection", (t) => {
  const it = bench([REGISTERED]);
  it.ask(2, register("g1", 1));
  it.ask(1, claim("g1", "g2"));
  it.step({ kind: "closed", conn: 1 });
  t.same(it.persisted(), ["2 b#1 registered g1/-/2", "note registered"]);
  t.equal(it.pending(), null);
  t.end();
});

await t.test("a grant to a connection that died is told to the next one of that host", (t) => {
  const it = bench([REGISTERED]);
  it.ask(1, claim("g1", "g2"));
  it.step({ kind: "closed", conn: 1 });
  it.step({ kind: "connected", conn: 3, host: "a", vm: "vm1" });
  t.same(it.persisted(), ["2 b#0 record g2/a/2", "3 a#0 record g2/a/2", "note granted"]);
  t.end();
});

await t.test("a host that connected without a name of a VM is told after its first frame", (t) => {
  const it = bench([REGISTERED]);
  it.step({ kind: "connected", conn: 3, host: "a" });
  it.ask(2, claim("g1", "g2"));
  t.notMatch(it.persisted().join(), "3 a#0");
  it.ask(3, watch());
  it.ask(2, register("g3", 2), 2);
  t.match(it.persisted().join(), "3 a#0 record g3/-/3");
  t.end();
});

await t.test("a service that forgot grants to nobody until the pair registers anew", (t) => {
  const it = bench([REGISTERED]);
  t.same(it.ask(1, watch(seen(5)), 1), ["note behind", "1 a#1 record g1/-/1"]);
  t.same(it.ask(2, claim("g1", "g2b", seen(1)), 1), ["2 b#1 behind g1/-/1", "note behind"]);
  t.same(it.ask(1, register("g1", 0), 2), ["1 a#2 stale g1/-/1", "note stale"]);
  t.same(it.ask(1, register("g3", 1), 3), ["persist g3/-/6"], "above what the host remembers");
  it.persisted();
  t.same(it.ask(1, watch(seen(5)), 4), ["1 a#4 record g3/-/6"]);
  t.same(it.ask(2, claim("g3", "g4", seen(6)), 2), ["persist g4/b/7"]);
  t.end();
});

await t.test("a registration that is not durable yet leaves the VM behind", (t) => {
  const first = bench([REGISTERED]);
  first.ask(1, watch(seen(5)), 1);
  first.ask(1, register("g3", 1), 2);
  t.same(first.ask(2, claim("g1", "g2b")), []);
  t.same(first.persisted().slice(-2), ["2 b#1 refused g3/-/6", "note refused"]);
  t.end();
});

await t.test("frames of another cluster, another host or a closed connection are ignored", (t) => {
  t.same(bench([REGISTERED], "c-2").ask(1, { kind: "beat" }), []);
  const it = bench([REGISTERED]);
  const frame = { cluster: CLUSTER, vm: "vm1", host: "b", request: 1, body: claim("g1", "g2") };
  t.same(it.step({ kind: "frame", conn: 1, frame }), [], "host b on the connection of host a");
  it.step({ kind: "closed", conn: 1 });
  t.same(it.ask(1, { kind: "beat" }), []);
  t.end();
});

await t.test("every VM has a record of its own, and the store holds all", (t) => {
  const other: QuorumRecord = { ...GRANTED, vm: "vm2" };
  const it = bench([other, REGISTERED]);
  it.ask(1, claim("g1", "g2"));
  it.persisted();
  t.same(it.store(), [other, GRANTED]);
  t.end();
});
