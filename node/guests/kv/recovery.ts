/**
 * What a boot makes of volume 0. A blank one is formatted, but only with the first change, so that a machine that is merely looked
 * at writes nothing. Otherwise the log is replayed from the last checkpoint up to the first record that does not follow: torn, lost or
 * never written.
 */
import { block_count, block_read, flush, random } from "./abi";
import { ANCHOR_LBA, ANCHOR_MAGIC, ANCHOR_WORDS, anchorSum } from "./checkpoint";
import { finish, mixBytes } from "./hash";
import {
  BLOCK,
  BLOCK_BYTES,
  DIGITS,
  header,
  INPUT,
  INPUT_BYTES,
  LAYOUT_VERSION,
  MAGIC,
  PENDING,
  TAIL,
} from "./layout";
import {
  COMMIT,
  IN_GROUP,
  JUMP,
  logBytes,
  RECORD_HEAD,
  sumOfHead,
  superblockSum,
  SUPERBLOCK_WORDS,
} from "./log";
import { apply } from "./replay";
import { fail } from "./text";

const VOLUME_BLOCKS_MIN: u32 = 32;
/** Superblock and anchors. */
const LOG_LBA: u32 = 3;
const WINDOW: usize = PENDING;
const WINDOW_BLOCKS: u32 = <u32>(INPUT + INPUT_BYTES - PENDING) / BLOCK_BYTES;
/** A record and the beginning of its block fit the window; no command makes a longer one. */
const BODY_BYTES_MAX: u32 = (WINDOW_BLOCKS - 1) * BLOCK_BYTES - RECORD_HEAD;

export function recover(): void {
  random(DIGITS, 8);
  header().salt = load<u64>(DIGITS);
  if (<u32>block_count(0) < VOLUME_BLOCKS_MIN) fail("volume 0 is too small");
  block_read(0, 0, BLOCK);
  if (isBlank()) {
    planFormat();
    return;
  }
  readSuperblock();
  const through = readAnchors();
  header().isReplaying = 1;
  replay();
  header().isReplaying = 0;
  const isShort = header().replayPass != 0 && <i32>(header().sequence - through) < 0;
  if (isShort || header().isGapMissing) fail("the log is damaged");
  header().cursor = header().heapBase;
  // What was read may not be durable yet. Unflushed, a reply could show a record that the next power failure takes back.
  if (header().sequence > 0) flush();
}

function isBlank(): bool {
  let all: u64 = 0;
  for (let at: usize = 0; at < BLOCK_BYTES; at += 8) all |= load<u64>(BLOCK + at);
  return all == 0;
}

function planFormat(): void {
  header().needsFormat = 1;
  useLog(LOG_LBA, <u32>block_count(0));
}

/** A checkpoint may take a quarter of the log, and so may the records of one change: then there is always room for both. */
function useLog(start: u32, end: u32): void {
  header().logStart = start;
  header().logEnd = end;
  header().keepLba = start;
  header().tailLba = start;
  header().savedMax = logBytes() >> 2;
}

function readSuperblock(): void {
  if (load<u32>(BLOCK) != MAGIC) fail("volume 0 holds something else");
  if (load<u32>(BLOCK, 4) != LAYOUT_VERSION) fail("volume 0 has another layout version");
  header().superSum = superblockSum();
  if (load<u32>(BLOCK, SUPERBLOCK_WORDS * 4) != header().superSum) fail("the superblock is damaged");
  header().chain = header().superSum;
  const start = load<u32>(BLOCK, 8);
  const blocks = load<u32>(BLOCK, 12);
  if (start != LOG_LBA || blocks > <u32>block_count(0) - start) fail("the log leaves volume 0");
  useLog(start, start + blocks);
}

/** Begins at the last checkpoint that has an anchor; returns the number of the record through which it must be there. */
function readAnchors(): u32 {
  let through: u32 = 0;
  for (let lba = ANCHOR_LBA; lba < LOG_LBA; lba++) {
    block_read(0, lba, BLOCK);
    if (load<u32>(BLOCK) != ANCHOR_MAGIC || load<u32>(BLOCK, ANCHOR_WORDS * 4) != anchorSum()) continue;
    const number = load<u32>(BLOCK, 4);
    if (number < header().anchors) continue;
    header().anchors = number;
    header().replayPass = load<u32>(BLOCK, 8);
    header().sequence = header().replayPass - 1;
    header().chain = load<u32>(BLOCK, 12);
    header().tailLba = load<u32>(BLOCK, 16);
    header().tailUsed = load<u32>(BLOCK, 20);
    through = load<u32>(BLOCK, 24);
  }
  header().keepLba = header().tailLba;
  return through;
}

