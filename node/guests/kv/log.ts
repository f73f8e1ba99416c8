/**
 * The write-ahead log on volume 0. A record is {length of the body, sum, sequence number} and a body {operation, arguments}; all are
 * whole words. The tail block is rewritten in place as it fills: what it held before stays the same byte by byte, so a torn write
 * cannot hurt an older record.
 *
 * Each sum starts from the sum before it, and the first record of a boot holds random bytes. Otherwise: 1. records n and n + 1
 * are written, the power fails, n + 1 alone survives. 2. The next boot writes n again, perhaps with equal content. 3. The power
 * fails again, and the boot after takes the old n + 1 for a successor.
 *
 * The log's area is a ring; checkpoint.ts moves on the block from which it must be kept.
 */
import { block_write, flush } from "./abi";
import { guestTime } from "./clock";
import { finish, mixBytes, mixWord } from "./hash";
import { savedBytes } from "./heap";
import {
  argumentAt,
  argumentBytes,
  BLOCK,
  BLOCK_BYTES,
  Header,
  HEADER,
  header,
  LAYOUT_VERSION,
  MAGIC,
  setArgument,
  SPARE,
  TAIL,
} from "./layout";
import { fail } from "./text";

/** Operations; docs/guest-kv.md lists their arguments. */
export const SET: u32 = 1;
export const DELETE: u32 = 2;
export const PUSH_RIGHT: u32 = 3;
/** First record of a boot. */
export const BOOT: u32 = 4;
export const PUSH_LEFT: u32 = 5;
export const DROP_RIGHT: u32 = 6;
export const DROP_LEFT: u32 = 7;
export const APPEND: u32 = 8;
export const EXPIRE: u32 = 9;
/** A text with an expiry. */
export const SET_MORTAL: u32 = 10;
export const CLEAR: u32 = 11;
/** Guest time from here on. */
export const TIME: u32 = 12;
/** The same, and a checkpoint begins. */
export const PASS: u32 = 17;
/** The next record stands at the beginning of the log's area. */
export const JUMP: u32 = 13;
/** Ends a transaction. */
export const COMMIT: u32 = 14;
/** A checkpoint's list, or the beginning of one. */
export const LIST_SAVED: u32 = 15;
/** What follows of it. */
export const LIST_MORE: u32 = 16;

/** Flags beside the operation. */
export const IN_GROUP: u32 = 0x100;
/** The key did not exist before. */
export const CREATES: u32 = 0x200;

export const RECORD_HEAD: u32 = 12;
/** Words of the superblock before its sum. */
export const SUPERBLOCK_WORDS: u32 = 6;
/** Arguments of records that come before the one which is put, so none is another's. */
const SALT: u32 = SPARE;
const CLOCK: u32 = SPARE + 1;
/** Those from here on are for whoever puts. */
export const FREE_ARGUMENT: u32 = SPARE + 2;
/** What goes with records and is not counted with them: those of boot, time, jump and transaction, and blocks begun. */
const SLACK: u32 = 2 * BLOCK_BYTES;
/** A record, or all of a transaction, is at most a quarter of the log. */
const SHARE_SHIFT: u32 = 2;

/** Size of a record with `count` arguments from `first` on. */
export function recordBytes(first: u32, count: u32): u32 {
  let bytes: u32 = RECORD_HEAD + 4;
  for (let i = first; i < first + count; i++) bytes += 4 + wholeWords(argumentBytes(i));
  return bytes;
}

@inline
export function logBytes(): u32 {
  return (header().logEnd - header().logStart) * BLOCK_BYTES;
}

/** Blocks from the oldest record that a boot needs to the tail, which is one of them. */
@inline
export function usedBlocks(): u32 {
  const tail = header().tailLba;
  const keep = header().keepLba;
  if (tail >= keep) return tail - keep + 1;
  return header().turnLba - keep + (tail - header().logStart) + 1;
}

/**
 * Whether a change whose records take so much can be logged, with room left for a checkpoint of all that lives. A jump leaves blocks
 * unused, so what is free is counted from the tail on, not from what is used.
 */
export function hasRoom(bytes: u32): bool {
  const tail = header().tailLba;
  const keep = header().keepLba;
  const blocks =
    tail < keep ? keep - tail - 1 : header().logEnd - tail - 1 + (keep - header().logStart);
  const needed = <u64>bytes + bytes + savedBytes(header().liveBytes, header().keys) + SLACK;
  return needed <= <u64>blocks * BLOCK_BYTES;
}

/** False: no checkpoint could make room for it. */
@inline
export function isLoggable(bytes: u32): bool {
  return bytes <= logBytes() >> SHARE_SHIFT;
}

/** Appends arguments `first` and on as one record of a client's change. Durable only after the next `commitLog`. */
export function log(operation: u32, first: u32, count: u32): void {
  if (header().mortals > 0) logTime();
  header().debt += put(operation, first, count);
}

/** Guest time, unless it stands there already: whatever sets or ends a time to live comes after it. */
export function logTime(): void {
  if (guestTime() != header().loggedTime) header().debt += putTime(TIME);
}

