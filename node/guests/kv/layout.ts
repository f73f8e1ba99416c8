/**
 * Where everything stands in linear memory. All state is here and none in globals, which are outside linear memory: a machine whose
 * memory is copied into a fresh instance goes on as if nothing had happened. Areas of fixed size come first; those that follow the
 * size of the memory come last, and the header says where they begin.
 */
export const LAYOUT_VERSION: u32 = 1;
export const MAGIC: u32 = 0x564b4c46; // "FLKV"

export const BLOCK_BYTES: u32 = 4096;
/** Longest command as it stands on the wire, headers included. */
export const COMMAND_BYTES_MAX: u32 = 0x10000;
export const ARGUMENTS_MAX: u32 = 8192;
export const KEY_BYTES_MAX: u32 = 512;
export const VALUE_BYTES_MAX: u32 = 32768;

/** Below stand the constants that the compiler places. */
export const HEADER: usize = 0x10000;
/** Scratch within one call: the digits of a number, a line for the console. */
export const DIGITS: usize = HEADER + 0x800;
export const DIGITS_BYTES: u32 = 0x800;
export const SESSIONS: usize = HEADER + 0x1000;
export const SESSIONS_MAX: u32 = 256;
/** Content of the log's last block, so far. */
export const TAIL: usize = SESSIONS + 0x2000;
/** Scratch within one call: one block. */
export const BLOCK: usize = TAIL + 0x1000;
/** Scratch within one call: address and length of each argument of a command. */
export const ARGUMENTS: usize = BLOCK + 0x1000;
/**
 * Scratch within one call: the unfinished command of a session is put right before the input, so that both are one piece. At boot
 * both areas together hold the part of the log that is being read.
 */
export const PENDING: usize = ARGUMENTS + 0x10000;
export const INPUT: usize = PENDING + COMMAND_BYTES_MAX;
export const INPUT_BYTES: u32 = 0x10000;
/** Replies that wait for the flush of what they promise. */
export const OUTPUT: usize = INPUT + INPUT_BYTES;
export const OUTPUT_BYTES: u32 = 0x40000;
export const DYNAMIC: usize = OUTPUT + OUTPUT_BYTES;

/** Share of memory for unfinished commands: 1/16; for the index: 1/16, a slot of 8 bytes for each 128 bytes of memory. */
export const SHARE_SHIFT: u32 = 4;
/** Share of the heap that live data may not take, so that compaction always frees something worth it: 1/32. */
export const RESERVE_SHIFT: u32 = 5;

@unmanaged
export class Header {
  magic: u32;
  version: u32;
  pages: u32;

  indexBase: u32;
  /** Number of slots - 1; the number is a power of two. */
  indexMask: u32;
  keys: u32;
  heapBase: u32;
  heapEnd: u32;
  /** Where the next object goes. */
  heapTop: u32;
  /** Bytes of live objects. */
  liveBytes: u32;

  /** Chunks of unfinished commands: given back ones as a list, never used ones from `poolFresh` on. */
  poolList: u32;
  poolFresh: u32;
  poolFree: u32;

  /** Sequence number and sum of the last record of the log. */
  sequence: u32;
  chain: u32;
  tailLba: u32;
  tailUsed: u32;
  logEnd: u32;
  checkpointStart: u32;
  checkpointBlocks: u32;
  logStart: u32;
  /** Volume 0 was blank at boot, and its superblock is not written yet. */
  needsFormat: u32;
  /** The record that marks this boot stands in the log. */
  isLogOpen: u32;
  /** Records were appended since the last flush. */
  isLogDirty: u32;
  salt: u64;

  outputUsed: u32;
  /** Address of the head that the reply in progress extends; 0: none. */
  outputHead: u32;
  replySession: u32;

  /** Results of the parser: number of arguments, bytes they took on the wire, bytes that are needed before it can go on. */
  argumentCount: u32;
  parsedBytes: u32;
  wantedBytes: u32;
  /** What a protocol error is about: a byte that was not expected. */
  oddByte: u32;
}

@inline
export function header(): Header {
  return changetype<Header>(HEADER);
}

@inline
export function argumentAt(index: u32): usize {
  return load<u32>(ARGUMENTS + (<usize>index << 3));
}

@inline
export function argumentBytes(index: u32): u32 {
  return load<u32>(ARGUMENTS + (<usize>index << 3), 4);
}

@inline
export function setArgument(index: u32, at: usize, bytes: u32): void {
  store<u32>(ARGUMENTS + (<usize>index << 3), <u32>at);
  store<u32>(ARGUMENTS + (<usize>index << 3), bytes, 4);
}
