/**
 * Lists: chains of nodes, each a row of elements. An element is its length, its bytes, and its length again, so that it can be read from
 * either side: a length up to 254 is one byte; a longer one is 255 and two bytes before, two bytes and 255 behind.
 */
import {
  bury,
  Entry,
  entryOf,
  fits,
  isEnd,
  List,
  listOf,
  makeNode,
  Node,
  NODE_HEAD,
  NODE_ROOM,
  nodeAt,
  nodesCharge,
  relink,
  reserve,
  sizeOf,
} from "./heap";
import { header } from "./layout";

const SHORT_MAX: u32 = 254;
const LONG: u32 = 255;

@inline
export function elementSize(bytes: u32): u32 {
  return bytes <= SHORT_MAX ? bytes + 2 : bytes + 6;
}

/** Length of the element that begins here. */
@inline
export function elementBytes(at: usize): u32 {
  const first: u32 = load<u8>(at);
  return first <= SHORT_MAX ? first : load<u16>(at, 1);
}

/** Where the bytes of the element that begins here stand. */
@inline
export function elementAt(at: usize): usize {
  return at + (load<u8>(at) <= SHORT_MAX ? 1 : 3);
}

/** Size of the element that ends here. */
@inline
export function sizeBefore(end: usize): u32 {
  const last: u32 = load<u8>(end - 1);
  return last <= SHORT_MAX ? last + 2 : <u32>load<u16>(end - 3) + 6;
}

function writeElement(at: usize, from: usize, bytes: u32): void {
  if (bytes <= SHORT_MAX) {
    store<u8>(at, <u8>bytes);
    memory.copy(at + 1, from, bytes);
    store<u8>(at + 1 + bytes, <u8>bytes);
    return;
  }
  store<u8>(at, <u8>LONG);
  store<u16>(at, <u16>bytes, 1);
  memory.copy(at + 3, from, bytes);
  store<u16>(at + 3 + bytes, <u16>bytes);
  store<u8>(at + 5 + bytes, <u8>LONG);
}

@inline
export function listAt(slot: usize): List {
  return listOf(entryOf(slot));
}

@inline
export function firstByte(node: Node): usize {
  return changetype<usize>(node) + NODE_HEAD + node.start;
}

@inline
export function endByte(node: Node): usize {
  return changetype<usize>(node) + NODE_HEAD + node.end;
}

@inline
function roomOf(node: Node): u32 {
  return node.bytes - NODE_HEAD;
}

/** Whether a list may grow by so many bytes of elements. */
export function fitsMore(content: u32, added: u32): bool {
  return fits(nodesCharge(content + added), nodesCharge(content), 0);
}

/** After `fitsMore`. The element does not lie in the heap. */
export function pushRight(slot: usize, from: usize, bytes: u32): void {
  const size = elementSize(bytes);
  let node = nodeAt(listAt(slot).last);
  if (changetype<usize>(node) == 0 || <u32>node.end - node.start + size > NODE_ROOM) {
    node = newNode(slot, size, true);
  } else if (node.end + size > roomOf(node)) {
    node = makeRoom(slot, size, true);
  }
  writeElement(endByte(node), from, bytes);
  node.end += <u16>size;
  node.count++;
  count(listAt(slot), size);
}

/** After `fitsMore`. The element does not lie in the heap. */
export function pushLeft(slot: usize, from: usize, bytes: u32): void {
  const size = elementSize(bytes);
  let node = nodeAt(listAt(slot).first);
  if (changetype<usize>(node) == 0 || <u32>node.end - node.start + size > NODE_ROOM) {
    node = newNode(slot, size, false);
  } else if (node.start < size) {
    node = makeRoom(slot, size, false);
  }
  node.start -= <u16>size;
  writeElement(firstByte(node), from, bytes);
  node.count++;
  count(listAt(slot), size);
}

function count(list: List, size: u32): void {
  header().liveBytes += nodesCharge(list.content + size) - nodesCharge(list.content);
  list.count++;
  list.content += size;
}

/** Removes elements from the left; not more than there are. An empty list is the caller's to remove. */
export function dropLeft(slot: usize, elements: u32): void {
  const list = listAt(slot);
  const before = nodesCharge(list.content);
  list.count -= elements;
  while (elements > 0) {
    const node = nodeAt(list.first);
    if (node.count <= elements) {
      elements -= node.count;
      list.content -= <u32>node.end - node.start;
      unlink(node);
      continue;
    }
    const size = elementSize(elementBytes(firstByte(node)));
    list.content -= size;
    node.start += <u16>size;
    node.count--;
    elements--;
  }
  header().liveBytes -= before - nodesCharge(list.content);
}

