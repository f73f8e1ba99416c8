/**
 * Replies wait here until what they promise is durable. What is sent carries the number of the last flush as its barrier; so every
 * send comes after the flush of all records made before it. When the buffer is full, that flush comes early.
 */
import { close, send } from "./abi";
import { header, OUTPUT, OUTPUT_BYTES } from "./layout";
import { commitLog } from "./log";
import { integerBytes, writeInteger, writeText } from "./text";

/** Each piece begins with {session, length}; this length says that the session is to be closed. */
const HEAD: u32 = 8;
const CLOSE: u32 = 0xffffffff;
/** Longest text that `putText` and `putInteger` write. */
const SHORT: u32 = 256;

/** What is put from here on goes to this session. */
export function beginReply(session: u32): void {
  header().replySession = session;
}

export function putBytes(source: usize, bytes: u32): void {
  memory.copy(roomFor(bytes), source, bytes);
  advance(bytes);
}

export function putByte(byte: u32): void {
  store<u8>(roomFor(1), byte);
  advance(1);
}

export function putText(text: string): void {
  advance(writeText(roomFor(SHORT), text));
}

export function putInteger(value: i64): void {
  const at = writeInteger(value);
  putBytes(at, integerBytes(at));
}

/** Bytes of a client in a one-line reply: what would end the line becomes a space. */
export function putSafe(source: usize, bytes: u32): void {
  for (let i: u32 = 0; i < bytes; i++) {
    const byte: u32 = load<u8>(source + i);
    putByte(byte == 0x0d || byte == 0x0a ? 0x20 : byte);
  }
}

export function replyText(text: string): void {
  putText(text);
  putText("\r\n");
}

export function replyInteger(value: i64): void {
  putByte(0x3a);
  putInteger(value);
  putText("\r\n");
}

export function replyBulk(source: usize, bytes: u32): void {
  putByte(0x24);
  putInteger(bytes);
  putText("\r\n");
  putBytes(source, bytes);
  putText("\r\n");
}

export function replyCount(count: u32): void {
  putByte(0x2a);
  putInteger(count);
  putText("\r\n");
}

/** After all replies put before. */
export function putClose(session: u32): void {
  header().replySession = session;
  header().outputHead = 0;
  roomFor(0);
  store<u32>(header().outputHead, CLOSE, 4);
  header().outputHead = 0;
}

/** Makes durable what was changed, then lets the replies go. */
export function commit(): void {
  commitLog();
  let at = OUTPUT;
  const end = OUTPUT + header().outputUsed;
  while (at < end) {
    const session = load<u32>(at);
    const bytes = load<u32>(at, 4);
    at += HEAD;
    if (bytes == CLOSE) {
      close(session);
    } else {
      send(session, at, bytes);
      at += bytes;
    }
  }
  header().outputUsed = 0;
  header().outputHead = 0;
}

/** Where the next bytes of the reply go. */
function roomFor(bytes: u32): usize {
  if (header().outputUsed + HEAD + bytes > OUTPUT_BYTES) commit();
  const open = <usize>header().outputHead;
  if (open == 0 || load<u32>(open) != header().replySession) {
    const head = OUTPUT + header().outputUsed;
    store<u32>(head, header().replySession);
    store<u32>(head, 0, 4);
    header().outputHead = <u32>head;
    header().outputUsed += HEAD;
  }
  return OUTPUT + header().outputUsed;
}

@inline
function advance(bytes: u32): void {
  const head = <usize>header().outputHead;
  store<u32>(head, load<u32>(head, 4) + bytes, 4);
  header().outputUsed += bytes;
}
