/** Commands of Redis with its replies and its errors. What a command changes is logged before its reply is put. */
import {
  argumentAt,
  argumentBytes,
  header,
  KEY_BYTES_MAX,
  setArgument,
  VALUE_BYTES_MAX,
} from "./layout";
import { APPEND, bodyBytes, DELETE, hasRoom, log, SET } from "./log";
import {
  putByte,
  putBytes,
  putInteger,
  putSafe,
  putText,
  replyBulk,
  replyCount,
  replyInteger,
  replyText,
} from "./reply";
import { append, find, kindOf, LIST, listCount, listStart, remove, setText, TEXT, valueAt, valueBytesOf } from "./store";
import { integerBytes, isInteger, readInteger, writeInteger } from "./text";

/** Names as numbers: the first letter is the lowest byte. */
const PING: u64 = 0x474e4950;
const ECHO: u64 = 0x4f484345;
const SET_: u64 = 0x544553;
const GET: u64 = 0x544547;
const DEL: u64 = 0x4c4544;
const EXISTS: u64 = 0x535453495845;
const INCR: u64 = 0x52434e49;
const RPUSH: u64 = 0x4853555052;
const LRANGE: u64 = 0x45474e41524c;

const NAME_BYTES_MAX: u32 = 8;
/** What Redis shows of an unknown command, and of its arguments. */
const SHOWN_BYTES_MAX: u32 = 128;

/** Runs the command that the parser found; it has at least one argument, its name. */
export function execute(): void {
  const count = header().argumentCount;
  switch (nameOf(argumentAt(0), argumentBytes(0))) {
    case PING:
      if (count > 2) wrongCount();
      else if (count == 2) replyBulk(argumentAt(1), argumentBytes(1));
      else replyText("+PONG");
      break;
    case ECHO:
      if (count != 2) wrongCount();
      else replyBulk(argumentAt(1), argumentBytes(1));
      break;
    case SET_:
      if (count < 3) wrongCount();
      else if (count > 3) replyText("-ERR syntax error");
      else if (change(1)) replyText("+OK");
      break;
    case GET:
      if (count != 2) wrongCount();
      else get();
      break;
    case DEL:
      if (count < 2) wrongCount();
      else del(count);
      break;
    case EXISTS:
      if (count < 2) wrongCount();
      else exists(count);
      break;
    case INCR:
      if (count != 2) wrongCount();
      else add(1);
      break;
    case RPUSH:
      if (count < 3) wrongCount();
      else push(count);
      break;
    case LRANGE:
      if (count != 4) wrongCount();
      else range();
      break;
    default:
      unknownCommand(count);
  }
}

function nameOf(at: usize, bytes: u32): u64 {
  if (bytes > NAME_BYTES_MAX) return 0;
  let name: u64 = 0;
  for (let i: u32 = 0; i < bytes; i++) {
    let letter: u64 = load<u8>(at + i);
    if (letter >= 0x61 && letter <= 0x7a) letter -= 0x20;
    name |= letter << (i << 3);
  }
  return name;
}

/** Sets the key in argument `first` to the value in the next one. False: an error was replied, nothing changed. */
function change(first: u32): bool {
  const key = argumentAt(first);
  const keyBytes = argumentBytes(first);
  const value = argumentAt(first + 1);
  const valueBytes = argumentBytes(first + 1);
  if (!isKeyAllowed(keyBytes) || !isValueAllowed(valueBytes)) return false;
  if (!isLogFree(bodyBytes(first, 2))) return false;
  if (!setText(key, keyBytes, value, valueBytes)) return outOfMemory();
  log(SET, first, 2);
  return true;
}

function get(): void {
  const slot = find(argumentAt(1), argumentBytes(1));
  if (slot == 0) replyText("$-1");
  else if (kindOf(slot) != TEXT) wrongKind();
  else replyBulk(valueAt(slot), valueBytesOf(slot));
}

/** The record names only keys that existed: it is the effect that is logged. */
function del(count: u32): void {
  if (!isLogFree(bodyBytes(1, count - 1))) return;
  let removed: u32 = 0;
  for (let i: u32 = 1; i < count; i++) {
    const key = argumentAt(i);
    const keyBytes = argumentBytes(i);
    if (!remove(key, keyBytes)) continue;
    setArgument(removed, key, keyBytes);
    removed++;
  }
  if (removed > 0) log(DELETE, 0, removed);
  replyInteger(removed);
}

function exists(count: u32): void {
  let found: u32 = 0;
  for (let i: u32 = 1; i < count; i++) {
    if (find(argumentAt(i), argumentBytes(i)) != 0) found++;
  }
  replyInteger(found);
}