/** Removes elements from the right; as `dropLeft`. */
export function dropRight(slot: usize, elements: u32): void {
  const list = listAt(slot);
  const before = nodesCharge(list.content);
  list.count -= elements;
  while (elements > 0) {
    const node = nodeAt(list.last);
    if (node.count <= elements) {
      elements -= node.count;
      list.content -= <u32>node.end - node.start;
      unlink(node);
      continue;
    }
    const size = sizeBefore(endByte(node));
    list.content -= size;
    node.end -= <u16>size;
    node.count--;
    elements--;
  }
  header().liveBytes -= before - nodesCharge(list.content);
}

/** Finds the element `index`, which exists: puts its node and its address into the header. */
export function seek(list: List, index: u32): void {
  let node = nodeAt(list.first);
  let left = index;
  if (index <= list.count >> 1) {
    while (left >= node.count) {
      left -= node.count;
      node = nodeAt(node.after);
    }
  } else {
    let behind = list.count - index;
    node = nodeAt(list.last);
    while (behind > node.count) {
      behind -= node.count;
      node = nodeAt(node.before);
    }
    left = node.count - behind;
  }
  let at = firstByte(node);
  while (left > 0) {
    at += elementSize(elementBytes(at));
    left--;
  }
  header().foundNode = changetype<u32>(node);
  header().foundAt = <u32>at;
}

/** Nodes of a list whose entry goes. */
export function buryNodes(entry: Entry): void {
  let node = listOf(changetype<usize>(entry)).first;
  while (node != 0 && !isEnd(node)) {
    const next = nodeAt(node).after;
    bury(node);
    node = next;
  }
}

/** Appends elements as they stand in a node. */
export function pushRow(slot: usize, row: usize, bytes: u32): void {
  const end = row + bytes;
  while (row < end) {
    pushRight(slot, elementAt(row), elementBytes(row));
    row += elementSize(elementBytes(row));
  }
}

export function elementsIn(row: usize, bytes: u32): u32 {
  const end = row + bytes;
  let elements: u32 = 0;
  while (row < end) {
    row += elementSize(elementBytes(row));
    elements++;
  }
  return elements;
}

/** A node at an end of the list with room for an element. The first one is small, since most lists are. */
function newNode(slot: usize, size: u32, isRight: bool): Node {
  const isFirst = listAt(slot).first == 0;
  const wanted = max(size, isFirst ? min(size << 1, NODE_ROOM) : NODE_ROOM);
  const at = reserve(sizeOf(NODE_HEAD + size), sizeOf(NODE_HEAD + wanted));
  const node = makeNode(at);
  const entry = entryOf(slot);
  const list = listOf(entry);
  const end = <u32>entry | 1;
  node.count = 0;
  node.before = isFirst || !isRight ? end : list.last;
  node.after = isFirst || isRight ? end : list.first;
  node.start = isRight ? 0 : <u16>roomOf(node);
  node.end = node.start;
  relink(node);
  return node;
}

/** Room for one more element on a side of the node that stands at that end: within the node, else in a larger one. */
function makeRoom(slot: usize, size: u32, isRight: bool): Node {
  const node = endNode(slot, isRight);
  const used: u32 = <u32>node.end - node.start;
  if (used + size <= roomOf(node)) {
    place(node, node, used, isRight);
    return node;
  }
  const wanted = min((used + size) << 1, NODE_ROOM);
  const at = reserve(sizeOf(NODE_HEAD + used + size), sizeOf(NODE_HEAD + wanted));
  // Only now, since the reservation may have moved it.
  const old = endNode(slot, isRight);
  const grown = makeNode(at);
  grown.count = old.count;
  grown.before = old.before;
  grown.after = old.after;
  place(grown, old, used, isRight);
  relink(grown);
  bury(changetype<usize>(old));
  return grown;
}

@inline
function endNode(slot: usize, isRight: bool): Node {
  return nodeAt(isRight ? listAt(slot).last : listAt(slot).first);
}

/** Puts the elements of a node to the left of `target`, so that it grows to the right, or the other way round. */
function place(target: Node, node: Node, used: u32, isRight: bool): void {
  const from = firstByte(node);
  target.start = isRight ? 0 : <u16>(roomOf(target) - used);
  target.end = <u16>(target.start + used);
  memory.copy(firstByte(target), from, used);
}

function unlink(node: Node): void {
  const before = node.before;
  const after = node.after;
  if (!isEnd(before)) nodeAt(before).after = after;
  else listOf(before & ~1).first = isEnd(after) ? 0 : after;
  if (!isEnd(after)) nodeAt(after).before = before;
  else listOf(after & ~1).last = isEnd(before) ? 0 : before;
  bury(changetype<usize>(node));
}
