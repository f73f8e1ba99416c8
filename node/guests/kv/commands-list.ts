/** Commands on lists. What a command changes is logged before the last byte of its reply is put. */
import { contentOf, dropAll, pushAll } from "./changes";
import { mayLog } from "./checkpoint";
import { isKeyAllowed, isValueAllowed, notAnInteger, outOfMemory, wrongKind } from "./errors";
import { lookup } from "./expiry";
import { entryAt, entryOf, entrySize, fits, isEnd, LIST, LIST_BYTES, nodeAt, nodesCharge } from "./heap";
import { hasFreeSlots, makeList, removeAt } from "./keys";
import { argumentAt, argumentBytes, DIGITS, header, setArgument } from "./layout";
import { elementAt, elementBytes, elementSize, endByte, firstByte, fitsMore, listAt, seek, sizeBefore } from "./lists";
import { CREATES, DROP_LEFT, DROP_RIGHT, log, PUSH_LEFT, PUSH_RIGHT, recordBytes } from "./log";
import { replyArray, replyBulk, replyInteger, replyNull, replyNullArray, replyText } from "./reply";
import { isInteger, readInteger } from "./text";

/** At most what a new list takes in a checkpoint beyond its record here. */
const LIST_EXTRA: u32 = 128;

export function push(isRight: bool): void {
  const count = header().argumentCount;
  const key = argumentAt(1);
  const keyBytes = argumentBytes(1);
  let slot = lookup(key, keyBytes);
  if (slot != 0 && !isList(slot)) {
    wrongKind();
    return;
  }
  if (!isKeyAllowed(keyBytes)) return;
  for (let i: u32 = 2; i < count; i++) {
    if (!isValueAllowed(argumentBytes(i))) return;
  }
  const isNew = slot == 0;
  const added = contentOf(2, count);
  const hasPlace = isNew
    ? hasFreeSlots(1) && fits(entrySize(keyBytes, LIST_BYTES) + nodesCharge(added), 0, 1)
    : fitsMore(listAt(slot).content, added);
  if (!hasPlace || !mayLog(recordBytes(1, count - 1) + LIST_EXTRA)) {
    outOfMemory();
    return;
  }
  if (isNew) slot = makeList(key, keyBytes);
  pushAll(slot, 2, count, isRight);
  const length = listAt(slot).count;
  log((isRight ? PUSH_RIGHT : PUSH_LEFT) | (isNew ? CREATES : 0), 1, count - 1);
  replyInteger(length);
}

export function length(): void {
  const slot = lookup(argumentAt(1), argumentBytes(1));
  if (slot == 0) replyInteger(0);
  else if (isList(slot)) replyInteger(listAt(slot).count);
  else wrongKind();
}

export function range(): void {
  if (!isInteger(argumentAt(2), argumentBytes(2)) || !isInteger(argumentAt(3), argumentBytes(3))) {
    notAnInteger();
    return;
  }
  const slot = lookup(argumentAt(1), argumentBytes(1));
  if (slot == 0) {
    replyArray(0);
    return;
  }
  if (!isList(slot)) {
    wrongKind();
    return;
  }
  const count: i64 = listAt(slot).count;
  const first = max<i64>(0, fromEnd(readInteger(argumentAt(2), argumentBytes(2)), count));
  const last = min<i64>(count - 1, fromEnd(readInteger(argumentAt(3), argumentBytes(3)), count));
  if (first > last) {
    replyArray(0);
    return;
  }
  replyArray(<u32>(last - first + 1));
  replyRight(slot, <u32>first, <u32>(last - first + 1));
}

/** With a count the reply is an array, even of one. */
export function pop(isRight: bool): void {
  const arguments_ = header().argumentCount;
  let wanted: i64 = 1;
  if (arguments_ > 3) {
    replyText(isRight ? "-ERR wrong number of arguments for 'rpop' command" : "-ERR wrong number of arguments for 'lpop' command");
    return;
  }
  if (arguments_ == 3) {
    const isCount = isInteger(argumentAt(2), argumentBytes(2));
    wanted = isCount ? readInteger(argumentAt(2), argumentBytes(2)) : -1;
    if (wanted < 0) {
      replyText("-ERR value is out of range, must be positive");
      return;
    }
  }
  const slot = lookup(argumentAt(1), argumentBytes(1));
  if (slot == 0) {
    if (arguments_ == 3) replyNullArray();
    else replyNull();
    return;
  }
  if (!isList(slot)) {
    wrongKind();
    return;
  }
  if (!mayLog(recordBytes(1, 1) + 8)) {
    outOfMemory();
    return;
  }
  const elements = <u32>min<i64>(wanted, listAt(slot).count);
  if (arguments_ == 3) replyArray(elements);
  if (elements == 0) return;
  if (isRight) replyLeft(slot, elements);
  else replyRight(slot, 0, elements);
  dropAll(slot, elements, isRight);
  if (listAt(slot).count == 0) removeAt(slot);
  store<u32>(DIGITS, elements);
  setArgument(2, DIGITS, 4);
  log(isRight ? DROP_RIGHT : DROP_LEFT, 1, 2);
}

/** Elements from `first` on, to the right. The place is kept here: a flush in the middle of a reply may search another list. */
function replyRight(slot: usize, first: u32, count: u32): void {
  seek(listAt(slot), first);
  let node = header().foundNode;
  let at: usize = header().foundAt;
  while (count > 0) {
    const bytes = elementBytes(at);
    replyBulk(elementAt(at), bytes);
    count--;
    at += elementSize(bytes);
    if (at < endByte(nodeAt(node))) continue;
    node = nodeAt(node).after;
    if (!isEnd(node)) at = firstByte(nodeAt(node));
  }
}

/** Elements from the last one on, to the left. */
function replyLeft(slot: usize, count: u32): void {
  let node = listAt(slot).last;
  let end = endByte(nodeAt(node));
  while (count > 0) {
    const at = end - sizeBefore(end);
    replyBulk(elementAt(at), elementBytes(at));
    count--;
    end = at;
    if (end > firstByte(nodeAt(node))) continue;
    node = nodeAt(node).before;
    if (!isEnd(node)) end = endByte(nodeAt(node));
  }
}

@inline
function isList(slot: usize): bool {
  return entryAt(entryOf(slot)).kind == LIST;
}

@inline
function fromEnd(index: i64, count: i64): i64 {
  return index < 0 ? index + count : index;
}
