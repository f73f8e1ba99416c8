/**
 * Goal: what a codec writes it reads back, and nothing else is read as a frame, whatever bytes arrive.
 * Method: fast-check generates frames of every channel; they come back equal, are refused by every other channel, and with bits
 * turned, bytes cut or added they are refused. Frames with a right checksum around wrong content are listed.
 */
import { crc32 } from "node:zlib";
import fc from "fast-check";
import t from "tap";
import { SESSIONS_MAX } from "../../node/core/switch/contract.ts";
import { FRAME_BYTES_MAX, FRAME_TYPE, PAYLOAD_BYTES_MAX } from "../../node/wire/envelope.ts";
import type { Parsed } from "../../node/wire/parsed.ts";
import { encodePeerFrame, parsePeerFrame, WROTE_SUMS_MAX } from "../../node/wire/peer.ts";
import {
  encodeQuorumAnswer,
  encodeQuorumRequest,
  parseQuorumAnswer,
  parseQuorumRequest,
} from "../../node/wire/quorum.ts";
import {
  encodeFromSwitch,
  encodeToSwitch,
  parseFromSwitch,
  parseToSwitch,
} from "../../node/wire/switch.ts";
import { encodeTrunk, parseTrunk } from "../../node/wire/trunk.ts";
import {
  fromSwitch,
  peerFrame,
  quorumAnswer,
  quorumRequest,
  toSwitch,
  trunkFrame,
} from "./frames.ts";

const RUNS = 10_000;

/** A channel with its types sealed in: a sample is a frame, its bytes, and how the channel reads bytes. */
interface Channel {
  readonly name: string;
  readonly samples: fc.Arbitrary<{ readonly frame: unknown; readonly bytes: Uint8Array }>;
  readonly parse: (bytes: Uint8Array) => Parsed<unknown>;
}

function channel<Frame>(
  name: string,
  frames: fc.Arbitrary<Frame>,
  encode: (frame: Frame) => Uint8Array,
  parse: (bytes: Uint8Array) => Parsed<Frame>,
): Channel {
  return { name, samples: frames.map((frame) => ({ frame, bytes: encode(frame) })), parse };
}

const channels: readonly Channel[] = [
  channel("peer", peerFrame, encodePeerFrame, parsePeerFrame),
  channel("quorum request", quorumRequest, encodeQuorumRequest, parseQuorumRequest),
  channel("quorum answer", quorumAnswer, encodeQuorumAnswer, parseQuorumAnswer),
  channel("to switch", toSwitch, (frame) => Buffer.concat(encodeToSwitch(frame)), parseToSwitch),
  channel("from switch", fromSwitch, encodeFromSwitch, parseFromSwitch),
  channel("trunk", trunkFrame, (frame) => Buffer.concat(encodeTrunk(frame)), parseTrunk),
];

/** As a socket gives it: a view of a larger buffer. */
function received(bytes: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(bytes.length + 7);
  buffer.set(bytes, 3);
  return buffer.subarray(3, 3 + bytes.length);
}

for (const { name, samples, parse } of channels) {
  await t.test(`a ${name} frame comes back equal, and no other channel reads it`, async (t) => {
    const property = fc.property(samples, ({ frame, bytes }) => {
      if (bytes.length > FRAME_BYTES_MAX) throw new Error("above the limit");
      const wire = received(bytes);
      const parsed = parse(wire);
      // Blocks between hosts stay where they arrived: they go to the disk at once.
      if (name !== "peer") wire.fill(0);
      t.matchOnly(parsed, { ok: true, value: frame });
      const readers = channels.filter((other) => other.parse(bytes).ok).map((it) => it.name);
      return readers.length === 1 && readers[0] === name;
    });
    fc.assert(property, { numRuns: 200 });
  });

  await t.test(`a damaged ${name} frame is refused and nothing is thrown`, async (t) => {
    const damage = fc.record({
      at: fc.nat(),
      how: fc.constantFrom("flip", "burst", "cut", "add", "drop"),
      mask: fc.integer({ min: 1, max: 255 }),
    });
    let refused = 0;
    const property = fc.property(
      samples,
      fc.array(damage, { minLength: 50, maxLength: 50 }),
      (it, list) => {
        for (const { at, how, mask } of list) {
          const damaged = damage1(it.bytes, at % it.bytes.length, how, mask);
          if (parse(damaged).ok) return false;
          refused += 1;
        }
        return true;
      },
    );
    fc.assert(property, { numRuns: RUNS / 50 });
    t.equal(refused, RUNS);
  });
}