/** Bytes of the log's area from its beginning on. */
@inline
function position(): u32 {
  return (header().tailLba - header().logStart) * BLOCK_BYTES + header().tailUsed;
}

/** Records of a transaction are only looked at until the one that ends it is found; then they are read again, and applied. */
function replay(): void {
  const size = logBytes();
  let at = position();
  let groupAt: u32 = 0;
  let groupSequence: u32 = 0;
  let groupChain: u32 = 0;
  let inGroup = false;
  header().windowBlocks = 0;
  while (true) {
    const record = recordAt(at);
    if (record == 0) break;
    const head = load<u32>(record, RECORD_HEAD);
    const isMember = (head & IN_GROUP) != 0;
    if (isMember && !inGroup) {
      inGroup = true;
      groupAt = at;
      groupSequence = header().sequence;
      groupChain = header().chain;
    }
    const isEnd = (head & 0xff) == COMMIT;
    header().replayAt = at;
    if (!isMember && !isEnd) apply(record + RECORD_HEAD);
    header().sequence++;
    header().chain = load<u32>(record, 4);
    at = after(at, record, size);
    if (isEnd && inGroup) {
      applyGroup(groupAt, header().sequence - groupSequence - 1);
      inGroup = false;
    }
  }
  if (inGroup) {
    at = groupAt;
    header().sequence = groupSequence;
    header().chain = groupChain;
  }
  continueAt(at);
}

/** The records were seen to follow one another. */
function applyGroup(at: u32, records: u32): void {
  while (records > 0) {
    const record = windowAt(at, RECORD_HEAD);
    const bytes = RECORD_HEAD + load<u32>(record);
    apply(windowAt(at, bytes) + RECORD_HEAD);
    at = after(at, windowAt(at, bytes), logBytes());
    records--;
  }
}

@inline
function after(at: u32, record: usize, size: u32): u32 {
  const end = at + RECORD_HEAD + load<u32>(record);
  if ((load<u32>(record, RECORD_HEAD) & 0xff) == JUMP) {
    header().turnLba = header().logStart + (end + BLOCK_BYTES - 1) / BLOCK_BYTES;
    return 0;
  }
  if (end < size) return end;
  header().turnLba = header().logEnd;
  return end - size;
}

/** Address of the record that follows the last one; 0: none does. */
function recordAt(at: u32): usize {
  const body = load<u32>(windowAt(at, RECORD_HEAD));
  if (body < 4 || body > BODY_BYTES_MAX || (body & 3) != 0) return 0;
  const record = windowAt(at, RECORD_HEAD + body);
  if (load<u32>(record, 8) != header().sequence + 1) return 0;
  const sum = finish(mixBytes(sumOfHead(body), record + RECORD_HEAD, body), RECORD_HEAD + body);
  return load<u32>(record, 4) == sum ? record : 0;
}

/** Address of bytes of the log, at most a record's, after they were read. The window holds blocks in the order of the ring. */
function windowAt(at: u32, bytes: u32): usize {
  const total = header().logEnd - header().logStart;
  const block = at / BLOCK_BYTES;
  const needed = ((at % BLOCK_BYTES) + bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
  let offset = (block + total - header().windowFirst) % total;
  if (offset + needed > WINDOW_BLOCKS || offset > header().windowBlocks) {
    header().windowFirst = block;
    header().windowBlocks = 0;
    offset = 0;
  }
  while (header().windowBlocks < offset + needed) {
    const loaded = header().windowBlocks;
    const lba = header().logStart + ((header().windowFirst + loaded) % total);
    block_read(0, lba, WINDOW + <usize>loaded * BLOCK_BYTES);
    header().windowBlocks++;
  }
  return WINDOW + <usize>offset * BLOCK_BYTES + (at % BLOCK_BYTES);
}

/** New records overwrite from here. What stands behind in this block is dropped: nothing after the end is ever read as a record. */
function continueAt(at: u32): void {
  header().tailLba = header().logStart + at / BLOCK_BYTES;
  header().tailUsed = at % BLOCK_BYTES;
  memory.fill(TAIL, 0, BLOCK_BYTES);
  if (header().tailUsed == 0) return;
  block_read(0, header().tailLba, BLOCK);
  memory.copy(TAIL, BLOCK, header().tailUsed);
}
