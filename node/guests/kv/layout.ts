/**
 * Where everything stands in linear memory. All state is here and none in globals, which are outside linear memory: a machine whose
 * memory is copied into a fresh instance goes on as if nothing had happened. Areas of fixed size come first; those that follow the
 * size of the memory come last, and the header says where they begin.
 */
export const LAYOUT_VERSION: u32 = 2;
export const MAGIC: u32 = 0x564b4c46; // "FLKV"

export const BLOCK_BYTES: u32 = 4096;
/** Longest command as it stands on the wire, headers included. */
export const COMMAND_BYTES_MAX: u32 = 0x10000;
export const ARGUMENTS_MAX: u32 = 8192;
export const KEY_BYTES_MAX: u32 = 512;
export const VALUE_BYTES_MAX: u32 = 32768;

/** Below stand the constants that the compiler places. */
export const HEADER: usize = 0x10000;
/** Packed names and arities of the commands. */
export const COMMANDS: usize = HEADER + 0x400;
/** Scratch within one call: the digits of a number, a line for the console. */
export const DIGITS: usize = HEADER + 0x800;
export const DIGITS_BYTES: u32 = 0x800;
export const SESSIONS: usize = HEADER + 0x1000;
export const SESSIONS_MAX: u32 = 256;
export const SESSION_BYTES: usize = 192;
/** Content of the log's last block, so far. */
export const TAIL: usize = SESSIONS + <usize>SESSIONS_MAX * SESSION_BYTES;
/** Scratch within one call: one block. */
export const BLOCK: usize = TAIL + 0x1000;
/** Scratch within one call: address and length of each argument of a command. */
export const ARGUMENTS: usize = BLOCK + 0x1000;
/** Arguments behind those of a command, for records that it does not spell itself. */
export const SPARE: u32 = ARGUMENTS_MAX;
const SPARES: u32 = 32;
/**
 * Scratch within one call: the unfinished command of a session is put right before the input, so that both are one piece; a command of
 * a transaction is put at its beginning. At boot both areas together hold the part of the log that is being read.
 */
export const PENDING: usize = ARGUMENTS + <usize>(ARGUMENTS_MAX + SPARES) * 8;
export const INPUT: usize = PENDING + COMMAND_BYTES_MAX + 0xf00;
export const INPUT_BYTES: u32 = 0x10000;
/** Replies that wait for the flush of what they promise. */
export const OUTPUT: usize = INPUT + INPUT_BYTES;
export const OUTPUT_BYTES: u32 = 0x40000;
export const DYNAMIC: usize = OUTPUT + OUTPUT_BYTES;

/** Share of memory for unfinished commands and open transactions: 1/16; for the index: 1/16, a slot of 8 bytes for each 128 bytes of memory. */
export const SHARE_SHIFT: u32 = 4;

@unmanaged
export class Header {
  magic: u32;
  version: u32;
  pages: u32;

  indexBase: u32;
  /** Number of slots - 1; the number is a power of two. */
  indexMask: u32;
  keys: u32;
  /** Keys that have an expiry. */
  mortals: u32;
  heapBase: u32;
  heapEnd: u32;
  /** Where the next object goes. */
  heapTop: u32;
  /** What live objects are charged; a function of the keys and values alone. Unit: bytes. */
  liveBytes: u32;
  /** Most that live objects may be charged, for memory's sake. Unit: bytes. */
  liveMax: u32;
  /** Most that a checkpoint may take in the log. Unit: bytes. */
  savedMax: u32;

  /** Chunks of unfinished commands: given back ones as a list, never used ones from `poolFresh` on. */
  poolList: u32;
  poolFresh: u32;
  poolFree: u32;

  /** Sequence number and sum of the last record of the log. */
  sequence: u32;
  chain: u32;
  tailLba: u32;
  tailUsed: u32;
  logStart: u32;
  logEnd: u32;
  /** Block of the oldest record that a boot needs. */
  keepLba: u32;
  /** While the tail stands before it: block behind the last one that was used at the end of the area. */
  turnLba: u32;
  /** Sum of the superblock. */
  superSum: u32;
  /** Volume 0 was blank at boot, and its superblock is not written yet. */
  needsFormat: u32;
  /** The record that marks this boot stands in the log. */
  isLogOpen: u32;
  /** Records were appended since the last flush. */
  isLogDirty: u32;
  /** Records are those of a transaction: they count only together with the record that ends it. */
  isGroup: u32;
  /** Number of the record before the transaction in work. */
  groupFirst: u32;
  /** The next record goes to the beginning of the log's area. */
  wantsJump: u32;
  isReplaying: u32;
  salt: u64;

  /** Checkpoint in progress: IDLE, ON or DONE. */
  pass: u32;
  /** Number of its first record. */
  passFirst: u32;
  /** Sum of the record before it. */
  passChain: u32;
  passLba: u32;
  passUsed: u32;
  /** Number of its last record, once it is DONE. */
  passLast: u32;
  /** Objects of this colour stand in the log since the checkpoint began; 0 or 1. */
  colour: u32;
  /** Next object to look at. */
  cursor: u32;
  /** Bytes that the checkpoint owes for what clients logged. */
  debt: u32;
  anchors: u32;
  /** First record of the checkpoint that a replay began with; 0: with none. */
  replayPass: u32;
  /** Where the record that is replayed stands, from the beginning of the log's area. */
  replayAt: u32;
  /** Blocks of the log that a replay holds. */
  windowFirst: u32;
  windowBlocks: u32;
  /** List that is being saved in parts, or restored from them; 0: none. */
  partial: u32;
  /** Its elements at the right that are not saved, or restored, yet. */
  gap: u32;
  /** It is being restored: nobody knows the elements of the gap. */
  isGapMissing: u32;

  /** Guest time of the entry in work, once it was asked for. Unit: microseconds. */
  time: i64;
  isTimeRead: u32;
  /** Guest time less the machine's, the same for all of a boot. */
  timeShift: i64;
  /** Guest time of the last record that holds one. */
  loggedTime: i64;
  /** No key expires before. */
  nextExpiry: i64;
  sweptAt: i64;
  /** Machine time of the timer that is set; 0: none. */
  timerAt: i64;
  expiredKeys: u64;

  outputUsed: u32;
  /** Address of the head that the reply in progress extends; 0: none. */
  outputHead: u32;
  replySession: u32;
  /** Protocol of that session: 2 or 3. */
  replyProtocol: u32;
  /** A text is only measured, or put. */
  isMeasuring: u32;
  textBytes: u32;

  /** Where the command in work stands. */
  commandAt: u32;
  /** Results of the parser: number of arguments, bytes they took on the wire, bytes that are needed before it can go on. */
  argumentCount: u32;
  parsedBytes: u32;
  wantedBytes: u32;
  /** What a protocol error is about: a byte that was not expected. */
  oddByte: u32;
  /** A command that is too long: arguments that are left, where they begin, and what is too long. */
  skipArguments: u32;
  skipFrom: u32;
  skipReason: u32;

  /** Where the reader of a transaction's commands stands. */
  queueChunk: u32;
  queueOffset: u32;

  /** Results of a search in a list. */
  foundNode: u32;
  foundAt: u32;

  sessions: u32;
  sessionsSeen: u64;
  commandsSeen: u64;
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