/** Logged as the value it leaves, so that a replay needs no arithmetic. */
function add(delta: i64): void {
  let value: i64 = 0;
  const slot = find(argumentAt(1), argumentBytes(1));
  if (slot != 0) {
    if (kindOf(slot) != TEXT) return wrongKind();
    const at = valueAt(slot);
    const bytes = valueBytesOf(slot);
    if (!isInteger(at, bytes)) return notAnInteger();
    value = readInteger(at, bytes);
  }
  if (delta > 0 ? value > i64.MAX_VALUE - delta : value < i64.MIN_VALUE - delta) {
    return replyText("-ERR increment or decrement would overflow");
  }
  value += delta;
  const digits = writeInteger(value);
  setArgument(2, digits, integerBytes(digits));
  if (change(1)) replyInteger(value);
}

function push(count: u32): void {
  const key = argumentAt(1);
  const keyBytes = argumentBytes(1);
  const slot = find(key, keyBytes);
  if (slot != 0 && kindOf(slot) != LIST) return wrongKind();
  if (!isKeyAllowed(keyBytes)) return;
  for (let i: u32 = 2; i < count; i++) {
    if (!isValueAllowed(argumentBytes(i))) return;
  }
  if (!isLogFree(bodyBytes(1, count - 1))) return;
  if (!append(key, keyBytes, 2, count)) {
    outOfMemory();
    return;
  }
  log(APPEND, 1, count - 1);
  replyInteger(listCount(find(key, keyBytes)));
}

function range(): void {
  if (!isInteger(argumentAt(2), argumentBytes(2))) return notAnInteger();
  if (!isInteger(argumentAt(3), argumentBytes(3))) return notAnInteger();
  const slot = find(argumentAt(1), argumentBytes(1));
  if (slot == 0) return replyCount(0);
  if (kindOf(slot) != LIST) return wrongKind();
  const count: i64 = listCount(slot);
  const first = max<i64>(0, fromEnd(readInteger(argumentAt(2), argumentBytes(2)), count));
  const last = min<i64>(count - 1, fromEnd(readInteger(argumentAt(3), argumentBytes(3)), count));
  if (first > last) return replyCount(0);
  replyCount(<u32>(last - first + 1));
  let at = listStart(slot);
  for (let i: i64 = 0; i <= last; i++) {
    const bytes = load<u32>(at);
    if (i >= first) replyBulk(at + 4, bytes);
    at += 4 + bytes;
  }
}

@inline
function fromEnd(index: i64, count: i64): i64 {
  return index < 0 ? index + count : index;
}

function isKeyAllowed(bytes: u32): bool {
  if (bytes <= KEY_BYTES_MAX) return true;
  replyTooLong("key", KEY_BYTES_MAX);
  return false;
}

function isValueAllowed(bytes: u32): bool {
  if (bytes <= VALUE_BYTES_MAX) return true;
  replyTooLong("value", VALUE_BYTES_MAX);
  return false;
}

function replyTooLong(what: string, limit: u32): void {
  putText("-ERR ");
  putText(what);
  putText(" is longer than ");
  putInteger(limit);
  replyText(" bytes");
}

function isLogFree(body: u32): bool {
  if (hasRoom(body)) return true;
  replyText("-ERR log full");
  return false;
}

function outOfMemory(): bool {
  replyText("-OOM command not allowed when used memory > 'maxmemory'.");
  return false;
}

function wrongKind(): void {
  replyText("-WRONGTYPE Operation against a key holding the wrong kind of value");
}

function notAnInteger(): void {
  replyText("-ERR value is not an integer or out of range");
}

function wrongCount(): void {
  putText("-ERR wrong number of arguments for '");
  for (let i: u32 = 0; i < argumentBytes(0); i++) {
    const letter: u32 = load<u8>(argumentAt(0) + i);
    putByte(letter >= 0x41 && letter <= 0x5a ? letter + 0x20 : letter);
  }
  replyText("' command");
}

function unknownCommand(count: u32): void {
  putText("-ERR unknown command '");
  putSafe(argumentAt(0), shownBytes(0, SHOWN_BYTES_MAX));
  putText("', with args beginning with: ");
  let shown: u32 = 0;
  for (let i: u32 = 1; i < count && shown < SHOWN_BYTES_MAX; i++) {
    const bytes = shownBytes(i, SHOWN_BYTES_MAX - shown);
    putByte(0x27);
    putSafe(argumentAt(i), bytes);
    putText("' ");
    shown += bytes + 3;
  }
  replyText("");
}

/** As C prints text: up to a zero byte. */
function shownBytes(argument: u32, limit: u32): u32 {
  const bytes = min(argumentBytes(argument), limit);
  for (let i: u32 = 0; i < bytes; i++) {
    if (load<u8>(argumentAt(argument) + i) == 0) return i;
  }
  return bytes;
}
