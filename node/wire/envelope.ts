/**
 * What all binary frames have in common (docs/wire.md): a CRC-32 over everything after it, a type byte, then JSON or a header with payload.
 * The checksum is there because bytes vanish on a cut link: what follows them would otherwise be read as something else.
 */
import { crc32 } from "node:zlib";
import { invariant } from "../core/invariant.ts";
import type { Check } from "./checks.ts";
import { type Parsed, refuse } from "./parsed.ts";

/** Most bytes of a payload, and of a frame's JSON. */
export const PAYLOAD_BYTES_MAX = 65_536;
/** Bytes of checksum and type. */
export const ENVELOPE_BYTES = 5;
/** Most bytes of a frame; a longer one ends the connection. */
export const FRAME_BYTES_MAX = PAYLOAD_BYTES_MAX + 512;

const TYPE_AT = 4;

/** Type bytes of all channels: none means two things, so a frame on the wrong channel is refused. */
export const FRAME_TYPE = {
  peer: 0x01,
  peerWrite: 0x02,
  peerCopy: 0x03,
  peerFetched: 0x04,
  quorumRequest: 0x11,
  quorumAnswer: 0x12,
  toSwitch: 0x21,
  toSwitchData: 0x22,
  fromSwitch: 0x31,
  fromSwitchClient: 0x32,
  trunk: 0x41,
  trunkFrom: 0x42,
  trunkTo: 0x43,
} as const;

/**
 * Room for a frame with `size` bytes after the type; `seal` finishes it. Zeros up to `payloadAt`, where the part begins that the caller fills
 * whole; default: everywhere.
 */
export function openFrame(type: number, size: number, payloadAt = ENVELOPE_BYTES + size): Buffer {
  invariant(size <= FRAME_BYTES_MAX - ENVELOPE_BYTES, "a frame fits into its limit");
  const frame = Buffer.allocUnsafe(ENVELOPE_BYTES + size).fill(0, 0, payloadAt);
  frame[TYPE_AT] = type;
  return frame;
}

/** Writes the checksum: the last thing done to a frame. */
export function seal(frame: Buffer): Buffer {
  frame.writeUInt32LE(crc32(frame.subarray(TYPE_AT)), 0);
  return frame;
}

/** The frame's type, once length and checksum hold. */
export function openEnvelope(
  bytes: Uint8Array,
): Parsed<{ readonly type: number; readonly frame: Buffer }> {
  if (bytes.length < ENVELOPE_BYTES) return refuse(`${bytes.length} bytes are no frame`);
  if (bytes.length > FRAME_BYTES_MAX) return refuse(`${bytes.length} bytes are above the limit`);
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.readUInt32LE(0) !== crc32(frame.subarray(TYPE_AT))) return refuse("wrong checksum");
  return { ok: true, value: { type: frame.readUInt8(TYPE_AT), frame } };
}

export function encodeJson(type: number, value: object): Buffer {
  const json = JSON.stringify(value);
  const frame = openFrame(type, Buffer.byteLength(json));
  frame.write(json, ENVELOPE_BYTES);
  return seal(frame);
}

/** Reads and checks the JSON of a frame whose envelope holds. */
export function parseJson<Value>(frame: Buffer, check: Check<Value>): Parsed<Value> {
  let value: unknown;
  try {
    value = JSON.parse(frame.toString("utf8", ENVELOPE_BYTES));
  } catch {
    // The parser's message quotes the frame.
    return refuse("no JSON");
  }
  const wrong = check(value);
  if (wrong !== null) return refuse(wrong === "" ? "wrong value" : `wrong field ${wrong}`);
  return { ok: true, value: value as Value };
}
