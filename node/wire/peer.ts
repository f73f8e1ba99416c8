/** Frames between two hosts. A guest write has a binary header, everything else is JSON. */
import { crc32 } from "node:zlib";
import type { HelloView, PeerBody, PeerFrame } from "../core/pair/frames.ts";
import { BLOCK_SIZE } from "../core/units.ts";
import {
  countAt,
  firstUnsafe,
  ID_BYTES,
  idAt,
  nameAt,
  ownBytes,
  putCount,
  putId,
} from "./bytes.ts";
import {
  type Check,
  count,
  flag,
  listOf,
  name,
  orNull,
  pairOf,
  randomId,
  shape,
  text,
  uint32,
  variants,
} from "./checks.ts";
import {
  ENVELOPE_BYTES,
  encodeJson,
  FRAME_TYPE,
  openEnvelope,
  openFrame,
  parseJson,
  seal,
} from "./envelope.ts";
import { arbiter, generation, page, right, vmBoot } from "./identity.ts";
import { type Parsed, refuse } from "./parsed.ts";

/** Most writes named by one `wrote`: what fits into a frame. */
export const WROTE_SUMS_MAX = 2_000;
/** Most quorum services named in a frame. */
export const SERVICES_MAX = 16;

const seen = listOf(name, SERVICES_MAX);

const helloView = shape<HelloView>({
  host: name,
  page,
  running: flag,
  suspended: flag,
  vmBoot: orNull(vmBoot),
  applied: count,
  intentCount: count,
  dirtyEmpty: flag,
  diskGood: flag,
  protect: flag,
  seen,
  mustRearm: flag,
});

type WriteBody = Extract<PeerBody, { readonly kind: "write" }>;
type JsonBody = Exclude<PeerBody, WriteBody>;
interface JsonFrame extends Omit<PeerFrame, "body"> {
  readonly body: JsonBody;
}

const body: Check<JsonBody> = variants<JsonBody>({
  hello: { nonce: randomId, answers: orNull(randomId), view: helloView },
  opened: {},
  beat: { seq: count, vmBoot: orNull(vmBoot), seen },
  "beat-ok": {
    seq: count,
    promised: flag,
    gen: orNull(generation),
    right,
    vmBoot: orNull(vmBoot),
    intentsEmpty: flag,
    seen,
  },
  wrote: { upTo: count, sums: listOf(pairOf(count, uint32), WROTE_SUMS_MAX) },
  "clean-to": { number: count },
  cede: { gen: generation },
  ceded: { gen: generation },
  pair: { gen: generation, parent: generation },
  paired: { gen: generation },
  "not-now": { gen: generation },
  armed: { gen: generation, arbiter },
  bye: { reason: text },
});

const jsonFrame = shape<JsonFrame>({
  vm: name,
  session: orNull(randomId),
  number: count,
  from: orNull(randomId),
  body,
});

/** Layout of a write; the VM's name and the block follow the header. */
const AT = {
  vmLength: ENVELOPE_BYTES,
  flags: 6,
  zero: 7,
  session: 8,
  from: 8 + ID_BYTES,
  number: 40,
  write: 48,
  epoch: 56,
  cause: 64,
  lba: 72,
  volume: 76,
  reserved: 78,
  sum: 80,
  vm: 84,
} as const;

const HAS_SESSION = 1;
const HAS_FROM = 2;

export function encodePeerFrame(frame: PeerFrame): Uint8Array {
  const { body: content } = frame;
  return content.kind === "write"
    ? encodeWrite(frame, content)
    : encodeJson(FRAME_TYPE.peer, frame);
}

/** Never throws. A write's data is a copy, whose checksum is the one that the frame names. */
export function parsePeerFrame(bytes: Uint8Array): Parsed<PeerFrame> {
  const envelope = openEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const { type, frame } = envelope.value;
  if (type === FRAME_TYPE.peer) return parseJson(frame, jsonFrame);
  if (type === FRAME_TYPE.peerWrite) return parseWrite(frame);
  return refuse(`type ${type} is no peer frame`);
}

function encodeWrite(frame: PeerFrame, { write }: WriteBody): Uint8Array {
  const bytes = openFrame(
    FRAME_TYPE.peerWrite,
    AT.vm - ENVELOPE_BYTES + frame.vm.length + write.data.length,
  );
  bytes[AT.vmLength] = frame.vm.length;
  bytes[AT.flags] =
    (frame.session === null ? 0 : HAS_SESSION) | (frame.from === null ? 0 : HAS_FROM);
  if (frame.session !== null) putId(bytes, AT.session, frame.session);
  if (frame.from !== null) putId(bytes, AT.from, frame.from);
  putCount(bytes, AT.number, frame.number);
  putCount(bytes, AT.write, write.number);
  putCount(bytes, AT.epoch, write.epoch);
  putCount(bytes, AT.cause, write.cause);
  bytes.writeUInt32LE(write.lba, AT.lba);
  bytes.writeUInt16LE(write.volume, AT.volume);
  bytes.writeUInt32LE(write.sum, AT.sum);
  bytes.write(frame.vm, AT.vm, "latin1");
  bytes.set(write.data, AT.vm + frame.vm.length);
  return seal(bytes);
}

function parseWrite(frame: Buffer): Parsed<PeerFrame> {
  if (frame.length < AT.vm) return refuse("a write without its header");
  const vmLength = frame.readUInt8(AT.vmLength);
  const dataAt = AT.vm + vmLength;
  if (frame.length !== dataAt + BLOCK_SIZE) return refuse(`a write of ${frame.length} bytes`);
  const flags = frame.readUInt8(AT.flags);
  const isZero = frame.readUInt8(AT.zero) === 0 && frame.readUInt16LE(AT.reserved) === 0;
  if (flags > (HAS_SESSION | HAS_FROM) || !isZero) return refuse("wrong reserved bits");
  const vm = nameAt(frame, AT.vm, vmLength);
  if (!vm.ok) return vm;
  const counts = {
    number: countAt(frame, AT.number),
    write: countAt(frame, AT.write),
    epoch: countAt(frame, AT.epoch),
    cause: countAt(frame, AT.cause),
  };
  const unsafe = firstUnsafe(counts);
  if (unsafe !== null) return refuse(`wrong field ${unsafe}`);
  const data = ownBytes(frame, dataAt);
  const sum = frame.readUInt32LE(AT.sum);
  if (crc32(data) !== sum) return refuse("the block is not the one that was summed");
  const write = {
    number: counts.write,
    epoch: counts.epoch,
    cause: counts.cause,
    volume: frame.readUInt16LE(AT.volume),
    lba: frame.readUInt32LE(AT.lba),
    data,
    sum,
  };
  const session = optionalId(frame, AT.session, (flags & HAS_SESSION) !== 0);
  const from = optionalId(frame, AT.from, (flags & HAS_FROM) !== 0);
  if (!session.ok) return session;
  if (!from.ok) return from;
  return {
    ok: true,
    value: {
      vm: vm.value,
      session: session.value,
      number: counts.number,
      from: from.value,
      body: { kind: "write", write },
    },
  };
}

function optionalId(frame: Buffer, at: number, isSet: boolean): Parsed<string | null> {
  if (isSet) return { ok: true, value: idAt(frame, at) };
  const isZero = frame.subarray(at, at + ID_BYTES).every((byte) => byte === 0);
  return isZero ? { ok: true, value: null } : refuse("an id that is not there");
}
