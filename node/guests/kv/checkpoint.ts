/**
 * Checkpoints keep the log from filling its area. A checkpoint is a pass over all objects that appends each of them to the log once more,
 * unless the log holds it whole since the pass began. When the pass is over, a boot needs nothing older than its beginning: that place is
 * written into an anchor, and after the flush of the anchor the blocks before it are free.
 *
 * The work is spread: for each byte that clients log, the pass appends PACE bytes. Anchors take turns in two blocks, so a torn one leaves
 * the other. Nothing of a pass is between the records of a transaction, since those count only together. A boot goes on with the pass
 * that it finds begun: to begin another one would take room that was not seen to.
 */
import { block_write, flush } from "./abi";
import { shrinkGap } from "./changes";
import { finish, mixBytes } from "./hash";
import { Entry, entryAt, isEnd, keyOf, LIST, listOf, nodeAt, TEXT, valueOf } from "./heap";
import { BLOCK, BLOCK_BYTES, DIGITS, header, setArgument } from "./layout";
import { elementsIn, endByte, firstByte, seek } from "./lists";
import {
  commitLog,
  FREE_ARGUMENT,
  hasRoom,
  isLoggable,
  LIST_MORE,
  LIST_SAVED,
  logBytes,
  PASS,
  prepareLog,
  put,
  putTime,
  SET,
  SET_MORTAL,
  usedBlocks,
} from "./log";

/** States of a pass. */
const IDLE: u32 = 0;
const ON: u32 = 1;
/** All is appended; the anchor is missing. */
const DONE: u32 = 2;

export const ANCHOR_MAGIC: u32 = 0x414b4c46; // "FLKA"
/** Words of an anchor before its sum. */
export const ANCHOR_WORDS: u32 = 8;
/** Blocks of the two anchors: this and the next one. */
export const ANCHOR_LBA: u32 = 1;

/** Bytes that a pass appends for each byte of clients. */
const PACE: u32 = 2;
/** Clients' bytes after which the pass goes on although the entry is not over. */
const DEBT_MAX: u32 = 8192;
/** What it costs to pass over an object that need not be appended. Unit: bytes. */
const PASSED: i32 = 16;
/** A pass begins when so much of the log is used, and three times what lives; a quarter of the log is enough. */
const BEGIN_BYTES: u32 = 0x80000;
/** A longer list is saved in parts. */
const WHOLE_BYTES: u32 = 4096;
/** Elements of one part, unless a single one is longer. */
const PART_BYTES: u32 = 2048;
/** Rows of a list that one record holds: those of a whole list fit. */
const ROWS_MAX: u32 = 16;
/** Texts that one record of a pass holds. */
const TEXTS_MAX: u32 = 14;
/** Arguments of the records of a pass. */
const FIRST: u32 = FREE_ARGUMENT;

/** Whether a change whose records take so much may be made. Completes checkpoints at once if need be. */
export function mayLog(bytes: u32): bool {
  // Seen to before the transaction began.
  if (header().isGroup) return true;
  if (!isLoggable(bytes)) return false;
  if (hasRoom(bytes)) return true;
  completePass();
  if (hasRoom(bytes)) return true;
  completePass();
  return hasRoom(bytes);
}

/** To be called between two commands. */
@inline
export function payDebt(): void {
  if (header().debt >= DEBT_MAX) goOn();
}

/** Appends what the pass owes; begins one when it is time. */
export function goOn(): void {
  if (header().isGroup) return;
  const debt = header().debt;
  header().debt = 0;
  if (debt == 0) return;
  if (header().pass == IDLE && usedBlocks() * BLOCK_BYTES >= threshold() && hasRoom(0)) beginPass();
  if (header().pass == ON) save(debt * PACE);
}

/** To be called after a flush. */
export function endPassWhenDone(): void {
  if (header().pass == DONE) writeAnchor();
}

function completePass(): void {
  if (header().pass == IDLE) {
    if (!hasRoom(0)) return;
    beginPass();
  }
  if (header().pass == ON) save(i32.MAX_VALUE);
  commitLog();
  writeAnchor();
}

function threshold(): u32 {
  return min(max(BEGIN_BYTES, 3 * header().liveBytes), logBytes() >> 2);
}

function beginPass(): void {
  prepareLog();
  header().pass = ON;
  header().passFirst = header().sequence + 1;
  header().passChain = header().chain;
  header().passLba = header().tailLba;
  header().passUsed = header().tailUsed;
  header().colour ^= 1;
  header().cursor = header().heapBase;
  putTime(PASS);
}

/** A replay found the beginning of a pass that has no anchor. */
export function resumePass(): void {
  header().pass = ON;
  header().passFirst = header().sequence + 1;
  header().passChain = header().chain;
  header().passLba = header().logStart + header().replayAt / BLOCK_BYTES;
  header().passUsed = header().replayAt % BLOCK_BYTES;
  header().colour ^= 1;
}

/** Appends objects until it has appended `budget` bytes, or all. No object moves meanwhile. */
function save(budget: i32): void {
  while (budget > 0) {
    if (header().partial != 0) {
      budget -= savePart();
      continue;
    }
    if (header().cursor == header().heapTop) {
      header().pass = DONE;
      header().passLast = header().sequence;
      return;
    }
    const entry = entryAt(header().cursor);
    if (!isUnsaved(entry)) budget -= PASSED;
    else if (entry.kind == LIST) budget -= saveList(changetype<usize>(entry));
    else if (entry.expireAt != 0) budget -= saveMortal(entry);
    else budget -= saveTexts();
    header().cursor += entry.bytes;
  }
}

