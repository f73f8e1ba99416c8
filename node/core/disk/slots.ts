/** The record slots and the applied record as bytes (docs/disk-format.md). */
import type { RandomId } from "../identity.ts";
import { invariant } from "../invariant.ts";
import { SECTOR_SIZE } from "../units.ts";

/** CRC-32 of zlib; `seed` is the sum of the bytes before. */
export type Crc32 = (bytes: Uint8Array, seed?: number) => number;

export const SUPER_MAGIC = "FLSUPER1";
export const PAGE_MAGIC = "FLPAGE01";
const APPLIED_MAGIC = "FLAPPLY1";

const ID_SIZE = 16;
const WORD_SIZE = 4;
const WORD = 2 ** 32;
const HEAD_SIZE = 32;
const SUMMED_HEAD_SIZE = 20;
const APPLIED_SUM_OFFSET = 40;

export interface Slot {
  readonly sequence: number;
  readonly json: string;
}

export interface AppliedSlot {
  readonly sequence: number;
  readonly boot: RandomId;
  readonly number: number;
}

/** @returns whole sectors, no more than the text needs: what lies behind it in the slot is never read */
export function encodeSlot(crc32: Crc32, magic: string, slot: Slot, size: number): Uint8Array {
  const body = new TextEncoder().encode(slot.json);
  const length = HEAD_SIZE + body.length;
  invariant(length <= size, "a record fits its slot");
  const bytes = new Uint8Array(Math.ceil(length / SECTOR_SIZE) * SECTOR_SIZE);
  const view = new DataView(bytes.buffer);
  putText(bytes, magic);
  putCount(view, 8, slot.sequence);
  view.setUint32(16, body.length, true);
  view.setUint32(20, crc32(body, crc32(bytes.subarray(0, SUMMED_HEAD_SIZE))), true);
  bytes.set(body, HEAD_SIZE);
  return bytes;
}

/** Null: not valid. */
export function decodeSlot(crc32: Crc32, magic: string, bytes: Uint8Array): Slot | null {
  if (!startsWith(bytes, magic)) return null;
  const view = viewOf(bytes);
  const length = view.getUint32(16, true);
  if (HEAD_SIZE + length > bytes.length) return null;
  const body = bytes.subarray(HEAD_SIZE, HEAD_SIZE + length);
  const sum = crc32(body, crc32(bytes.subarray(0, SUMMED_HEAD_SIZE)));
  if (sum !== view.getUint32(20, true)) return null;
  return { sequence: Number(view.getBigUint64(8, true)), json: new TextDecoder().decode(body) };
}

/** @param bytes a sector that held nothing but such records; it is returned */
export function encodeApplied(
  crc32: Crc32,
  applied: AppliedSlot,
  bytes: Uint8Array = new Uint8Array(SECTOR_SIZE),
): Uint8Array {
  const view = viewOf(bytes);
  putText(bytes, APPLIED_MAGIC);
  putCount(view, 8, applied.sequence);
  putId(bytes, 16, applied.boot);
  putCount(view, 32, applied.number);
  view.setUint32(APPLIED_SUM_OFFSET, crc32(bytes.subarray(0, APPLIED_SUM_OFFSET)), true);
  return bytes;
}

/** Null: not valid. */
export function decodeApplied(crc32: Crc32, bytes: Uint8Array): AppliedSlot | null {
  if (!startsWith(bytes, APPLIED_MAGIC)) return null;
  const view = viewOf(bytes);
  const sum = crc32(bytes.subarray(0, APPLIED_SUM_OFFSET));
  if (sum !== view.getUint32(APPLIED_SUM_OFFSET, true)) return null;
  return {
    sequence: Number(view.getBigUint64(8, true)),
    boot: idOfBytes(bytes.subarray(16, 32)),
    number: Number(view.getBigUint64(32, true)),
  };
}

/** The valid slot with the higher sequence; null when none is valid. */
export function newest<T extends { readonly sequence: number }>(
  slots: readonly (T | null)[],
): T | null {
  let found: T | null = null;
  for (const slot of slots) {
    if (slot !== null && (found === null || slot.sequence > found.sequence)) found = slot;
  }
  return found;
}

/** All bytes are zero. Looked at by words: a blank disk is formatted, and a young volume read, at every boot. */
export function isBlank(bytes: Uint8Array): boolean {
  const { buffer, byteOffset, length } = bytes;
  const words = byteOffset % WORD_SIZE === 0 ? Math.floor(length / WORD_SIZE) : 0;
  const view = new Uint32Array(buffer, words === 0 ? 0 : byteOffset, words);
  for (let index = 0; index < words; index += 1) if (view[index] !== 0) return false;
  for (let at = WORD_SIZE * words; at < length; at += 1) if (bytes[at] !== 0) return false;
  return true;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function startsWith(bytes: Uint8Array, magic: string): boolean {
  for (let index = 0; index < magic.length; index += 1) {
    if (bytes[index] !== magic.charCodeAt(index)) return false;
  }
  return true;
}

/** Unsigned 64-bit integer below 2^53. */
function putCount(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % WORD, true);
  view.setUint32(at + 4, Math.floor(value / WORD), true);
}

/** ASCII. */
function putText(bytes: Uint8Array, text: string): void {
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
}

function putId(bytes: Uint8Array, at: number, id: RandomId): void {
  invariant(id.length === 2 * ID_SIZE, "a random id has 32 hexadecimal digits");
  for (let index = 0; index < ID_SIZE; index += 1) {
    bytes[at + index] = 16 * digitAt(id, 2 * index) + digitAt(id, 2 * index + 1);
  }
}

function digitAt(id: RandomId, index: number): number {
  const code = id.charCodeAt(index);
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  invariant(code >= 0x61 && code <= 0x66, "a random id has hexadecimal digits");
  return code - 0x61 + 10;
}

function idOfBytes(bytes: Uint8Array): RandomId {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
