/**
 * The write-ahead log on volume 0. A record is {length of the body, sum, sequence number} and a body {operation, arguments}; all are
 * whole words. The tail block is rewritten in place as it fills: what it held before stays the same byte by byte, so a torn write
 * cannot hurt an older record.
 *
 * Each sum starts from the sum before it, and the first record of a boot holds random bytes. Otherwise: 1. records n and n + 1
 * are written, the power fails, n + 1 alone survives. 2. The next boot writes n again, perhaps with equal content. 3. The power
 * fails again, and the boot after takes the old n + 1 for a successor.
 */
import { block_write, flush } from "./abi";
import { finish, mixBytes, mixWord } from "./hash";
import {
  argumentAt,
  argumentBytes,
  BLOCK,
  BLOCK_BYTES,
  header,
  LAYOUT_VERSION,
  MAGIC,
  TAIL,
} from "./layout";

export const SET: u32 = 1;
export const DELETE: u32 = 2;
export const APPEND: u32 = 3;
/** First record of a boot; its argument is the salt. */
export const BOOT: u32 = 4;

export const RECORD_HEAD: u32 = 12;
const SALT_BYTES: u32 = 8;
const BOOT_BODY: u32 = 4 + 4 + SALT_BYTES;
/** Words of the superblock before its sum. */
export const SUPERBLOCK_WORDS: u32 = 8;

/** Size of the body of a record with `count` arguments from `first` on. */
export function bodyBytes(first: u32, count: u32): u32 {
  let bytes: u32 = 4;
  for (let i = first; i < first + count; i++) bytes += 4 + wholeWords(argumentBytes(i));
  return bytes;
}

/** Asked before a change is made: what cannot be logged must not happen. */
export function hasRoom(body: u32): bool {
  let needed: u64 = RECORD_HEAD + body;
  if (!header().isLogOpen) needed += RECORD_HEAD + BOOT_BODY;
  const free = <u64>(header().logEnd - header().tailLba) * BLOCK_BYTES - header().tailUsed;
  return needed <= free;
}

/** Appends arguments `first` and on as one record. Durable only after the next `commitLog`. */
export function log(operation: u32, first: u32, count: u32): void {
  if (!header().isLogOpen) openLog();
  const body = bodyBytes(first, count);
  const head = operation | (count << 16);
  let sum = mixWord(sumOfHead(body), head);
  for (let i = first; i < first + count; i++) {
    sum = mixBytes(mixWord(sum, argumentBytes(i)), argumentAt(i), argumentBytes(i));
  }
  putHead(body, sum);
  putWord(head);
  for (let i = first; i < first + count; i++) {
    putWord(argumentBytes(i));
    putBytes(argumentAt(i), argumentBytes(i));
  }
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
    writeSuperblock();
    header().needsFormat = 0;
  }
  const low = <u32>header().salt;
  const high = <u32>(header().salt >> 32);
  const head = BOOT | (1 << 16);
  let sum = mixWord(mixWord(sumOfHead(BOOT_BODY), head), SALT_BYTES);
  sum = mixWord(mixWord(sum, low), high);
  putHead(BOOT_BODY, sum);
  putWord(head);
  putWord(SALT_BYTES);
  putWord(low);
  putWord(high);
}

/** Its sum is where the chain begins; the salt keeps records of an earlier use of the volume out of it. */
function writeSuperblock(): void {
  memory.fill(BLOCK, 0, BLOCK_BYTES);
  store<u32>(BLOCK, MAGIC);
  store<u32>(BLOCK, LAYOUT_VERSION, 4);
  store<u32>(BLOCK, header().checkpointStart, 8);
  store<u32>(BLOCK, header().checkpointBlocks, 12);
  store<u32>(BLOCK, header().logStart, 16);
  store<u32>(BLOCK, header().logEnd - header().logStart, 20);
  store<u64>(BLOCK, header().salt, 24);
  header().chain = superblockSum();
  store<u32>(BLOCK, header().chain, 32);
  block_write(0, 0, BLOCK);
}

export function superblockSum(): u32 {
  return finish(mixBytes(0, BLOCK, SUPERBLOCK_WORDS * 4), SUPERBLOCK_WORDS * 4);
}

function putHead(body: u32, mixed: u32): void {
  header().isLogDirty = 1;
  header().sequence++;
  header().chain = finish(mixed, RECORD_HEAD + body);
  putWord(body);
  putWord(header().chain);
  putWord(header().sequence);
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
  header().tailUsed = 0;
  memory.fill(TAIL, 0, BLOCK_BYTES);
}

@inline
export function wholeWords(bytes: u32): u32 {
  return (bytes + 3) & ~3;
}
