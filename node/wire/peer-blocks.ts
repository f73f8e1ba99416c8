/**
 * Frames between two hosts that carry blocks: one header for all, then the blocks. docs/wire.md has the offsets. A block that goes to the disk at once is
 * a view of what arrived, for a copy would live no longer.
 */
import { crc32 } from "node:zlib";
import type { RandomId } from "../core/identity.ts";
import { COPY_MAX, type CopiedBlock, type PeerBody, type PeerFrame } from "../core/pair/frames.ts";
import { BLOCK_SIZE } from "../core/units.ts";
import {
  countAt,
  firstUnsafe,
  ID_BYTES,
  idAt,
  nameAt,
  ownBlock,
  putCount,
  putId,
  viewBlock,
} from "./bytes.ts";
import { ENVELOPE_BYTES, FRAME_TYPE, openFrame, seal } from "./envelope.ts";
import { type Parsed, refuse } from "./parsed.ts";

type BodyOf<Kind extends PeerBody["kind"]> = Extract<PeerBody, { readonly kind: Kind }>;

/** Header of every frame; what follows depends on the type. */
const AT = {
  vmLength: ENVELOPE_BYTES,
  flags: 6,
  zero: 7,
  session: 8,
  from: 8 + ID_BYTES,
  number: 40,
  end: 48,
} as const;

const HAS_SESSION = 1;
const HAS_FROM = 2;

type Head = Omit<PeerFrame, "body">;

/** Whatever lies behind the VM's name is for the caller to fill whole. */
function open(type: number, frame: PeerFrame, size: number, nameOffset: number): Buffer {
  const bytes = openFrame(type, size - ENVELOPE_BYTES, nameOffset);
  bytes.write(frame.vm, nameOffset, "latin1");
  bytes[AT.vmLength] = frame.vm.length;
  bytes[AT.flags] =
    (frame.session === null ? 0 : HAS_SESSION) | (frame.from === null ? 0 : HAS_FROM);
  if (frame.session !== null) putId(bytes, AT.session, frame.session);
  if (frame.from !== null) putId(bytes, AT.from, frame.from);
  putCount(bytes, AT.number, frame.number);
  return bytes;
}

/** @param nameOffset where the VM's name lies */
function headOf(frame: Buffer, nameOffset: number): Parsed<Head> {
  const flags = frame.readUInt8(AT.flags);
  if (flags > (HAS_SESSION | HAS_FROM) || frame.readUInt8(AT.zero) !== 0)
    return refuse("wrong reserved bits");
  const number = countAt(frame, AT.number);
  if (firstUnsafe({ number }) !== null) return refuse("wrong field number");
  const vm = nameAt(frame, nameOffset, frame.readUInt8(AT.vmLength));
  if (!vm.ok) return vm;
  const session = optionalId(frame, AT.session, (flags & HAS_SESSION) !== 0);
  const from = optionalId(frame, AT.from, (flags & HAS_FROM) !== 0);
  if (!session.ok) return session;
  if (!from.ok) return from;
  return {
    ok: true,
    value: { vm: vm.value, session: session.value, number, from: from.value },
  };
}

function optionalId(frame: Buffer, at: number, isSet: boolean): Parsed<RandomId | null> {
  if (isSet) return { ok: true, value: idAt(frame, at) };
  const isZero = frame.subarray(at, at + ID_BYTES).every((byte) => byte === 0);
  return isZero ? { ok: true, value: null } : refuse("an id that is not there");
}

const WRITE = {
  write: 48,
  epoch: 56,
  cause: 64,
  lba: 72,
  volume: 76,
  flags: 78,
  sum: 80,
  vm: 84,
} as const;
const IS_MORE_DUE = 1;

export function encodeWrite(frame: PeerFrame, { write, isMoreDue }: BodyOf<"write">): Uint8Array {
  const size = WRITE.vm + frame.vm.length + write.data.length;
  const bytes = open(FRAME_TYPE.peerWrite, frame, size, WRITE.vm);
  putCount(bytes, WRITE.write, write.number);
  putCount(bytes, WRITE.epoch, write.epoch);
  putCount(bytes, WRITE.cause, write.cause);
  bytes.writeUInt32LE(write.lba, WRITE.lba);
  bytes.writeUInt16LE(write.volume, WRITE.volume);
  bytes.writeUInt16LE(isMoreDue ? IS_MORE_DUE : 0, WRITE.flags);
  bytes.writeUInt32LE(write.sum, WRITE.sum);
  bytes.set(write.data, WRITE.vm + frame.vm.length);
  return seal(bytes);
}

