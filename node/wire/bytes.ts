/** Fields of binary headers: little-endian integers, ids as 16 bytes, names as ASCII with their length elsewhere. */
import type { RandomId } from "../core/identity.ts";
import { BLOCK_SIZE } from "../core/units.ts";
import { name as nameCheck } from "./checks.ts";
import { type Parsed, refuse } from "./parsed.ts";

export const ID_BYTES = 16;
const WORD = 2 ** 32;

export function putId(frame: Buffer, at: number, id: RandomId): void {
  frame.write(id, at, ID_BYTES, "hex");
}

export function idAt(frame: Buffer, at: number): RandomId {
  return frame.toString("hex", at, at + ID_BYTES);
}

/** Unsigned 64-bit integer below 2^53. */
export function putCount(frame: Buffer, at: number, value: number): void {
  frame.writeUInt32LE(value % WORD, at);
  frame.writeUInt32LE(Math.floor(value / WORD), at + 4);
}

/** Not a safe integer when the bytes say more than 2^53. */
export function countAt(frame: Buffer, at: number): number {
  return frame.readUInt32LE(at) + frame.readUInt32LE(at + 4) * WORD;
}

/** First of `fields` that is no exact count; null: all are. */
export function firstUnsafe(fields: Readonly<Record<string, number>>): string | null {
  return Object.keys(fields).find((field) => !Number.isSafeInteger(fields[field])) ?? null;
}

export function nameAt(frame: Buffer, at: number, length: number): Parsed<string> {
  const text = frame.toString("latin1", at, at + length);
  return nameCheck(text) === null ? { ok: true, value: text } : refuse("wrong name");
}

/** Word of a code byte; null for a byte that means nothing. */
export function wordOf<Word>(words: readonly Word[], code: number): Word | null {
  return words[code] ?? null;
}

/** A block where it lies in its frame. */
export function viewBlock(frame: Buffer, from: number): Uint8Array {
  return new Uint8Array(frame.buffer, frame.byteOffset + from, BLOCK_SIZE);
}

/** A copy of a block, out of a slab (`Buffer.poolSize`), for one that outlives its frame. */
export function ownBlock(frame: Buffer, from: number): Uint8Array {
  const own = Buffer.allocUnsafe(BLOCK_SIZE);
  frame.copy(own, 0, from, from + BLOCK_SIZE);
  return new Uint8Array(own.buffer, own.byteOffset, BLOCK_SIZE);
}

/** A copy with a buffer of its own: a message from a socket is a view of a larger one. */
export function ownBytes(frame: Buffer, from: number): Uint8Array {
  return new Uint8Array(frame.subarray(from));
}
