/**
 * Goal: of one generation the service grants at most one host, whatever is asked, repeated, lost or forgotten, and it says nothing that a
 * crash could take back.
 * Method: the pure service, driven step by step; a store is the last list of records that was made durable.
 */
import t from "tap";
import type { QuorumRecord, QuorumRequest } from "../../node/core/quorum/messages.ts";
import {
  bench,
  CLUSTER,
  claim,
  EMPTY,
  GRANTED,
  gen,
  override,
  type QuorumSeen,
  REGISTERED,
  register,
  seen,
  watch,
} from "./quorum-bench.ts";

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
    effects: ["1 a#1 behind g1/-/1 forgot", "note behind"],
  },
  {
    title: "a claim that saw a higher counter is turned away",
    record: REGISTERED,
    body: claim("g1", "g2", seen(2)),
    effects: ["note behind", "1 a#1 behind g1/-/1 forgot"],
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
  t.same(it.ask(2, claim("g1", "g2b", seen(1)), 1), ["2 b#1 behind g1/-/1 forgot", "note behind"]);
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
  t.same(bench([REGISTERED], { cluster: "c-2" }).ask(1, { kind: "beat" }), []);
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

await t.test(
  "a forced host holds the VM, whatever was registered, and the other is refused",
  (t) => {
    const it = bench([{ ...GRANTED, holder: "b" }]);
    t.same(it.ask(1, override("f1")), ["persist f1/a/3"]);
    t.same(it.ask(2, claim("g1", "g3", seen(2))), [], "nothing is answered before it is durable");
    t.same(it.persisted(), [
      "1 a#1 record f1/a/3",
      "2 b#0 record f1/a/3",
      "note overridden",
      "2 b#1 refused f1/a/3",
      "note refused",
    ]);
    t.same(it.store(), [{ ...EMPTY, gen: gen("f1"), holder: "a", from: gen("f1"), counter: 3 }]);
    for (const from of ["g1", "g2", "f1"]) {
      t.same(it.ask(2, claim(from, "g4"), 2), ["2 b#2 refused f1/a/3", "note refused"]);
    }
    t.same(it.ask(1, override("f1"), 2), ["1 a#2 record f1/a/3"], "repeated");
    t.same(it.ask(2, register("g5", 2), 3), ["2 b#3 stale f1/a/3", "note stale"]);
    t.same(it.ask(1, register("g5", 3), 3), ["persist g5/-/4"], "a new pairing ends it");
    t.end();
  },
);

await t.test(
  "a service that forgot counts on from what a host remembers when it is forced",
  (t) => {
    const it = bench([REGISTERED]);
    it.ask(1, watch(seen(7)));
    t.same(it.ask(2, override("f1"), 1), ["persist f1/b/8"]);
    it.persisted();
    t.same(it.ask(1, claim("g1", "g2", seen(7)), 2), ["1 a#2 behind f1/b/8 forgot", "note behind"]);
    t.end();
  },
);

/** Of host a or b after a restart: what it says, and whether that confirms. */
const said = (right: "open" | "sole" | "none", at: QuorumSeen, id = "g1"): QuorumRequest => ({
  kind: "watch",
  gen: gen(id),
  right,
  seen: at,
});

await t.test("a service that started anew grants nothing until both hosts confirmed", (t) => {
  const it = bench([REGISTERED], { confirmAfterRestart: true });
  const held = ["1 a#2 behind g1/-/1 unconfirmed", "note behind"];
  t.same(it.ask(1, claim("g1", "g2", seen(1)), 2), held);
  it.ask(1, said("open", seen(1)), 3);
  t.same(it.ask(1, claim("g1", "g2", seen(1)), 2), held, "one host's word is not enough");
  it.ask(1, said("open", seen(1)), 4);
  t.same(it.ask(1, claim("g1", "g2", seen(1)), 2), held, "nor is it when it is said twice");
  it.ask(2, said("open", null), 1);
  t.same(it.ask(1, claim("g1", "g2", seen(1)), 5), ["persist g2/a/2"]);
  t.end();
});

await t.test("a registration confirms as well, once it is durable", (t) => {
  const it = bench([REGISTERED], { confirmAfterRestart: true });
  it.ask(1, register("g3", 1), 1);
  t.same(it.ask(2, claim("g3", "g4", seen(1)), 1), []);
  t.same(it.persisted().slice(-1), ["persist g4/b/3"]);
  t.end();
});

const NO_CONFIRMATION: readonly (readonly [string, QuorumRequest])[] = [
  ["is alone by a grant that is not on record", said("sole", seen(1), "g2")],
  ["has a disk that says nothing", said("none", null)],
  ["remembers another store", said("open", seen(1, "i0"))],
];

for (const [title, body] of NO_CONFIRMATION) {
  await t.test(`the word of a host that ${title} is no confirmation`, (t) => {
    const it = bench([REGISTERED], { confirmAfterRestart: true });
    it.ask(1, body, 1);
    it.ask(2, said("open", seen(1)), 1);
    t.same(it.ask(2, claim("g1", "g2b", seen(1)), 2), [
      "2 b#2 behind g1/-/1 unconfirmed",
      "note behind",
    ]);
    t.end();
  });
}

await t.test("the holder on record confirms, and keeps what it holds", (t) => {
  const it = bench([GRANTED], { confirmAfterRestart: true });
  t.same(it.ask(1, claim("g1", "g9", seen(1)), 1), [
    "1 a#1 behind g2/a/2 unconfirmed",
    "note behind",
  ]);
  it.ask(1, said("sole", seen(2), "g2"), 2);
  it.ask(2, said("open", seen(1)), 1);
  t.same(it.ask(2, claim("g1", "g3", seen(1)), 2), ["2 b#2 refused g2/a/2", "note refused"]);
  t.same(it.ask(1, claim("g1", "g9", seen(1)), 3), ["1 a#3 grant g2/a/2"]);
  t.end();
});

/** The store as it was before the grant: an image of long ago, put back. */
await t.test(
  "a store set back that no host in reach contradicts grants twice, unless it must be confirmed",
  (t) => {
    const before = bench([REGISTERED]);
    before.ask(1, claim("g1", "g2", seen(1)));
    before.persisted();
    t.same(before.store(), [GRANTED], "host a goes on alone, then dies");
    const trusting = bench([REGISTERED]);
    trusting.ask(2, said("open", seen(1)), 1);
    trusting.ask(2, claim("g1", "g2b", seen(1)), 2);
    t.match(
      trusting.persisted(),
      ["2 b#2 grant g2b/b/2"],
      "outside the fault budget: this is what it costs",
    );
    const careful = bench([REGISTERED], { confirmAfterRestart: true });
    careful.ask(2, said("open", seen(1)), 1);
    const held = ["2 b#2 behind g1/-/1 unconfirmed", "note behind"];
    t.same(careful.ask(2, claim("g1", "g2b", seen(1)), 2), held);
    careful.ask(1, said("sole", seen(1), "g2"), 1);
    t.same(
      careful.ask(2, claim("g1", "g2b", seen(1)), 2),
      held,
      "host a is back, and says otherwise",
    );
    t.end();
  },
);
