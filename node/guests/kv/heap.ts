/**
 * Objects in one stretch of memory. New ones go on top, dead ones stay until the top meets the end; then the live ones slide down and
 * lose the room they kept to grow. No address of an object is good after `reserve`.
 *
 * What may live is decided on a charge that depends on keys and values alone, not on how they came about: else a replay, which builds
 * them in another order, might refuse what the run before had done. The charge is never less than what the objects need after sliding.
 */
import { header } from "./layout";
import { fail } from "./text";

const DEAD: u8 = 0;
export const TEXT: u8 = 1;
export const LIST: u8 = 2;
const NODE: u8 = 3;

export const ENTRY_HEAD: u32 = 24;
export const NODE_HEAD: u32 = 20;
/** Elements of one node, unless it holds a single one. Unit: bytes. */
export const NODE_ROOM: u32 = 1024;
/** A node's head, and what the end of an object loses to the next multiple of 8. */
const NODE_CHARGE: u32 = NODE_HEAD + 7;
/** Longest object, and room for one more beside all that is live: one that grows is there twice for a moment. */
const SPARE_BYTES: u32 = 40960;
/** Share of the heap that live objects may not take, so that sliding always frees something worth it: 1/32. */
const SPARE_SHIFT: u32 = 5;
/** What a key may take in a checkpoint beyond its charge. */
const SAVED_EXTRA: u32 = 64;

/** A key and its value, which follow in this order. The value of a list is a `List`. */
@unmanaged
export class Entry {
  /** All of the object, room to grow included. */
  bytes: u32;
  kind: u8;
  colour: u8;
  keyBytes: u16;
  hash: u32;
  valueBytes: u32;
  /** Guest time; 0: never. Unit: microseconds. */
  expireAt: i64;
}

@unmanaged
export class List {
  first: u32;
  last: u32;
  count: u32;
  /** Bytes of all elements, their lengths included. */
  content: u32;
}

export const LIST_BYTES: u32 = 16;

/** Some elements of a list; the bytes from `start` to `end` behind the head are taken. */
@unmanaged
export class Node {
  bytes: u32;
  kind: u8;
  spare: u8;
  count: u16;
  /** Neighbours. At an end of the list, the entry's address + 1: objects stand at multiples of 8. */
  before: u32;
  after: u32;
  start: u16;
  end: u16;
}

@inline
export function entryAt(at: usize): Entry {
  return changetype<Entry>(at);
}

@inline
export function nodeAt(at: usize): Node {
  return changetype<Node>(at);
}

@inline
export function keyOf(entry: usize): usize {
  return entry + ENTRY_HEAD;
}

@inline
export function valueOf(entry: usize): usize {
  return entry + ENTRY_HEAD + entryAt(entry).keyBytes;
}

@inline
export function listOf(entry: usize): List {
  return changetype<List>(valueOf(entry));
}

@inline
export function isEnd(link: u32): bool {
  return (link & 1) != 0;
}

export function initHeap(base: u32, end: u32): void {
  const room = end - base;
  const spare = max(room >> SPARE_SHIFT, SPARE_BYTES);
  if (room < spare << 1) fail("memory is too small");
  header().heapBase = base;
  header().heapTop = base;
  header().heapEnd = end;
  header().liveMax = room - spare;
}

@inline
export function sizeOf(bytes: u32): u32 {
  return (bytes + 7) & ~7;
}

@inline
export function entrySize(keyBytes: u32, valueBytes: u32): u32 {
  return sizeOf(ENTRY_HEAD + keyBytes + valueBytes);
}

/**
 * What the nodes of a list are charged. Two neighbours that are not at an end hold more than NODE_ROOM together: the second one was made
 * because an element that it still holds did not fit the first. So a list has at most 2 * content / NODE_ROOM + 3 nodes.
 */
export function nodesCharge(content: u32): u32 {
  return content == 0 ? 0 : content + ((content << 1) / NODE_ROOM + 3) * NODE_CHARGE;
}

export function chargeOf(entry: Entry): u32 {
  const own = entrySize(entry.keyBytes, entry.valueBytes);
  return entry.kind == LIST ? own + nodesCharge(listOf(changetype<usize>(entry)).content) : own;
}

