/** Generators of every frame of every channel, as their types allow it. */
import { crc32 } from "node:zlib";
import fc from "fast-check";
import type { Generation, VmBoot } from "../../node/core/identity.ts";
import type { GuestWrite } from "../../node/core/machine/entry.ts";
import type { CopiedBlock, HelloView, PeerBody, PeerFrame } from "../../node/core/pair/frames.ts";
import type { Arbiter, Page } from "../../node/core/pair/page.ts";
import type {
  QuorumAnswer,
  QuorumFrame,
  QuorumRecord,
  QuorumRequest,
} from "../../node/core/quorum/messages.ts";
import type {
  FromSwitch,
  SessionFrame,
  ToSwitch,
  TrunkFrame,
} from "../../node/core/switch/frames.ts";

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
const gen = record<Generation>({
  n: count,
  id,
  kind: fc.constantFrom("joint", "alone", "forced", "damaged"),
  by: name,
});
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
  resyncFrom: orNull(gen),
  hold: orNull(
    record({
      kind: fc.constantFrom("force", "split-brain", "discard", "down"),
      wallMs: orNull(fc.nat()),
    }),
  ),
});

const volume = fc.nat(0xffff);
const extentLists = fc.array(record({ volume, extents: fc.array(uint32) }), { maxLength: 3 });
const blockRuns = fc.array(record({ volume, runs: fc.array(uint32) }), { maxLength: 3 });
const block = record({
  lba: uint32,
  data: fc.uint8Array({ minLength: 4_096, maxLength: 4_096 }),
}).map((content): CopiedBlock => ({ ...content, sum: crc32(content.data) }));

const view = record<HelloView>({
  host: name,
  page,
  running: fc.boolean(),
  suspended: fc.boolean(),
  vmBoot: orNull(boot),
  applied: count,
  lastWrite: count,
  intents: extentLists,
  digests: fc.array(uint32, { maxLength: 300 }),
  diskGood: fc.boolean(),
  protect: fc.boolean(),
  seen: names,
  owes: fc.boolean(),
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
  .constantFrom("cede", "ceded", "paired")
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
  record({ kind: is("write"), write, isMoreDue: fc.boolean() }),
  record({ kind: is("wrote"), upTo: count, sums: fc.array(fc.tuple(count, uint32)) }),
  record({ kind: is("clean-to"), number: count }),
  record({
    kind: is("pair"),
    gen,
    parent: gen,
    history: fc.array(gen, { maxLength: 32 }),
    vmBoot: orNull(boot),
  }),
  record({ kind: is("ready"), intents: extentLists }),
  record({ kind: is("merged"), extents: extentLists }),
  record({ kind: is("sums"), volume, first: uint32, sums: fc.array(uint32) }),
  record({ kind: is("copy"), volume, blocks: fc.array(block, { maxLength: 3 }) }),
  record({
    kind: is("copied"),
    volume,
    blocks: fc.array(fc.tuple(uint32, uint32), { maxLength: 1_024 }),
  }),
  fc.constantFrom<PeerBody>(
    { kind: "opened" },
    { kind: "discard" },
    { kind: "disk-dead" },
    { kind: "leave" },
  ),
  record({
    kind: is("maps"),
    base: orNull(record({ gen, parent: orNull(gen) })),
    dirty: blockRuns,
    intents: extentLists,
  }),
  record({ kind: is("mapped"), blocks: blockRuns }),
  record({ kind: is("fetch"), volume, lba: uint32 }),
  fc.tuple(volume, uint32, orNull(block)).map(
    ([of, lba, found]): PeerBody => ({
      kind: "fetched",
      volume: of,
      lba: found?.lba ?? lba,
      block: found,
    }),
  ),
  record({ kind: is("handover"), vmBoot: boot }),
  aboutGen,
  record({ kind: is("armed"), gen, arbiter: orNull(arbiter) }),
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
    record({ kind: is("override"), gen }),
    record({ kind: is("beat") }),
  ),
});

export const quorumAnswer: fc.Arbitrary<QuorumFrame<QuorumAnswer>> = record({
  ...addressed,
  request: count,
  body: fc.oneof(
    record({
      kind: fc.constantFrom("record", "registered", "stale", "grant", "refused"),
      record: quorumRecord,
    }),
    record({
      kind: is("behind"),
      record: quorumRecord,
      why: fc.constantFrom("forgot", "unconfirmed"),
    }),
    record({ kind: is("beat-ok") }),
  ),
});

const vm = name;
const empty = fc.constant(new Uint8Array(0));
const bytes = fc.uint8Array({ maxLength: 300 });
const mark = { vm, vmBoot: boot, session: count, position: count };
const output = { ...mark, kind: is("data"), gen, intakeAtUs: count };

const announcement = record({ vm, vmBoot: boot, gen, term: count, host: name });
const sessionFrame: fc.Arbitrary<SessionFrame> = fc.oneof(
  record({ ...output, what: fc.constantFrom("accept", "fin", "reset"), bytes: empty }),
  record({ ...output, what: is("data"), bytes }),
  record({ ...mark, kind: is("rack") }),
);

export const toSwitch: fc.Arbitrary<ToSwitch> = fc.oneof(
  record({ kind: is("announce"), announcement }),
  record({ kind: is("withdraw"), vm, vmBoot: boot }),
  record({ kind: is("beat-ok"), vm }),
  sessionFrame,
);

const positions = record({ session: count, delivered: count, freed: count, received: count });

export const fromSwitch: fc.Arbitrary<FromSwitch> = fc.oneof(
  record({
    kind: is("positions"),
    vm,
    vmBoot: boot,
    term: count,
    home: positive,
    route: count,
    sessions: fc.array(positions),
  }),
  record({ kind: is("beat"), vm }),
  record({ kind: is("ignored"), vm, vmBoot: boot }),
  record({
    ...mark,
    kind: is("client"),
    route: count,
    what: fc.constantFrom("open", "fin", "reset"),
    bytes: empty,
  }),
  record({ ...mark, kind: is("client"), route: count, what: is("data"), bytes }),
  record({ ...mark, kind: is("taken") }),
);

export const trunkFrame: fc.Arbitrary<TrunkFrame> = fc.oneof(
  record({ kind: is("heard"), announcement }),
  record({ kind: is("unheard"), vm, host: name }),
  record({ kind: is("from"), host: name, frame: sessionFrame }),
  record({ kind: is("to"), host: name, frame: fromSwitch }),
  record({ kind: fc.constantFrom("beat", "beat-ok") }),
);
