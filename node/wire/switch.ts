/** Frames between a host and a switch. Those that carry clients' bytes have a binary header, the others are JSON. */
import type { Generation, VmBoot } from "../core/identity.ts";
import { SESSIONS_MAX } from "../core/switch/contract.ts";
import type {
  Announcement,
  FromSwitch,
  SessionPositions,
  ToSwitch,
} from "../core/switch/frames.ts";
import {
  countAt,
  firstUnsafe,
  ID_BYTES,
  idAt,
  nameAt,
  ownBytes,
  putCount,
  putId,
  wordOf,
} from "./bytes.ts";
import { type Check, count, listOf, name, positive, shape, variants } from "./checks.ts";
import {
  ENVELOPE_BYTES,
  encodeJson,
  FRAME_TYPE,
  openEnvelope,
  openFrame,
  PAYLOAD_BYTES_MAX,
  parseJson,
  seal,
} from "./envelope.ts";
import { generation, vmBoot } from "./identity.ts";
import { type Parsed, refuse } from "./parsed.ts";

type ToSwitchData = Extract<ToSwitch, { readonly kind: "data" }>;
type ToSwitchJson = Exclude<ToSwitch, ToSwitchData>;
type FromSwitchClient = Extract<FromSwitch, { readonly kind: "client" }>;
type FromSwitchJson = Exclude<FromSwitch, FromSwitchClient>;

export const announcement: Check<Announcement> = shape<Announcement>({
  vm: name,
  vmBoot,
  gen: generation,
  term: count,
  host: name,
});

const positions = shape<SessionPositions>({
  session: count,
  delivered: count,
  freed: count,
  received: count,
});

const toSwitchJson = variants<ToSwitchJson>({
  announce: { announcement },
  withdraw: { vm: name, vmBoot },
  "beat-ok": { vm: name },
  rack: { vm: name, vmBoot, session: count, position: count },
});

const fromSwitchJson = variants<FromSwitchJson>({
  positions: {
    vm: name,
    vmBoot,
    term: count,
    home: positive,
    route: count,
    sessions: listOf(positions, SESSIONS_MAX),
  },
  ignored: { vm: name, vmBoot },
  beat: { vm: name },
  taken: { vm: name, vmBoot, session: count, position: count },
});

const OUTPUT_WORDS = ["accept", "data", "fin", "reset"] as const;
const CLIENT_WORDS = ["open", "data", "fin", "reset"] as const;
const KIND_WORDS = ["joint", "alone", "forced", "damaged"] as const;

/** Layout of `data`; the VM's name, the name in the generation and the bytes follow. */
const OUT = {
  vmLength: ENVELOPE_BYTES,
  what: 6,
  genKind: 7,
  boot: 8,
  bootN: 8 + ID_BYTES,
  gen: 32,
  genN: 48,
  session: 56,
  position: 64,
  intakeAt: 72,
  byLength: 80,
  zero: 81,
  names: 84,
} as const;

/** Layout of `client`; the VM's name and the bytes follow. */
const IN = {
  vmLength: ENVELOPE_BYTES,
  what: 6,
  zero: 7,
  boot: 8,
  bootN: 8 + ID_BYTES,
  session: 32,
  position: 40,
  route: 48,
  vm: 56,
} as const;

/** One frame, or several for data above the payload limit: the pieces follow one another in position. */
export function encodeToSwitch(frame: ToSwitch): readonly Uint8Array[] {
  if (frame.kind !== "data") return [encodeJson(FRAME_TYPE.toSwitch, frame)];
  if (frame.bytes.length <= PAYLOAD_BYTES_MAX) return [encodeData(frame)];
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < frame.bytes.length; at += PAYLOAD_BYTES_MAX) {
    const bytes = frame.bytes.subarray(at, at + PAYLOAD_BYTES_MAX);
    pieces.push(encodeData({ ...frame, position: frame.position + at, bytes }));
  }
  return pieces;
}

/** The switch cuts its data into frames itself. */
export function encodeFromSwitch(frame: FromSwitch): Uint8Array {
  return frame.kind === "client" ? encodeClient(frame) : encodeJson(FRAME_TYPE.fromSwitch, frame);
}

export function parseToSwitch(bytes: Uint8Array): Parsed<ToSwitch> {
  const envelope = openEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const { type, frame } = envelope.value;
  if (type === FRAME_TYPE.toSwitch) return parseJson(frame, toSwitchJson);
  if (type === FRAME_TYPE.toSwitchData) return parseData(frame);
  return refuse(`type ${type} is no frame to a switch`);
}

export function parseFromSwitch(bytes: Uint8Array): Parsed<FromSwitch> {
  const envelope = openEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const { type, frame } = envelope.value;
  if (type === FRAME_TYPE.fromSwitch) return parseJson(frame, fromSwitchJson);
  if (type === FRAME_TYPE.fromSwitchClient) return parseClient(frame);
  return refuse(`type ${type} is no frame of a switch`);
}

