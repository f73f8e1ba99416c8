/** The record slots and the applied record as bytes (docs/disk-format.md). */
import type { RandomId } from "../identity.ts";
import { invariant } from "../invariant.ts";
import { SECTOR_SIZE } from "../units.ts";

/** CRC-32 of zlib; `seed` is the sum of the bytes before. */
export type Crc32 = (bytes: Uint8Array, seed?: number) => number;

export const SUPER_MAGIC = "FLSUPER1";
export const PAGE_MAGIC = "FLPAGE01";
const APPLIED_MAGIC = "FLAPPLY1";

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
  bytes.set(new TextEncoder().encode(magic), 0);
  view.setBigUint64(8, BigInt(slot.sequence), true);
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

export function encodeApplied(crc32: Crc32, applied: AppliedSlot): Uint8Array {
  const bytes = new Uint8Array(SECTOR_SIZE);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(APPLIED_MAGIC), 0);
  view.setBigUint64(8, BigInt(applied.sequence), true);
  bytes.set(bytesOfId(applied.boot), 16);
  view.setBigUint64(32, BigInt(applied.number), true);
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

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function startsWith(bytes: Uint8Array, magic: string): boolean {
  return new TextEncoder().encode(magic).every((byte, index) => bytes[index] === byte);
}

function bytesOfId(id: RandomId): Uint8Array {
  invariant(/^[0-9a-f]{32}$/.test(id), "a random id has 32 hexadecimal digits");
  return Uint8Array.from({ length: 16 }, (_, index) =>
    Number.parseInt(id.slice(2 * index, 2 * index + 2), 16),
  );
}

function idOfBytes(bytes: Uint8Array): RandomId {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
