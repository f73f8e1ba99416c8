/** Commands on keys, whatever they hold. What a command changes is logged before the last byte of its reply is put. */
import { mayLog } from "./checkpoint";
import { guestTime } from "./clock";
import { expiryOutOfRange, notAnInteger, outOfMemory, shownBytes, syntaxError } from "./errors";
import { lookup, sweepDue } from "./expiry";
import { matches } from "./glob";
import { Entry, entryAt, entryOf, keyOf, LIST, slotAddress, TEXT } from "./heap";
import { removeAll, removeAt, setExpiry, slots } from "./keys";
import { argumentAt, argumentBytes, header, setArgument } from "./layout";
import { CLEAR, DELETE, EXPIRE, log, recordBytes } from "./log";
import { putSafe, putText, replyArray, replyBulk, replyInteger, replyNumber, replyOk, replyText } from "./reply";
import { isInteger, isWord, readInteger } from "./text";

const TTL_MAX: i64 = i64.MAX_VALUE >> 2;
const SECOND: i64 = 1_000_000;
/** Keys that one SCAN looks at, unless it says otherwise. */
const SCAN_COUNT: i64 = 10;
/** Most places of the index that one SCAN looks at, however few keys they hold. */
const SCAN_PLACES: u32 = 0x8000;
const ANY_KIND: u8 = 0;
const NO_KIND: u8 = 255;

/** The record names only keys that existed: it is the effect that is logged. It is smaller than what they took in a checkpoint. */
export function removeKeys(): void {
  const count = header().argumentCount;
  let removed: u32 = 0;
  for (let i: u32 = 1; i < count; i++) {
    const key = argumentAt(i);
    const keyBytes = argumentBytes(i);
    const slot = lookup(key, keyBytes);
    if (slot == 0) continue;
    removeAt(slot);
    setArgument(removed, key, keyBytes);
    removed++;
  }
  if (removed > 0) log(DELETE, 0, removed);
  replyInteger(removed);
}

export function exists(): void {
  const count = header().argumentCount;
  let found: u32 = 0;
  for (let i: u32 = 1; i < count; i++) {
    if (lookup(argumentAt(i), argumentBytes(i)) != 0) found++;
  }
  replyInteger(found);
}

export function typeOf(): void {
  const slot = lookup(argumentAt(1), argumentBytes(1));
  if (slot == 0) replyText("+none");
  else replyText(entryAt(entryOf(slot)).kind == LIST ? "+list" : "+string");
}

/** EXPIRE and PEXPIRE with their options. */
export function expireIn(unit: i64): void {
  const count = header().argumentCount;
  let isAbsent = false;
  let isPresent = false;
  let isLater = false;
  let isSooner = false;
  if (!isInteger(argumentAt(2), argumentBytes(2))) {
    notAnInteger();
    return;
  }
  for (let i: u32 = 3; i < count; i++) {
    const at = argumentAt(i);
    const bytes = argumentBytes(i);
    if (isWord(at, bytes, "NX")) isAbsent = true;
    else if (isWord(at, bytes, "XX")) isPresent = true;
    else if (isWord(at, bytes, "GT")) isLater = true;
    else if (isWord(at, bytes, "LT")) isSooner = true;
    else return unsupported(i);
  }
  if (isAbsent && (isPresent || isLater || isSooner)) {
    replyText("-ERR NX and XX, GT or LT options at the same time are not compatible");
    return;
  }
  if (isLater && isSooner) {
    replyText("-ERR GT and LT options at the same time are not compatible");
    return;
  }
  const value = readInteger(argumentAt(2), argumentBytes(2));
  if (value > TTL_MAX / unit || value < -TTL_MAX / unit) {
    expiryOutOfRange();
    return;
  }
  const slot = lookup(argumentAt(1), argumentBytes(1));
  if (slot == 0) {
    replyInteger(0);
    return;
  }
  const old = entryAt(entryOf(slot)).expireAt;
  const expireAt = guestTime() + value * unit;
  const isRefused =
    (isAbsent && old != 0) ||
    (isPresent && old == 0) ||
    (isLater && (old == 0 || expireAt <= old)) ||
    (isSooner && old != 0 && expireAt >= old);
  if (isRefused) replyInteger(0);
  else if (value <= 0) removeExpired(slot);
  else setExpiryOf(slot, expireAt);
}

function unsupported(option: u32): void {
  putText("-ERR Unsupported option ");
  putSafe(argumentAt(option), shownBytes(option, 128));
  replyText("");
}

function removeExpired(slot: usize): void {
  removeAt(slot);
  log(DELETE, 1, 1);
  replyInteger(1);
}

export function persist(): void {
  const slot = lookup(argumentAt(1), argumentBytes(1));
  if (slot == 0 || entryAt(entryOf(slot)).expireAt == 0) replyInteger(0);
  else setExpiryOf(slot, 0);
}

function setExpiryOf(slot: usize, expireAt: i64): void {
  if (!mayLog(recordBytes(1, 1) + 16)) {
    outOfMemory();
    return;
  }
  const entry = entryOf(slot);
  setExpiry(entryAt(entry), expireAt);
  setArgument(2, entry + offsetof<Entry>("expireAt"), 8);
  log(EXPIRE, 1, 2);
  replyInteger(1);
}

