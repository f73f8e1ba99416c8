/**
 * What a boot makes of volume 0. A blank one is formatted, but only with the first change, so that a machine that is merely looked
 * at writes nothing. Otherwise the log is replayed up to the first record that does not follow: torn, lost or never written.
 */
import { block_count, block_read, flush, random } from "./abi";
import { finish, mixBytes } from "./hash";
import {
  argumentAt,
  argumentBytes,
  ARGUMENTS_MAX,
  BLOCK,
  BLOCK_BYTES,
  COMMAND_BYTES_MAX,
  DIGITS,
  header,
  INPUT_BYTES,
  LAYOUT_VERSION,
  MAGIC,
  PENDING,
  setArgument,
  TAIL,
} from "./layout";
import {
  APPEND,
  BOOT,
  DELETE,
  RECORD_HEAD,
  SET,
  sumOfHead,
  superblockSum,
  SUPERBLOCK_WORDS,
  wholeWords,
} from "./log";
import { append, remove, setText } from "./store";
import { fail } from "./text";

const VOLUME_BLOCKS_MIN: u32 = 8;
/** 16 MiB; a quarter of a volume that is smaller than 64 MiB. */
const CHECKPOINT_BLOCKS_MAX: u32 = 4096;
const WINDOW: usize = PENDING;
const WINDOW_BLOCKS: u32 = (COMMAND_BYTES_MAX + INPUT_BYTES) / BLOCK_BYTES;
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
  replay();
  // What was read may not be durable yet. Unflushed, a reply could show a record that the next power failure takes back.
  if (header().sequence > 0) flush();
}

function isBlank(): bool {
  let all: u64 = 0;
  for (let at: usize = 0; at < BLOCK_BYTES; at += 8) all |= load<u64>(BLOCK + at);
  return all == 0;
}

function planFormat(): void {
  const blocks = <u32>block_count(0);
  header().needsFormat = 1;
  header().checkpointStart = 1;
  header().checkpointBlocks = min(blocks / 4, CHECKPOINT_BLOCKS_MAX);
  header().logStart = 1 + header().checkpointBlocks;
  header().logEnd = blocks;
  header().tailLba = header().logStart;
}

function readSuperblock(): void {
  if (load<u32>(BLOCK) != MAGIC) fail("volume 0 holds something else");
  if (load<u32>(BLOCK, 4) != LAYOUT_VERSION) fail("volume 0 has another layout version");
  header().chain = superblockSum();
  if (load<u32>(BLOCK, SUPERBLOCK_WORDS * 4) != header().chain) fail("the superblock is damaged");
  header().checkpointStart = load<u32>(BLOCK, 8);
  header().checkpointBlocks = load<u32>(BLOCK, 12);
  header().logStart = load<u32>(BLOCK, 16);
  header().logEnd = header().logStart + load<u32>(BLOCK, 20);
  if (header().logEnd > <u32>block_count(0)) fail("the log leaves volume 0");
}

/** The window holds blocks `first` to `loaded` - 1 of the log. */
function replay(): void {
  const start = header().logStart;
  const size = (header().logEnd - start) * BLOCK_BYTES;
  let first: u32 = 0;
  let loaded: u32 = 0;
  let at: u32 = 0;
  while (at + RECORD_HEAD <= size) {
    let needed = RECORD_HEAD;
    let record: usize = 0;
    // Twice: for the head, which tells the length, then for the whole record.
    for (let pass = 0; pass < 2; pass++) {
      if (at + needed > (first + WINDOW_BLOCKS) * BLOCK_BYTES) {
        first = at / BLOCK_BYTES;
        loaded = first;
      }
      while (loaded * BLOCK_BYTES < at + needed) {
        block_read(0, start + loaded, WINDOW + (loaded - first) * BLOCK_BYTES);
        loaded++;
      }
      record = WINDOW + at - first * BLOCK_BYTES;
      if (pass == 0) {
        const body = load<u32>(record);
        if (body > BODY_BYTES_MAX || <u64>at + RECORD_HEAD + body > size) break;
        needed += body;
      }
    }
    if (!follows(record, size - at)) break;
    apply(record + RECORD_HEAD);
    header().sequence++;
    header().chain = load<u32>(record, 4);
    at += RECORD_HEAD + load<u32>(record);
  }
  continueAt(at);
}

function follows(record: usize, left: u32): bool {
  const body = load<u32>(record);
  if (body > BODY_BYTES_MAX || body + RECORD_HEAD > left || (body & 3) != 0) return false;
  if (load<u32>(record, 8) != header().sequence + 1) return false;
  const sum = finish(mixBytes(sumOfHead(body), record + RECORD_HEAD, body), RECORD_HEAD + body);
  return load<u32>(record, 4) == sum;
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

/** The same changes in the same order as when they were logged, so what fitted then fits now. */
function apply(body: usize): void {
  const head = load<u32>(body);
  const count = head >> 16;
  if (count == 0 || count > ARGUMENTS_MAX) fail("a record has no arguments");
  let at = body + 4;
  for (let i: u32 = 0; i < count; i++) {
    const bytes = load<u32>(at);
    setArgument(i, at + 4, bytes);
    at += 4 + wholeWords(bytes);
  }
  const key = argumentAt(0);
  const keyBytes = argumentBytes(0);
  let isApplied = true;
  switch (head & 0xffff) {
    case SET:
      isApplied = setText(key, keyBytes, argumentAt(1), argumentBytes(1));
      break;
    case DELETE:
      for (let i: u32 = 0; i < count; i++) remove(argumentAt(i), argumentBytes(i));
      break;
    case APPEND:
      isApplied = append(key, keyBytes, 1, count);
      break;
    case BOOT:
      break;
    default:
      fail("a record of a newer guest");
  }
  if (!isApplied) fail("memory is too small for the log");
}