@inline
function isUnsaved(entry: Entry): bool {
  return (entry.kind == TEXT || entry.kind == LIST) && entry.colour != <u8>header().colour;
}

/** Texts that never expire, from the cursor on, in one record. */
function saveTexts(): i32 {
  let at = <usize>header().cursor;
  const top = <usize>header().heapTop;
  let count: u32 = 0;
  let bytes: u32 = 0;
  while (at < top && count < TEXTS_MAX && bytes < PART_BYTES) {
    const entry = entryAt(at);
    const next = at + entry.bytes;
    if (isUnsaved(entry)) {
      if (entry.kind == LIST || entry.expireAt != 0) break;
      entry.colour = <u8>header().colour;
      setArgument(FIRST + (count << 1), keyOf(at), entry.keyBytes);
      setArgument(FIRST + (count << 1) + 1, valueOf(at), entry.valueBytes);
      bytes += entry.keyBytes + entry.valueBytes;
      count++;
    }
    at = next;
  }
  return put(SET, FIRST, count << 1);
}

function saveMortal(entry: Entry): i32 {
  const at = changetype<usize>(entry);
  entry.colour = <u8>header().colour;
  setArgument(FIRST, at + offsetof<Entry>("expireAt"), 8);
  setArgument(FIRST + 1, keyOf(at), entry.keyBytes);
  setArgument(FIRST + 2, valueOf(at), entry.valueBytes);
  return put(SET_MORTAL, FIRST, 3);
}

/** A short list whole; of a longer one the beginning, without elements. */
function saveList(entry: usize): i32 {
  entryAt(entry).colour = <u8>header().colour;
  const list = listOf(entry);
  const isWhole = list.content <= WHOLE_BYTES;
  store<i64>(DIGITS, entryAt(entry).expireAt);
  store<u32>(DIGITS, header().passFirst, 8);
  store<u32>(DIGITS, isWhole ? 0 : list.count, 12);
  setArgument(FIRST, DIGITS, 16);
  setArgument(FIRST + 1, keyOf(entry), entryAt(entry).keyBytes);
  if (!isWhole) {
    header().partial = <u32>entry;
    header().gap = list.count;
    header().isGapMissing = 0;
    return put(LIST_SAVED, FIRST, 2);
  }
  let count: u32 = 2;
  for (let node = list.first; !isEnd(node); node = nodeAt(node).after) {
    const row = firstByte(nodeAt(node));
    setArgument(FIRST + count, row, <u32>(endByte(nodeAt(node)) - row));
    count++;
  }
  return put(LIST_SAVED, FIRST, count);
}

function savePart(): i32 {
  const list = listOf(header().partial);
  seek(list, list.count - header().gap);
  let node = header().foundNode;
  let row: usize = header().foundAt;
  store<u32>(DIGITS, header().passFirst);
  setArgument(FIRST, DIGITS, 4);
  let count: u32 = 1;
  let bytes: u32 = 0;
  let elements: u32 = 0;
  while (bytes < PART_BYTES && count <= ROWS_MAX) {
    const length = <u32>(endByte(nodeAt(node)) - row);
    setArgument(FIRST + count, row, length);
    count++;
    bytes += length;
    elements += elementsIn(row, length);
    node = nodeAt(node).after;
    if (isEnd(node)) break;
    row = firstByte(nodeAt(node));
  }
  const size = put(LIST_MORE, FIRST, count);
  shrinkGap(elements);
  return size;
}

/** Everything through the pass's last record is durable when the anchor is, since a flush lies between. */
function writeAnchor(): void {
  header().anchors++;
  memory.fill(BLOCK, 0, BLOCK_BYTES);
  store<u32>(BLOCK, ANCHOR_MAGIC);
  store<u32>(BLOCK, header().anchors, 4);
  store<u32>(BLOCK, header().passFirst, 8);
  store<u32>(BLOCK, header().passChain, 12);
  store<u32>(BLOCK, header().passLba, 16);
  store<u32>(BLOCK, header().passUsed, 20);
  store<u32>(BLOCK, header().passLast, 24);
  store<u32>(BLOCK, anchorSum(), ANCHOR_WORDS * 4);
  block_write(0, ANCHOR_LBA + (header().anchors & 1), BLOCK);
  flush();
  header().pass = IDLE;
  header().keepLba = header().passLba;
  header().wantsJump = wantsJump() ? 1 : 0;
}

/** Of the anchor in the scratch block. It begins with the superblock's, so that no anchor of an earlier use of the volume fits. */
export function anchorSum(): u32 {
  return finish(mixBytes(header().superSum, BLOCK, ANCHOR_WORDS * 4), ANCHOR_WORDS * 4);
}

/** When the free blocks at the beginning hold all that comes until the next pass is over. */
function wantsJump(): bool {
  if (header().tailLba < header().keepLba) return false;
  const free = (header().keepLba - header().logStart) * BLOCK_BYTES;
  return free > threshold() + 2 * header().liveBytes + BEGIN_BYTES / 2;
}