function encodeData(frame: ToSwitchData): Uint8Array {
  const { vm, gen } = frame;
  const size = OUT.names - ENVELOPE_BYTES + vm.length + gen.by.length + frame.bytes.length;
  const bytes = openFrame(FRAME_TYPE.toSwitchData, size);
  bytes[OUT.vmLength] = vm.length;
  bytes[OUT.what] = OUTPUT_WORDS.indexOf(frame.what);
  bytes[OUT.genKind] = KIND_WORDS.indexOf(gen.kind);
  putId(bytes, OUT.boot, frame.vmBoot.id);
  putCount(bytes, OUT.bootN, frame.vmBoot.n);
  putId(bytes, OUT.gen, gen.id);
  putCount(bytes, OUT.genN, gen.n);
  putCount(bytes, OUT.session, frame.session);
  putCount(bytes, OUT.position, frame.position);
  bytes.writeDoubleLE(frame.intakeAtUs, OUT.intakeAt);
  bytes[OUT.byLength] = gen.by.length;
  bytes.write(vm, OUT.names, "latin1");
  bytes.write(gen.by, OUT.names + vm.length, "latin1");
  bytes.set(frame.bytes, OUT.names + vm.length + gen.by.length);
  return seal(bytes);
}

function parseData(frame: Buffer): Parsed<ToSwitch> {
  if (frame.length < OUT.names) return refuse("data without its header");
  const vmLength = frame.readUInt8(OUT.vmLength);
  const byLength = frame.readUInt8(OUT.byLength);
  const bytesAt = OUT.names + vmLength + byLength;
  if (frame.length < bytesAt) return refuse("data without its names");
  if (frame.readUIntLE(OUT.zero, 3) !== 0) return refuse("wrong reserved bits");
  const what = wordOf(OUTPUT_WORDS, frame.readUInt8(OUT.what));
  const kind = wordOf(KIND_WORDS, frame.readUInt8(OUT.genKind));
  if (what === null || kind === null) return refuse("wrong code byte");
  const payload = payloadOf(frame, bytesAt, what);
  if (!payload.ok) return payload;
  const vm = nameAt(frame, OUT.names, vmLength);
  if (!vm.ok) return vm;
  const by = nameAt(frame, OUT.names + vmLength, byLength);
  if (!by.ok) return by;
  const counts = {
    bootN: countAt(frame, OUT.bootN),
    genN: countAt(frame, OUT.genN),
    session: countAt(frame, OUT.session),
    position: countAt(frame, OUT.position),
  };
  const unsafe = firstUnsafe(counts);
  if (unsafe !== null) return refuse(`wrong field ${unsafe}`);
  const intakeAtUs = frame.readDoubleLE(OUT.intakeAt);
  if (!Number.isFinite(intakeAtUs) || intakeAtUs < 0) return refuse("wrong field intakeAtUs");
  const gen: Generation = { n: counts.genN, id: idAt(frame, OUT.gen), kind, by: by.value };
  const boot: VmBoot = { id: idAt(frame, OUT.boot), n: counts.bootN };
  const { session, position } = counts;
  return {
    ok: true,
    value: {
      kind: "data",
      vm: vm.value,
      vmBoot: boot,
      gen,
      session,
      position,
      what,
      bytes: payload.value,
      intakeAtUs,
    },
  };
}

function encodeClient(frame: FromSwitchClient): Uint8Array {
  const { vm } = frame;
  const size = IN.vm - ENVELOPE_BYTES + vm.length + frame.bytes.length;
  const bytes = openFrame(FRAME_TYPE.fromSwitchClient, size);
  bytes[IN.vmLength] = vm.length;
  bytes[IN.what] = CLIENT_WORDS.indexOf(frame.what);
  putId(bytes, IN.boot, frame.vmBoot.id);
  putCount(bytes, IN.bootN, frame.vmBoot.n);
  putCount(bytes, IN.session, frame.session);
  putCount(bytes, IN.position, frame.position);
  putCount(bytes, IN.route, frame.route);
  bytes.write(vm, IN.vm, "latin1");
  bytes.set(frame.bytes, IN.vm + vm.length);
  return seal(bytes);
}

function parseClient(frame: Buffer): Parsed<FromSwitch> {
  if (frame.length < IN.vm) return refuse("client data without its header");
  const vmLength = frame.readUInt8(IN.vmLength);
  const bytesAt = IN.vm + vmLength;
  if (frame.length < bytesAt) return refuse("client data without its name");
  if (frame.readUInt8(IN.zero) !== 0) return refuse("wrong reserved bits");
  const what = wordOf(CLIENT_WORDS, frame.readUInt8(IN.what));
  if (what === null) return refuse("wrong code byte");
  const payload = payloadOf(frame, bytesAt, what);
  if (!payload.ok) return payload;
  const vm = nameAt(frame, IN.vm, vmLength);
  if (!vm.ok) return vm;
  const counts = {
    bootN: countAt(frame, IN.bootN),
    session: countAt(frame, IN.session),
    position: countAt(frame, IN.position),
    route: countAt(frame, IN.route),
  };
  const unsafe = firstUnsafe(counts);
  if (unsafe !== null) return refuse(`wrong field ${unsafe}`);
  const { session, position, route } = counts;
  return {
    ok: true,
    value: {
      kind: "client",
      vm: vm.value,
      vmBoot: { id: idAt(frame, IN.boot), n: counts.bootN },
      route,
      session,
      position,
      what,
      bytes: payload.value,
    },
  };
}

/** Only `data` has bytes. */
function payloadOf(frame: Buffer, at: number, what: string): Parsed<Uint8Array> {
  const length = frame.length - at;
  if (length > PAYLOAD_BYTES_MAX) return refuse(`${length} bytes are above the limit`);
  if (length > 0 && what !== "data") return refuse(`bytes in ${what}`);
  return { ok: true, value: ownBytes(frame, at) };
}