function damage1(bytes: Uint8Array, at: number, how: string, mask: number): Uint8Array {
  const damaged = Uint8Array.from(bytes);
  switch (how) {
    case "flip":
      damaged[at] = Number(bytes[at]) ^ mask;
      return damaged;
    case "burst":
      for (let i = at; i < Math.min(at + 4, bytes.length); i += 1)
        damaged[i] = Number(bytes[i]) ^ mask;
      return damaged;
    case "cut":
      return damaged.subarray(0, at);
    case "add":
      return Uint8Array.from([...bytes, mask]);
    default:
      // Bytes vanish on a cut link.
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1)]);
  }
}

await t.test("no channel throws at bytes that were never a frame", async (t) => {
  const types = Object.values(FRAME_TYPE);
  let looked = 0;
  const property = fc.property(fc.uint8Array({ maxLength: 300 }), (body) => {
    for (const bytes of [body, ...types.map((type) => sealed(type, body))]) {
      for (const { parse } of channels) if (parse(bytes).ok) return false;
    }
    looked += 1;
    return true;
  });
  fc.assert(property, { numRuns: RUNS / 5 });
  t.equal(looked, RUNS / 5);
});

/** A frame whose envelope is right, whatever is in it. */
function sealed(type: number, body: Uint8Array): Uint8Array {
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, type]), body]);
  frame.writeUInt32LE(crc32(frame.subarray(4)), 0);
  return frame;
}

const json = (type: number, value: unknown): Uint8Array =>
  sealed(type, Buffer.from(typeof value === "string" ? value : JSON.stringify(value)));

const ID = "0123456789abcdef0123456789abcdef";
const BOOT = { id: ID, n: 1 };
const GEN = { n: 2, id: ID, kind: "joint", by: "a" };
const PEER = { vm: "vm1", session: ID, number: 3, from: ID };
const RACK = { kind: "rack", vm: "vm1", vmBoot: BOOT, session: 1, position: 2 };

const goodJson: readonly (readonly [why: string, bytes: Uint8Array])[] = [
  ["a peer frame", json(FRAME_TYPE.peer, { ...PEER, body: { kind: "cede", gen: GEN } })],
  ["a rack", json(FRAME_TYPE.toSwitch, RACK)],
];

const wrongJson: readonly (readonly [why: string, bytes: Uint8Array])[] = [
  ["no JSON", json(FRAME_TYPE.peer, "{")],
  ["an array", json(FRAME_TYPE.peer, [])],
  ["null", json(FRAME_TYPE.peer, "null")],
  ["no body", json(FRAME_TYPE.peer, PEER)],
  ["an unknown kind", json(FRAME_TYPE.peer, { ...PEER, body: { kind: "cedes", gen: GEN } })],
  ["a kind of Object's", json(FRAME_TYPE.peer, { ...PEER, body: { kind: "constructor" } })],
  ["a write in JSON", json(FRAME_TYPE.peer, { ...PEER, body: { kind: "write", write: {} } })],
  ["a missing field", json(FRAME_TYPE.peer, { ...PEER, body: { kind: "cede" } })],
  [
    "an inherited field",
    json(
      FRAME_TYPE.peer,
      `{"__proto__":${JSON.stringify(PEER)},"body":{"kind":"clean-to","number":1}}`,
    ),
  ],
  [
    "an id in capitals",
    json(FRAME_TYPE.peer, {
      ...PEER,
      session: ID.toUpperCase(),
      body: { kind: "cede", gen: GEN },
    }),
  ],
  ["an id too short", json(FRAME_TYPE.toSwitch, { ...RACK, vmBoot: { id: ID.slice(1), n: 1 } })],
  ["a negative position", json(FRAME_TYPE.toSwitch, { ...RACK, position: -1 })],
  ["half a position", json(FRAME_TYPE.toSwitch, { ...RACK, position: 0.5 })],
  ["a position in text", json(FRAME_TYPE.toSwitch, { ...RACK, position: "2" })],
  ["an unsafe position", json(FRAME_TYPE.toSwitch, { ...RACK, position: 2 ** 53 })],
  ["an infinite position", json(FRAME_TYPE.toSwitch, JSON.stringify(RACK).replace("2}", "1e999}"))],
  ["a name with a line end", json(FRAME_TYPE.toSwitch, { ...RACK, vm: "vm1\n" })],
  ["a name too long", json(FRAME_TYPE.toSwitch, { ...RACK, vm: "v".repeat(65) })],
  [
    "a list too long",
    json(FRAME_TYPE.peer, {
      ...PEER,
      body: { kind: "beat", seq: 1, vmBoot: BOOT, seen: Array(17).fill("q") },
    }),
  ],
  ["data in JSON", json(FRAME_TYPE.toSwitch, { ...RACK, kind: "data" })],
];

