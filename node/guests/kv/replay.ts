/**
 * Applies records of the log at boot. A key that a replay knows is as it was when the record was written, but one list that is being
 * restored in parts. A key of which the checkpoint has not come yet is not known; a record about it changes nothing, since its text or
 * list follows whole. So a replay never holds more than the run before did, and what fitted then fits now.
 */
import { beginPartial, contentOf, dropAll, isPartial, pushAll, shrinkGap } from "./changes";
import { resumePass } from "./checkpoint";
import { entryAt, entryOf, entrySize, fits, keyOf, LIST_BYTES } from "./heap";
import { appendText, find, fitsText, hasFreeSlots, makeList, removeAll, removeAt, setExpiry, setText } from "./keys";
import { argumentAt, argumentBytes, ARGUMENTS_MAX, header, setArgument } from "./layout";
import { elementsIn, fitsMore, listAt, pushRow } from "./lists";
import {
  APPEND,
  BOOT,
  CLEAR,
  COMMIT,
  CREATES,
  DELETE,
  DROP_LEFT,
  DROP_RIGHT,
  EXPIRE,
  JUMP,
  LIST_MORE,
  LIST_SAVED,
  PASS,
  PUSH_LEFT,
  PUSH_RIGHT,
  SET,
  SET_MORTAL,
  TIME,
  wholeWords,
} from "./log";
import { fail } from "./text";

export function apply(body: usize): void {
  const head = load<u32>(body);
  const count = head >> 16;
  if (count > ARGUMENTS_MAX) fail("a record has too many arguments");
  let at = body + 4;
  for (let i: u32 = 0; i < count; i++) {
    const bytes = load<u32>(at);
    setArgument(i, at + 4, bytes);
    at += 4 + wholeWords(bytes);
  }
  switch (head & 0xff) {
    case SET:
      for (let i: u32 = 0; i < count; i += 2) set(i, 0);
      break;
    case SET_MORTAL:
      set(1, load<i64>(argumentAt(0)));
      break;
    case DELETE:
      for (let i: u32 = 0; i < count; i++) remove(i);
      break;
    case PUSH_LEFT:
    case PUSH_RIGHT:
      push(count, (head & 0xff) == PUSH_RIGHT, (head & CREATES) != 0);
      break;
    case DROP_LEFT:
    case DROP_RIGHT:
      drop((head & 0xff) == DROP_RIGHT);
      break;
    case APPEND:
      lengthen();
      break;
    case EXPIRE:
      expire();
      break;
    case CLEAR:
      removeAll();
      break;
    case TIME:
      header().loggedTime = load<i64>(argumentAt(0));
      break;
    case PASS:
      beginPass();
      break;
    case LIST_SAVED:
      beginList(count);
      break;
    case LIST_MORE:
      goOnWithList(count);
      break;
    case BOOT:
    case JUMP:
    case COMMIT:
      break;
    default:
      fail("a record of a newer guest");
  }
}

@inline
function known(argument: u32): usize {
  return find(argumentAt(argument), argumentBytes(argument));
}

function set(first: u32, expireAt: i64): void {
  const slot = known(first);
  const valueBytes = argumentBytes(first + 1);
  needs(fitsText(slot, argumentBytes(first), valueBytes));
  setText(slot, argumentAt(first), argumentBytes(first), argumentAt(first + 1), valueBytes, expireAt);
}

function remove(argument: u32): void {
  const slot = known(argument);
  if (slot != 0) removeAt(slot);
}

function push(count: u32, isRight: bool, isNew: bool): void {
  const slot = isNew ? newList(0) : known(0);
  if (slot == 0) return;
  // Of a list that is being restored nothing is known to the right of the gap.
  if (!isRight || !isPartial(slot) || !header().isGapMissing) needs(fitsMore(listAt(slot).content, contentOf(1, count)));
  pushAll(slot, 1, count, isRight);
}

function drop(isRight: bool): void {
  const slot = known(0);
  if (slot == 0) return;
  dropAll(slot, load<u32>(argumentAt(1)), isRight);
  if (listAt(slot).count == 0 && header().partial != <u32>entryOf(slot)) removeAt(slot);
}

function lengthen(): void {
  const slot = known(0);
  if (slot == 0) return;
  const bytes = argumentBytes(1);
  needs(fitsText(slot, argumentBytes(0), entryAt(entryOf(slot)).valueBytes + bytes));
  appendText(slot, argumentAt(1), bytes);
}

function expire(): void {
  const slot = known(0);
  if (slot != 0) setExpiry(entryAt(entryOf(slot)), load<i64>(argumentAt(1)));
}

/** A later pass than the one the replay began with: all its objects are known, and it goes on after the boot. */
function beginPass(): void {
  header().loggedTime = load<i64>(argumentAt(0));
  if (header().sequence + 1 != header().replayPass) resumePass();
}

function beginList(count: u32): void {
  const about = argumentAt(0);
  const gap = load<u32>(about, 12);
  const isMissing = load<u32>(about, 8) == header().replayPass;
  const slot = isMissing ? newList(1) : known(1);
  if (slot == 0) fail("the log is damaged");
  if (gap > 0) beginPartial(slot, gap, isMissing);
  entryAt(entryOf(slot)).colour = <u8>header().colour;
  if (!isMissing) return;
  setExpiry(entryAt(entryOf(slot)), load<i64>(about));
  for (let i: u32 = 2; i < count; i++) restoreRow(slot, i);
}

function goOnWithList(count: u32): void {
  const isMissing = load<u32>(argumentAt(0)) == header().replayPass;
  for (let i: u32 = 1; i < count; i++) {
    const entry = header().partial;
    if (entry == 0) fail("the log is damaged");
    if (isMissing) restoreRow(find(keyOf(entry), entryAt(entry).keyBytes), i);
    shrinkGap(elementsIn(argumentAt(i), argumentBytes(i)));
  }
}

function restoreRow(slot: usize, argument: u32): void {
  const bytes = argumentBytes(argument);
  needs(fitsMore(listAt(slot).content, bytes));
  pushRow(slot, argumentAt(argument), bytes);
}

function newList(key: u32): usize {
  const keyBytes = argumentBytes(key);
  if (known(key) != 0) fail("the log is damaged");
  needs(hasFreeSlots(1) && fits(entrySize(keyBytes, LIST_BYTES), 0, 1));
  return makeList(argumentAt(key), keyBytes);
}

/** The same changes in the same order as when they were logged: only a smaller memory can refuse them. */
function needs(isThere: bool): void {
  if (!isThere) fail("memory is too small for the log");
}
