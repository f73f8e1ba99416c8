/** Generators of every frame of every channel, as their types allow it. */
import { crc32 } from "node:zlib";
import fc from "fast-check";
import type { Generation, VmBoot } from "../../node/core/identity.ts";
import type { GuestWrite } from "../../node/core/machine/entry.ts";
import type { HelloView, PeerBody, PeerFrame } from "../../node/core/pair/frames.ts";
import type { Arbiter, Page } from "../../node/core/pair/page.ts";
import type {
  QuorumAnswer,
  QuorumFrame,
  QuorumRecord,
  QuorumRequest,
} from "../../node/core/quorum/messages.ts";
import type { FromSwitch, ToSwitch } from "../../node/core/switch/frames.ts";

type Fields<Value> = { readonly [Key in keyof Value]: fc.Arbitrary<Value[Key]> };

function record<Value>(fields: Fields<Value>): fc.Arbitrary<Value> {
  return fc.record(fields, { noNullPrototype: true }) as unknown as fc.Arbitrary<Value>;
}

const is = <const Word>(word: Word): fc.Arbitrary<Word> => fc.constant(word);
const orNull = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> =>
  fc.option(arbitrary, { freq: 3 });

const count = fc.oneof(fc.nat(1_000), fc.maxSafeNat());
const positive = count.map((value) => Math.max(1, value));
const uint32 = fc.nat(0xffffffff);
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const id = fc.stringMatching(/^[0-9a-f]{32}$/);
const names = fc.array(name, { maxLength: 16 });
const right = fc.constantFrom("open", "elected", "ceded", "sole", "none");
const copy = fc.constantFrom("in-sync", "ahead", "behind", "inconsistent", "blank");
const boot = record<VmBoot>({ id, n: count });
const gen = record<Generation>({ n: count, id, kind: fc.constantFrom("joint", "alone"), by: name });
const arbiter = record<Arbiter>({ service: name, instance: id, counter: count });

const page = record<Page>({
  cluster: name,
  vm: name,
  volumes: fc.array(record({ id: fc.nat(0xffff), blocks: positive }), { maxLength: 3 }),
  gen: orNull(gen),
  parent: orNull(gen),
  right,
  copy,
  base: orNull(record({ gen, parent: orNull(gen) })),
  history: fc.array(gen, { maxLength: 32 }),
  arbiter: orNull(arbiter),
  vmBoot: orNull(boot),
  starts: count,
  startId: orNull(id),
  lastStartId: orNull(id),
  peer: orNull(record({ gen: orNull(gen), right, copy, starts: count, startId: orNull(id) })),
  hold: orNull(
    record({
      kind: fc.constantFrom("force", "split-brain", "discard", "down"),
      wallMs: orNull(fc.nat()),
    }),
  ),
});

const view = record<HelloView>({
  host: name,
  page,
  running: fc.boolean(),
  suspended: fc.boolean(),
  vmBoot: orNull(boot),
  applied: count,
  intentCount: count,
  dirtyEmpty: fc.boolean(),
  diskGood: fc.boolean(),
  protect: fc.boolean(),
  seen: names,
  mustRearm: fc.boolean(),
});

const write = record<Omit<GuestWrite, "sum">>({
  number: count,
  epoch: count,
  cause: count,
  volume: fc.nat(0xffff),
  lba: uint32,
  data: fc.uint8Array({ minLength: 4_096, maxLength: 4_096 }),
}).map((content): GuestWrite => ({ ...content, sum: crc32(content.data) }));

const aboutGen = fc
  .constantFrom("cede", "ceded", "paired", "not-now")
  .chain((kind) => gen.map((about): PeerBody => ({ kind, gen: about })));

const peerBody: fc.Arbitrary<PeerBody> = fc.oneof(
  record({ kind: is("hello"), nonce: id, answers: orNull(id), view }),
  record({ kind: is("beat"), seq: count, vmBoot: orNull(boot), seen: names }),
  record({
    kind: is("beat-ok"),
    seq: count,
    promised: fc.boolean(),
    gen: orNull(gen),
    right,
    vmBoot: orNull(boot),
    intentsEmpty: fc.boolean(),
    seen: names,
  }),
  record({ kind: is("write"), write }),
  record({ kind: is("wrote"), upTo: count, sums: fc.array(fc.tuple(count, uint32)) }),
  record({ kind: is("clean-to"), number: count }),
  record({ kind: is("pair"), gen, parent: gen }),
  aboutGen,
  record({ kind: is("armed"), gen, arbiter }),
  record({ kind: is("bye"), reason: fc.string({ unit: "binary", maxLength: 100 }) }),
);

export const peerFrame: fc.Arbitrary<PeerFrame> = record({
  vm: name,
  session: orNull(id),
  number: count,
  from: orNull(id),
  body: peerBody,
});

const seen = orNull(record({ instance: id, counter: count }));
const quorumRecord = record<QuorumRecord>({
  cluster: name,
  vm: name,
  gen: orNull(gen),
  holder: orNull(name),
  from: orNull(gen),
  counter: count,
  instance: id,
});
const addressed = { cluster: name, vm: name, host: name };

export const quorumRequest: fc.Arbitrary<QuorumFrame<QuorumRequest>> = record({
  ...addressed,
  request: positive,
  body: fc.oneof(
    record({ kind: is("watch"), gen: orNull(gen), right, seen }),
    record({ kind: is("register"), gen, counter: count }),
    record({ kind: is("claim"), from: gen, gen, seen }),
    record({ kind: is("beat") }),
  ),
});

export const quorumAnswer: fc.Arbitrary<QuorumFrame<QuorumAnswer>> = record({
  ...addressed,
  request: count,
  body: fc.oneof(
    record({
      kind: fc.constantFrom("record", "registered", "stale", "grant", "refused", "behind"),
      record: quorumRecord,
    }),
    record({ kind: is("beat-ok") }),
  ),
});

const vm = name;
const empty = fc.constant(new Uint8Array(0));
const bytes = fc.uint8Array({ maxLength: 300 });
const mark = { vm, vmBoot: boot, session: count, position: count };
const output = { ...mark, kind: is("data"), gen, intakeAtUs: count };

export const toSwitch: fc.Arbitrary<ToSwitch> = fc.oneof(
  record({
    kind: is("announce"),
    announcement: record({ vm, vmBoot: boot, gen, term: count, host: name }),
  }),
  record({ kind: is("withdraw"), vm, vmBoot: boot }),
  record({ ...output, what: fc.constantFrom("accept", "fin", "reset"), bytes: empty }),
  record({ ...output, what: is("data"), bytes }),
  record({ ...mark, kind: is("rack") }),
);

const positions = record({ session: count, delivered: count, freed: count, received: count });

export const fromSwitch: fc.Arbitrary<FromSwitch> = fc.oneof(
  record({ kind: is("positions"), vm, vmBoot: boot, sessions: fc.array(positions) }),
  record({ kind: is("ignored"), vm, vmBoot: boot }),
  record({
    ...mark,
    kind: is("client"),
    what: fc.constantFrom("open", "fin", "reset"),
    bytes: empty,
  }),
  record({ ...mark, kind: is("client"), what: is("data"), bytes }),
  record({ ...mark, kind: is("taken") }),
);