/** Rounded up to a millisecond, then, as in Redis, to the nearest unit. */
export function timeToLive(unit: i64): void {
  const slot = lookup(argumentAt(1), argumentBytes(1));
  if (slot == 0) {
    replyInteger(-2);
    return;
  }
  const expireAt = entryAt(entryOf(slot)).expireAt;
  if (expireAt == 0) {
    replyInteger(-1);
    return;
  }
  const left = (expireAt - guestTime() + 999) / 1000;
  replyInteger(unit == SECOND ? (left + 500) / 1000 : left);
}

export function countKeys(): void {
  sweepDue();
  replyInteger(header().keys);
}

export function flushAll(): void {
  const count = header().argumentCount;
  const isKnown =
    count == 1 ||
    (count == 2 &&
      (isWord(argumentAt(1), argumentBytes(1), "SYNC") || isWord(argumentAt(1), argumentBytes(1), "ASYNC")));
  if (!isKnown) {
    syntaxError();
    return;
  }
  if (header().keys > 0) {
    removeAll();
    log(CLEAR, 0, 0);
  }
  replyOk();
}

/** Twice over all keys: first for their number. */
export function keys(): void {
  sweepDue();
  const pattern = argumentAt(1);
  const bytes = argumentBytes(1);
  const end = slots();
  let found: u32 = 0;
  for (let index: u32 = 0; index < end; index++) {
    const entry = entryOf(slotAddress(index));
    if (entry != 0 && matches(pattern, bytes, keyOf(entry), entryAt(entry).keyBytes)) found++;
  }
  replyArray(found);
  for (let index: u32 = 0; index < end; index++) {
    const entry = entryOf(slotAddress(index));
    if (entry == 0 || !matches(pattern, bytes, keyOf(entry), entryAt(entry).keyBytes)) continue;
    replyBulk(keyOf(entry), entryAt(entry).keyBytes);
  }
}

/**
 * The cursor is a place of the index: the keys that belong there, wherever they had to go, are looked at together. So a key that is there
 * all the time is met, whatever is set and deleted meanwhile.
 */
export function scan(): void {
  const count = header().argumentCount;
  let pattern: usize = 0;
  let patternBytes: u32 = 0;
  let wanted = SCAN_COUNT;
  let kind = ANY_KIND;
  if (!isInteger(argumentAt(1), argumentBytes(1)) || readInteger(argumentAt(1), argumentBytes(1)) < 0) {
    replyText("-ERR invalid cursor");
    return;
  }
  for (let i: u32 = 2; i < count; i += 2) {
    const at = argumentAt(i);
    const bytes = argumentBytes(i);
    if (i + 1 == count) {
      syntaxError();
      return;
    }
    const value = argumentAt(i + 1);
    const valueBytes = argumentBytes(i + 1);
    if (isWord(at, bytes, "MATCH")) {
      pattern = value;
      patternBytes = valueBytes;
    } else if (isWord(at, bytes, "COUNT")) {
      if (!isInteger(value, valueBytes)) {
        notAnInteger();
        return;
      }
      wanted = readInteger(value, valueBytes);
    } else if (isWord(at, bytes, "TYPE")) {
      kind = kindNamed(value, valueBytes);
    } else {
      wanted = 0;
    }
    if (wanted < 1) {
      syntaxError();
      return;
    }
  }
  sweepDue();
  const cursor = readInteger(argumentAt(1), argumentBytes(1));
  scanFrom(cursor >= <i64>slots() ? slots() : <u32>cursor, wanted, kind, pattern, patternBytes);
}

function kindNamed(at: usize, bytes: u32): u8 {
  if (isWord(at, bytes, "STRING")) return TEXT;
  return isWord(at, bytes, "LIST") ? LIST : NO_KIND;
}

/** Twice over the places: first for the number of keys, and for the place to stop at. */
function scanFrom(first: u32, wanted: i64, kind: u8, pattern: usize, patternBytes: u32): void {
  const all = slots();
  const last = min(all, first + SCAN_PLACES);
  let looked: i64 = 0;
  let found: u32 = 0;
  let next = first;
  while (next < last && looked < wanted) {
    for (let index = next; entryOf(slotAddress(index)) != 0; index++) {
      const slot = slotAddress(index);
      if (!belongs(slot, next)) continue;
      looked++;
      if (isAsked(entryOf(slot), kind, pattern, patternBytes)) found++;
    }
    next++;
  }
  replyArray(2);
  replyNumber(next == all ? 0 : next);
  replyArray(found);
  for (let place = first; place < next; place++) {
    for (let index = place; entryOf(slotAddress(index)) != 0; index++) {
      const slot = slotAddress(index);
      if (!belongs(slot, place)) continue;
      const entry = entryOf(slot);
      if (isAsked(entry, kind, pattern, patternBytes)) replyBulk(keyOf(entry), entryAt(entry).keyBytes);
    }
  }
}

@inline
function belongs(slot: usize, place: u32): bool {
  return (load<u32>(slot) & header().indexMask) == place;
}

function isAsked(entry: usize, kind: u8, pattern: usize, patternBytes: u32): bool {
  if (kind != ANY_KIND && entryAt(entry).kind != kind) return false;
  return pattern == 0 || matches(pattern, patternBytes, keyOf(entry), entryAt(entry).keyBytes);
}