export function parseWrite(frame: Buffer): Parsed<PeerFrame> {
  if (frame.length < WRITE.vm) return refuse("a write without its header");
  const dataAt = WRITE.vm + frame.readUInt8(AT.vmLength);
  if (frame.length !== dataAt + BLOCK_SIZE) return refuse(`a write of ${frame.length} bytes`);
  const flags = frame.readUInt16LE(WRITE.flags);
  if (flags > IS_MORE_DUE) return refuse("wrong reserved bits");
  const head = headOf(frame, WRITE.vm);
  if (!head.ok) return head;
  const counts = {
    write: countAt(frame, WRITE.write),
    epoch: countAt(frame, WRITE.epoch),
    cause: countAt(frame, WRITE.cause),
  };
  const unsafe = firstUnsafe(counts);
  if (unsafe !== null) return refuse(`wrong field ${unsafe}`);
  const data = viewBlock(frame, dataAt);
  const sum = frame.readUInt32LE(WRITE.sum);
  if (crc32(data) !== sum) return refuse("the block is not the one that was summed");
  const write = {
    number: counts.write,
    epoch: counts.epoch,
    cause: counts.cause,
    volume: frame.readUInt16LE(WRITE.volume),
    lba: frame.readUInt32LE(WRITE.lba),
    data,
    sum,
  };
  const body = { kind: "write", write, isMoreDue: flags === IS_MORE_DUE } as const;
  return { ok: true, value: { ...head.value, body } };
}

const COPY = { volume: 48, count: 50, flags: 51, vm: 52 } as const;
/** Of one block before its data: address and sum. */
const ENTRY_BYTES = 8;

export function encodeCopy(frame: PeerFrame, { volume, blocks }: BodyOf<"copy">): Uint8Array {
  return encodeBlocks(FRAME_TYPE.peerCopy, frame, volume, blocks);
}

function encodeBlocks(
  type: number,
  frame: PeerFrame,
  volume: number,
  blocks: readonly CopiedBlock[],
): Uint8Array {
  const size = COPY.vm + frame.vm.length + blocks.length * (ENTRY_BYTES + BLOCK_SIZE);
  const bytes = open(type, frame, size, COPY.vm);
  bytes.writeUInt16LE(volume, COPY.volume);
  bytes[COPY.count] = blocks.length;
  let at = COPY.vm + frame.vm.length;
  for (const { lba, sum, data } of blocks) {
    bytes.writeUInt32LE(lba, at);
    bytes.writeUInt32LE(sum, at + 4);
    bytes.set(data, at + ENTRY_BYTES);
    at += ENTRY_BYTES + BLOCK_SIZE;
  }
  return seal(bytes);
}

export function parseCopy(frame: Buffer): Parsed<PeerFrame> {
  const parsed = parseBlocks(frame, viewBlock);
  if (!parsed.ok) return parsed;
  const { head, volume, blocks } = parsed.value;
  if (frame.readUInt8(COPY.flags) !== 0) return refuse("wrong reserved bits");
  return { ok: true, value: { ...head, body: { kind: "copy", volume, blocks } } };
}

interface Blocks {
  readonly head: Head;
  readonly volume: number;
  readonly blocks: readonly CopiedBlock[];
}

function parseBlocks(
  frame: Buffer,
  take: (frame: Buffer, from: number) => Uint8Array,
): Parsed<Blocks> {
  if (frame.length < COPY.vm) return refuse("blocks without their header");
  const count = frame.readUInt8(COPY.count);
  if (count > COPY_MAX) return refuse(`${count} blocks in one frame`);
  const start = COPY.vm + frame.readUInt8(AT.vmLength);
  if (frame.length !== start + count * (ENTRY_BYTES + BLOCK_SIZE))
    return refuse(`${count} blocks in ${frame.length} bytes`);
  const head = headOf(frame, COPY.vm);
  if (!head.ok) return head;
  const blocks: CopiedBlock[] = [];
  for (let at = start; at < frame.length; at += ENTRY_BYTES + BLOCK_SIZE) {
    const sum = frame.readUInt32LE(at + 4);
    const data = take(frame, at + ENTRY_BYTES);
    if (crc32(data) !== sum) return refuse("a block is not the one that was summed");
    blocks.push({ lba: frame.readUInt32LE(at), sum, data });
  }
  return {
    ok: true,
    value: { head: head.value, volume: frame.readUInt16LE(COPY.volume), blocks },
  };
}

/** Flag of a `fetched` without a block: its only entry carries the address, and zeros. */
const IS_MISSING = 1;

export function encodeFetched(frame: PeerFrame, body: BodyOf<"fetched">): Uint8Array {
  const { volume, lba, block } = body;
  const content = block ?? { lba, sum: ZERO_SUM, data: ZEROS };
  const bytes = Buffer.from(encodeBlocks(FRAME_TYPE.peerFetched, frame, volume, [content]));
  if (block !== null) return bytes;
  bytes[COPY.flags] = IS_MISSING;
  return seal(bytes);
}

const ZEROS = new Uint8Array(BLOCK_SIZE);
const ZERO_SUM = crc32(ZEROS);

export function parseFetched(frame: Buffer): Parsed<PeerFrame> {
  const parsed = parseBlocks(frame, ownBlock);
  if (!parsed.ok) return parsed;
  const { head, volume, blocks } = parsed.value;
  const [block] = blocks;
  const flags = frame.readUInt8(COPY.flags);
  if (block === undefined || blocks.length !== 1 || flags > IS_MISSING)
    return refuse("a fetched frame has one block");
  return {
    ok: true,
    value: {
      ...head,
      body: { kind: "fetched", volume, lba: block.lba, block: flags === IS_MISSING ? null : block },
    },
  };
}
