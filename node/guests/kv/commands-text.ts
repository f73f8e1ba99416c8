/** Commands on texts. What a command changes is logged before the last byte of its reply is put. */
import { mayLog } from "./checkpoint";
import { guestTime } from "./clock";
import { expiryOutOfRange, isKeyAllowed, isValueAllowed, notAnInteger, outOfMemory, syntaxError, tooLong, wrongCount, wrongKind } from "./errors";
import { lookup } from "./expiry";
import { Entry, entryAt, entryOf, entrySize, fits, TEXT, valueOf } from "./heap";
import { appendText, find, fitsText, hasFreeSlots, setText } from "./keys";
import { argumentAt, argumentBytes, header, setArgument, VALUE_BYTES_MAX } from "./layout";
import { APPEND, log, recordBytes, SET, SET_MORTAL } from "./log";
import { replyArray, replyBulk, replyInteger, replyNull, replyOk, replyText } from "./reply";
import { integerBytes, isInteger, isWord, readInteger, writeInteger } from "./text";

/** Conditions of SET. */
const ALWAYS: u32 = 0;
const IF_ABSENT: u32 = 1;
const IF_PRESENT: u32 = 2;

/** Longest time to live. Unit: microseconds. */
const TTL_MAX: i64 = i64.MAX_VALUE >> 2;
/** At most what a key takes in a checkpoint beyond its record here. */
const KEY_EXTRA: u32 = 96;

export function get(): void {
  replyTextAt(lookup(argumentAt(1), argumentBytes(1)));
}

export function getMany(): void {
  const count = header().argumentCount;
  replyArray(count - 1);
  for (let i: u32 = 1; i < count; i++) {
    const slot = lookup(argumentAt(i), argumentBytes(i));
    if (isText(slot)) replyTextAt(slot);
    else replyNull();
  }
}

export function textLength(): void {
  const slot = lookup(argumentAt(1), argumentBytes(1));
  if (slot == 0) replyInteger(0);
  else if (isText(slot)) replyInteger(entryAt(entryOf(slot)).valueBytes);
  else wrongKind();
}

export function set(): void {
  const count = header().argumentCount;
  let condition = ALWAYS;
  let wantsOld = false;
  let keepsExpiry = false;
  let unit: i64 = 0;
  let timeAt: u32 = 0;
  for (let i: u32 = 3; i < count; i++) {
    const at = argumentAt(i);
    const bytes = argumentBytes(i);
    if (isWord(at, bytes, "NX") && condition != IF_PRESENT) {
      condition = IF_ABSENT;
    } else if (isWord(at, bytes, "XX") && condition != IF_ABSENT) {
      condition = IF_PRESENT;
    } else if (isWord(at, bytes, "GET")) {
      wantsOld = true;
    } else if (isWord(at, bytes, "KEEPTTL") && timeAt == 0) {
      keepsExpiry = true;
    } else if (unitOf(at, bytes) >= 0 && i + 1 < count && timeAt == 0 && !keepsExpiry) {
      unit = unitOf(at, bytes);
      i++;
      timeAt = i;
    } else {
      syntaxError();
      return;
    }
  }
  let expireAt: i64 = 0;
  if (timeAt != 0) {
    expireAt = expiryIn(timeAt, unit);
    if (expireAt == 0) return;
  }
  setWhen(condition, wantsOld, keepsExpiry, expireAt);
}

/** Microseconds; 0: needs a clock that this machine has not; negative: no such option. */
function unitOf(at: usize, bytes: u32): i64 {
  if (isWord(at, bytes, "EX")) return 1_000_000;
  if (isWord(at, bytes, "PX")) return 1000;
  if (isWord(at, bytes, "EXAT") || isWord(at, bytes, "PXAT")) return 0;
  return -1;
}

/** Guest time that an argument of SET means; 0: none, and an error was replied. */
function expiryIn(argument: u32, unit: i64): i64 {
  const at = argumentAt(argument);
  const bytes = argumentBytes(argument);
  if (unit == 0) {
    replyText("-ERR a point in time needs a wall clock, which this server does not have");
    return 0;
  }
  if (!isInteger(at, bytes)) {
    notAnInteger();
    return 0;
  }
  const value = readInteger(at, bytes);
  if (value <= 0 || value > TTL_MAX / unit) {
    expiryOutOfRange();
    return 0;
  }
  return guestTime() + value * unit;
}

function setWhen(condition: u32, wantsOld: bool, keepsExpiry: bool, expireAt: i64): void {
  if (!isKeyAllowed(argumentBytes(1)) || !isValueAllowed(argumentBytes(2))) return;
  const slot = lookup(argumentAt(1), argumentBytes(1));
  if (wantsOld && slot != 0 && !isText(slot)) {
    wrongKind();
    return;
  }
  const isWanted = condition == ALWAYS || (condition == IF_PRESENT) == (slot != 0);
  if (isWanted && !canSet(slot)) return;
  if (wantsOld) replyTextAt(slot);
  else if (!isWanted) replyNull();
  if (!isWanted) return;
  if (keepsExpiry && slot != 0) expireAt = entryAt(entryOf(slot)).expireAt;
  change(slot, expireAt);
  if (!wantsOld) replyOk();
}