export function putTime(operation: u32): u32 {
  header().loggedTime = guestTime();
  setArgument(CLOCK, HEADER + offsetof<Header>("loggedTime"), 8);
  return put(operation, CLOCK, 1);
}

/** From here on records are those of one transaction. */
export function beginGroup(): void {
  header().isGroup = 1;
  header().groupFirst = header().sequence;
}

export function endGroup(): void {
  header().isGroup = 0;
  if (header().sequence != header().groupFirst) header().debt += put(COMMIT, 0, 0);
}

/** Appends a record; returns its size. */
export function put(operation: u32, first: u32, count: u32): u32 {
  prepareLog();
  return append(operation, first, count);
}

/** After it the next record stands at the tail. */
export function prepareLog(): void {
  if (header().wantsJump) jump();
  if (!header().isLogOpen) openLog();
}

/** Writes what is left in the tail and flushes, once for all records since the last time. */
export function commitLog(): void {
  if (!header().isLogDirty) return;
  header().isLogDirty = 0;
  if (header().tailUsed > 0) block_write(0, header().tailLba, TAIL);
  flush();
}

/** Sum of a record so far: its length and sequence number, after the record before it. */
@inline
export function sumOfHead(body: u32): u32 {
  return mixWord(mixWord(header().chain, body), header().sequence + 1);
}

function openLog(): void {
  header().isLogOpen = 1;
  if (header().needsFormat) {
    header().needsFormat = 0;
    writeSuperblock();
  }
  setArgument(SALT, HEADER + offsetof<Header>("salt"), 8);
  append(BOOT, SALT, 1);
}

/** Its sum is where the chain begins; the salt keeps records of an earlier use of the volume out of it. */
function writeSuperblock(): void {
  memory.fill(BLOCK, 0, BLOCK_BYTES);
  store<u32>(BLOCK, MAGIC);
  store<u32>(BLOCK, LAYOUT_VERSION, 4);
  store<u32>(BLOCK, header().logStart, 8);
  store<u32>(BLOCK, header().logEnd - header().logStart, 12);
  store<u64>(BLOCK, header().salt, 16);
  header().superSum = superblockSum();
  header().chain = header().superSum;
  store<u32>(BLOCK, header().superSum, SUPERBLOCK_WORDS * 4);
  block_write(0, 0, BLOCK);
}

export function superblockSum(): u32 {
  return finish(mixBytes(0, BLOCK, SUPERBLOCK_WORDS * 4), SUPERBLOCK_WORDS * 4);
}

/** What lies between is free, and stays so until the tail comes by again: a small log keeps to few blocks. */
function jump(): void {
  header().wantsJump = 0;
  append(JUMP, 0, 0);
  if (header().tailUsed > 0) {
    block_write(0, header().tailLba, TAIL);
    header().tailLba++;
  }
  turn();
  header().tailUsed = 0;
  memory.fill(TAIL, 0, BLOCK_BYTES);
}

function append(operation: u32, first: u32, count: u32): u32 {
  const bytes = recordBytes(first, count);
  const body = bytes - RECORD_HEAD;
  const head = operation | (header().isGroup ? IN_GROUP : 0) | (count << 16);
  let sum = mixWord(sumOfHead(body), head);
  for (let i = first; i < first + count; i++) {
    sum = mixBytes(mixWord(sum, argumentBytes(i)), argumentAt(i), argumentBytes(i));
  }
  header().isLogDirty = 1;
  header().sequence++;
  header().chain = finish(sum, bytes);
  putWord(body);
  putWord(header().chain);
  putWord(header().sequence);
  putWord(head);
  for (let i = first; i < first + count; i++) {
    putWord(argumentBytes(i));
    putBytes(argumentAt(i), argumentBytes(i));
  }
  return bytes;
}

/** The tail goes on at the beginning of the area. */
function turn(): void {
  header().turnLba = header().tailLba;
  header().tailLba = header().logStart;
}

/** Words never straddle blocks, since all records are whole words. */
function putWord(word: u32): void {
  store<u32>(TAIL + header().tailUsed, word);
  advance(4);
}

function putBytes(source: usize, bytes: u32): void {
  let left = wholeWords(bytes);
  while (left > 0) {
    const room = min(BLOCK_BYTES - header().tailUsed, left);
    memory.copy(TAIL + header().tailUsed, source, min(room, bytes));
    source += room;
    bytes -= min(room, bytes);
    left -= room;
    advance(room);
  }
}

function advance(bytes: u32): void {
  header().tailUsed += bytes;
  if (header().tailUsed < BLOCK_BYTES) return;
  block_write(0, header().tailLba, TAIL);
  header().tailLba++;
  if (header().tailLba == header().logEnd) turn();
  if (header().tailLba == header().keepLba) fail("the log is full");
  header().tailUsed = 0;
  memory.fill(TAIL, 0, BLOCK_BYTES);
}

@inline
export function wholeWords(bytes: u32): u32 {
  return (bytes + 3) & ~3;
}
