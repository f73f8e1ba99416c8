/**
 * Replies wait here until what they promise is durable. What is sent carries the number of the last flush as its barrier; so every
 * send comes after the flush of all records made before it. When the buffer is full, that flush comes early.
 */
import { close, send } from "./abi";
import { endPassWhenDone, goOn } from "./checkpoint";
import { header, OUTPUT, OUTPUT_BYTES } from "./layout";
import { commitLog } from "./log";
import { Session } from "./sessions";
import { integerBytes, writeDigits, writeInteger, writeText } from "./text";

/** Each piece begins with {session, length}; this length says that the session is to be closed. */
const HEAD: u32 = 8;
const CLOSE: u32 = 0xffffffff;
/** Longest text that `putText` and `putInteger` write. */
const SHORT: u32 = 256;
/** More than a kind, a number and two line ends. */
const HEADS: u32 = 32;
const CRLF: u16 = 0x0a0d;
const LF: u8 = 0x0a;
const OK: u32 = 0x0d4b4f2b; // "+OK\r"
const OK_BYTES: u32 = 5;

/** What is put from here on goes to this session, in its protocol. */
export function beginReply(session: Session): void {
  header().replySession = session.id;
  header().replyProtocol = session.protocol;
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

export function replyOk(): void {
  const at = roomFor(OK_BYTES);
  store<u32>(at, OK);
  store<u8>(at, LF, 4);
  advance(OK_BYTES);
}

export function replyInteger(value: i64): void {
  putHead(0x3a, value);
}

/** At once: it is what most replies are made of. */
export function replyBulk(source: usize, bytes: u32): void {
  const at = roomFor(bytes + HEADS);
  store<u8>(at, 0x24);
  const from = writeDigits(at + 1, bytes);
  store<u16>(from, CRLF);
  memory.copy(from + 2, source, bytes);
  store<u16>(from + 2 + bytes, CRLF);
  advance(<u32>(from + 4 + bytes - at));
}

/** A bulk string of ASCII characters. */
export function replyWord(text: string): void {
  putHead(0x24, text.length);
  replyText(text);
}

/** A number as a bulk string. */
export function replyNumber(value: i64): void {
  putHead(0x24, integerBytes(writeInteger(value)));
  putInteger(value);
  putText("\r\n");
}

/** What is not there. */
export function replyNull(): void {
  putText(isNew() ? "_\r\n" : "$-1\r\n");
}

/** A list that is not there. */
export function replyNullArray(): void {
  putText(isNew() ? "_\r\n" : "*-1\r\n");
}

/** So many replies follow. */
export function replyArray(count: u32): void {
  putHead(0x2a, count);
}

/** So many pairs of replies follow. */
export function replyMap(pairs: u32): void {
  if (isNew()) putHead(0x25, pairs);
  else putHead(0x2a, pairs << 1);
}

/** So many replies follow, in no order. */
export function replySet(count: u32): void {
  putHead(isNew() ? 0x7e : 0x2a, count);
}

/** So many bytes of readable text follow, and a line's end. */
export function beginTextReply(bytes: u32): void {
  if (isNew()) {
    putHead(0x3d, bytes + 4);
    putText("txt:");
  } else {
    putHead(0x24, bytes);
  }
}

/** Room for so many bytes without an early flush. At most half of the buffer. */
export function makeRoom(bytes: u32): void {
  roomFor(bytes);
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
  goOn();
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
  endPassWhenDone();
}

@inline
function isNew(): bool {
  return header().replyProtocol == 3;
}

function putHead(kind: u32, value: i64): void {
  const digits = writeInteger(value);
  const bytes = integerBytes(digits);
  const at = roomFor(HEADS);
  store<u8>(at, <u8>kind);
  memory.copy(at + 1, digits, bytes);
  store<u16>(at + 1 + bytes, CRLF);
  advance(bytes + 3);
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