/** Whether the key in argument 1 can take the value in argument 2. False: an error was replied. */
function canSet(slot: usize): bool {
  if (mayLog(recordBytes(1, 2) + 16) && fitsText(slot, argumentBytes(1), argumentBytes(2))) return true;
  outOfMemory();
  return false;
}

/** After `canSet`. */
function change(slot: usize, expireAt: i64): void {
  setText(slot, argumentAt(1), argumentBytes(1), argumentAt(2), argumentBytes(2), expireAt);
  if (expireAt == 0) {
    log(SET, 1, 2);
    return;
  }
  const entry = entryOf(find(argumentAt(1), argumentBytes(1)));
  setArgument(0, entry + offsetof<Entry>("expireAt"), 8);
  log(SET_MORTAL, 0, 3);
}

/** Either all keys are set or none. What they replace is not counted as free: until the last one is set it is there. */
export function setMany(): void {
  const count = header().argumentCount;
  if ((count & 1) == 0) {
    wrongCount();
    return;
  }
  let added: u32 = 0;
  let newKeys: u32 = 0;
  for (let i: u32 = 1; i < count; i += 2) {
    if (!isKeyAllowed(argumentBytes(i)) || !isValueAllowed(argumentBytes(i + 1))) return;
    added += entrySize(argumentBytes(i), argumentBytes(i + 1));
    if (lookup(argumentAt(i), argumentBytes(i)) == 0) newKeys++;
  }
  const bytes = recordBytes(1, count - 1) + newKeys * KEY_EXTRA;
  if (!mayLog(bytes) || !hasFreeSlots(newKeys) || !fits(added, 0, newKeys)) {
    outOfMemory();
    return;
  }
  for (let i: u32 = 1; i < count; i += 2) {
    const slot = find(argumentAt(i), argumentBytes(i));
    setText(slot, argumentAt(i), argumentBytes(i), argumentAt(i + 1), argumentBytes(i + 1), 0);
  }
  log(SET, 1, count - 1);
  replyOk();
}

/** By an amount that the command names. */
export function addBy(isMinus: bool): void {
  if (!isInteger(argumentAt(2), argumentBytes(2))) {
    notAnInteger();
    return;
  }
  const amount = readInteger(argumentAt(2), argumentBytes(2));
  if (!isMinus) addTo(amount);
  else if (amount == i64.MIN_VALUE) replyText("-ERR decrement would overflow");
  else addTo(-amount);
}

/** Logged as the value it leaves, so that a replay needs no arithmetic. */
export function addTo(delta: i64): void {
  let value: i64 = 0;
  let expireAt: i64 = 0;
  const slot = lookup(argumentAt(1), argumentBytes(1));
  if (slot != 0) {
    if (!isText(slot)) {
      wrongKind();
      return;
    }
    const entry = entryOf(slot);
    if (!isInteger(valueOf(entry), entryAt(entry).valueBytes)) {
      notAnInteger();
      return;
    }
    value = readInteger(valueOf(entry), entryAt(entry).valueBytes);
    expireAt = entryAt(entry).expireAt;
  } else if (!isKeyAllowed(argumentBytes(1))) {
    return;
  }
  if (delta > 0 ? value > i64.MAX_VALUE - delta : value < i64.MIN_VALUE - delta) {
    replyText("-ERR increment or decrement would overflow");
    return;
  }
  value += delta;
  const digits = writeInteger(value);
  setArgument(2, digits, integerBytes(digits));
  if (!canSet(slot)) return;
  change(slot, expireAt);
  replyInteger(value);
}

export function append(): void {
  const slot = lookup(argumentAt(1), argumentBytes(1));
  if (slot == 0) {
    if (!isKeyAllowed(argumentBytes(1)) || !isValueAllowed(argumentBytes(2)) || !canSet(0)) return;
    change(0, 0);
    replyInteger(argumentBytes(2));
    return;
  }
  if (!isText(slot)) {
    wrongKind();
    return;
  }
  const bytes = entryAt(entryOf(slot)).valueBytes + argumentBytes(2);
  if (bytes > VALUE_BYTES_MAX) {
    tooLong("value", VALUE_BYTES_MAX);
    return;
  }
  if (!mayLog(recordBytes(1, 2)) || !fitsText(slot, argumentBytes(1), bytes)) {
    outOfMemory();
    return;
  }
  appendText(slot, argumentAt(2), argumentBytes(2));
  log(APPEND, 1, 2);
  replyInteger(bytes);
}

@inline
function isText(slot: usize): bool {
  return slot != 0 && entryAt(entryOf(slot)).kind == TEXT;
}

function replyTextAt(slot: usize): void {
  if (slot == 0) {
    replyNull();
  } else if (isText(slot)) {
    const entry = entryOf(slot);
    replyBulk(valueOf(entry), entryAt(entry).valueBytes);
  } else {
    wrongKind();
  }
}