/** Whether so much more may live; `added` and `freed` are charges. */
export function fits(added: u32, freed: u32, newKeys: u32): bool {
  const live = <u64>header().liveBytes + added - freed;
  if (live > header().liveMax) return false;
  return header().isReplaying != 0 || savedBytes(<u32>live, header().keys + newKeys) <= header().savedMax;
}

/** At most what a checkpoint of so much takes in the log. */
@inline
export function savedBytes(live: u32, keys: u32): u32 {
  return live + (live >> 5) + keys * SAVED_EXTRA;
}

/** An object of `wanted` bytes, or of `least` where there is no room; both are sizes. Its head is the caller's to fill. */
export function reserve(least: u32, wanted: u32): usize {
  if (header().heapTop + wanted > header().heapEnd) {
    compact();
    if (header().heapTop + wanted > header().heapEnd) wanted = least;
    if (header().heapTop + wanted > header().heapEnd) fail("the heap is smaller than its charge");
  }
  const at = <usize>header().heapTop;
  header().heapTop += wanted;
  entryAt(at).bytes = wanted;
  return at;
}

@inline
export function makeNode(at: usize): Node {
  const node = nodeAt(at);
  node.kind = NODE;
  node.spare = 0;
  return node;
}

@inline
export function bury(at: usize): void {
  entryAt(at).kind = DEAD;
}

export function emptyHeap(): void {
  header().heapTop = header().heapBase;
  header().liveBytes = 0;
}

/**
 * The slot of an object that is being replaced may point at a dead one here: no live object ever stood there, so the search for a live
 * object's slot cannot meet it.
 */
function compact(): void {
  const top = <usize>header().heapTop;
  const cursor = <usize>header().cursor;
  let from = <usize>header().heapBase;
  let to = from;
  while (from < top) {
    if (from == cursor) header().cursor = <u32>to;
    const kind = entryAt(from).kind;
    const bytes = entryAt(from).bytes;
    if (kind == NODE) to += slideNode(from, to);
    else if (kind != DEAD) to += slideEntry(from, to);
    from += bytes;
  }
  if (cursor == top) header().cursor = <u32>to;
  header().heapTop = <u32>to;
}

function slideEntry(from: usize, to: usize): u32 {
  const entry = entryAt(from);
  const used = ENTRY_HEAD + entry.keyBytes + entry.valueBytes;
  const bytes = sizeOf(used);
  if (from != to) {
    store<u32>(slotPointingTo(from, entry.hash), <u32>to, 4);
    memory.copy(to, from, used);
    if (header().partial == <u32>from) header().partial = <u32>to;
  }
  entryAt(to).bytes = bytes;
  if (from == to || entryAt(to).kind != LIST) return bytes;
  const list = listOf(to);
  if (list.count == 0) return bytes;
  nodeAt(list.first).before = <u32>to | 1;
  nodeAt(list.last).after = <u32>to | 1;
  return bytes;
}

function slideNode(from: usize, to: usize): u32 {
  const node = nodeAt(from);
  const start = node.start;
  const used: u32 = node.end - start;
  const bytes = sizeOf(NODE_HEAD + used);
  if (from == to && start == 0) {
    node.bytes = bytes;
    return bytes;
  }
  memory.copy(to, from, NODE_HEAD);
  memory.copy(to + NODE_HEAD, from + NODE_HEAD + start, used);
  const moved = nodeAt(to);
  moved.bytes = bytes;
  moved.start = 0;
  moved.end = <u16>used;
  if (from != to) relink(moved);
  return bytes;
}

/** Makes the neighbours of a node point to where it stands. */
export function relink(node: Node): void {
  const at = changetype<u32>(node);
  if (isEnd(node.before)) listOf(node.before & ~1).first = at;
  else nodeAt(node.before).after = at;
  if (isEnd(node.after)) listOf(node.after & ~1).last = at;
  else nodeAt(node.after).before = at;
}

@inline
export function slotAddress(index: u32): usize {
  return <usize>header().indexBase + (<usize>(index & header().indexMask) << 3);
}

/** Address of the entry that a slot of the index points to; 0: the slot is free. */
@inline
export function entryOf(slot: usize): usize {
  return load<u32>(slot, 4);
}

function slotPointingTo(entry: usize, hash: u32): usize {
  let index = hash;
  while (entryOf(slotAddress(index)) != entry) index++;
  return slotAddress(index);
}