await t.test("a right checksum around wrong content does not help", async (t) => {
  for (const [why, bytes] of goodJson)
    t.ok(
      channels.some(({ parse }) => parse(bytes).ok),
      why,
    );
  for (const [why, bytes] of wrongJson)
    t.notOk(
      channels.some(({ parse }) => parse(bytes).ok),
      why,
    );
});

await t.test("a block that is not the one its host summed is refused", async (t) => {
  const data = new Uint8Array(4_096).fill(7);
  const write = { number: 1, epoch: 1, cause: 1, volume: 0, lba: 9, data };
  const frame = (sum: number): Uint8Array =>
    encodePeerFrame({
      vm: "vm1",
      session: ID,
      number: 1,
      from: ID,
      body: { kind: "write", write: { ...write, sum }, isMoreDue: false },
    });
  t.equal(parsePeerFrame(frame(crc32(data))).ok, true);
  // The frame's own checksum is right here: the block was damaged before it was sent.
  const parsed = parsePeerFrame(frame(crc32(data) ^ 1));
  t.match(parsed, { ok: false, why: /summed/ });
});

await t.test("the largest frames fit, larger ones are refused", async (t) => {
  const most = Number.MAX_SAFE_INTEGER;
  const boot = { id: ID, n: most };
  const position = { session: most, delivered: most, freed: most, received: most };
  const all = Array.from({ length: SESSIONS_MAX }, () => position);
  const vm = "v".repeat(64);
  const at = { vm, vmBoot: boot, route: most };
  const positions = { kind: "positions", ...at, term: most, home: 15, sessions: all } as const;
  t.equal(parseFromSwitch(encodeFromSwitch(positions)).ok, true);
  const sums = Array.from({ length: WROTE_SUMS_MAX }, (): [number, number] => [most, 0xffffffff]);
  const wrote = {
    vm,
    session: ID,
    number: most,
    from: ID,
    body: { kind: "wrote", upTo: most, sums },
  } as const;
  t.equal(parsePeerFrame(encodePeerFrame(wrote)).ok, true);
  const bytes = new Uint8Array(PAYLOAD_BYTES_MAX);
  const client = {
    kind: "client",
    ...at,
    session: 1,
    position: 1,
    what: "data",
    bytes,
  } as const;
  t.equal(parseFromSwitch(encodeFromSwitch(client)).ok, true);
  // Between switches each is carried whole.
  const host = "h".repeat(64);
  for (const frame of [positions, client]) {
    const [carried = new Uint8Array(0)] = encodeTrunk({ kind: "to", host, frame });
    t.equal(parseTrunk(carried).ok, true);
  }
  const gen = { n: most, id: ID, kind: "joint", by: "b".repeat(64) } as const;
  const output = { ...client, kind: "data", gen, intakeAtUs: most } as const;
  const twice = { ...output, bytes: new Uint8Array(2 * PAYLOAD_BYTES_MAX) };
  const pieces = encodeTrunk({ kind: "from", host, frame: twice });
  t.same(
    pieces.map((piece) => parseTrunk(piece).ok),
    [true, true],
  );
  t.throws(() => encodeFromSwitch({ ...client, bytes: new Uint8Array(PAYLOAD_BYTES_MAX + 512) }));
  t.equal(
    parseFromSwitch(sealed(FRAME_TYPE.fromSwitchClient, new Uint8Array(FRAME_BYTES_MAX))).ok,
    false,
  );
});
