/**
 * The keys: an index of {hash, address} with linear probing over a heap of objects, to which new objects are appended. Dead ones
 * stay until the top meets the end; then the live ones slide down. No address of an object is good after an allocation.
 */
import { hashOf } from "./hash";
import { argumentAt, argumentBytes, header, RESERVE_SHIFT } from "./layout";

const DEAD: u8 = 0;
export const TEXT: u8 = 1;
export const LIST: u8 = 2;

const HEAD: u32 = 16;
const COUNT_BYTES: u32 = 4;

/** Head of an object; key and value follow. The value of a list is its count, then {length, bytes} of each element. */
@unmanaged
class Entry {
  /** Head, key, value and room to grow. */
  bytes: u32;
  hash: u32;
  keyBytes: u16;
  kind: u8;
  spare: u8;
  valueBytes: u32;
}

@inline
function entryAt(at: usize): Entry {
  return changetype<Entry>(at);
}

@inline
function slotAddress(index: u32): usize {
  return <usize>header().indexBase + (<usize>(index & header().indexMask) << 3);
}

@inline
function entryOf(slot: usize): usize {
  return load<u32>(slot, 4);
}

@inline
export function kindOf(slot: usize): u8 {
  return entryAt(entryOf(slot)).kind;
}

@inline
export function valueBytesOf(slot: usize): u32 {
  return entryAt(entryOf(slot)).valueBytes;
}

@inline
export function valueAt(slot: usize): usize {
  const entry = entryOf(slot);
  return entry + HEAD + entryAt(entry).keyBytes;
}

@inline
export function listCount(slot: usize): u32 {
  return load<u32>(valueAt(slot));
}

/** Address of the first element's length. */
@inline
export function listStart(slot: usize): usize {
  return valueAt(slot) + COUNT_BYTES;
}

/** Address of the key's slot; 0 when there is no such key. */
export function find(key: usize, keyBytes: u32): usize {
  return findHashed(key, keyBytes, hashOf(key, keyBytes));
}

function findHashed(key: usize, keyBytes: u32, hash: u32): usize {
  let index = hash;
  let slot = slotAddress(index);
  while (entryOf(slot) != 0) {
    const entry = entryOf(slot);
    if (
      load<u32>(slot) == hash &&
      entryAt(entry).keyBytes == keyBytes &&
      memory.compare(entry + HEAD, key, keyBytes) == 0
    ) {
      return slot;
    }
    index++;
    slot = slotAddress(index);
  }
  return 0;
}

/** False, and nothing changed, when memory is full. The value does not lie in the heap. */
export function setText(key: usize, keyBytes: u32, value: usize, valueBytes: u32): bool {
  const hash = hashOf(key, keyBytes);
  const slot = findHashed(key, keyBytes, hash);
  const bytes = sizeFor(keyBytes, valueBytes);
  if (slot == 0) {
    if (!hasFreeSlot() || !fits(bytes, 0)) return false;
    fill(insert(hash, allocate(bytes, hash, key, keyBytes)), value, valueBytes);
    return true;
  }
  const old = entryAt(entryOf(slot));
  if (old.bytes != bytes) {
    if (!fits(bytes, old.bytes)) return false;
    bury(old);
    store<u32>(slot, <u32>allocate(bytes, hash, key, keyBytes), 4);
  }
  fill(slot, value, valueBytes);
  return true;
}

function fill(slot: usize, value: usize, valueBytes: u32): void {
  const entry = entryAt(entryOf(slot));
  entry.kind = TEXT;
  entry.valueBytes = valueBytes;
  memory.copy(valueAt(slot), value, valueBytes);
}

/** False when there was no such key. */
export function remove(key: usize, keyBytes: u32): bool {
  const slot = find(key, keyBytes);
  if (slot == 0) return false;
  bury(entryAt(entryOf(slot)));
  header().keys--;
  closeGap(<u32>((slot - header().indexBase) >> 3));
  return true;
}

/** Moves later slots of the chain back, so that probing needs no marks for slots that were deleted. */
function closeGap(gap: u32): void {
  const mask = header().indexMask;
  for (let index = gap + 1; ; index++) {
    const slot = slotAddress(index);
    if (entryOf(slot) == 0) break;
    const home = load<u32>(slot);
    if (((index - home) & mask) >= ((index - gap) & mask)) {
      store<u64>(slotAddress(gap), load<u64>(slot));
      gap = index;
    }
  }
  store<u64>(slotAddress(gap), 0);
}

/** Appends arguments `first` to `end` - 1 to a list, made if need be. False, and nothing changed, when memory is full. */
export function append(key: usize, keyBytes: u32, first: u32, end: u32): bool {
  let added: u32 = 0;
  for (let i = first; i < end; i++) added += 4 + argumentBytes(i);
  const slot = listSlotFor(key, keyBytes, added);
  if (slot == 0) return false;
  const entry = entryAt(entryOf(slot));
  const list = valueAt(slot);
  let at = list + entry.valueBytes;
  for (let i = first; i < end; i++) {
    const bytes = argumentBytes(i);
    store<u32>(at, bytes);
    memory.copy(at + 4, argumentAt(i), bytes);
    at += 4 + bytes;
  }
  entry.valueBytes += added;
  store<u32>(list, load<u32>(list) + (end - first));
  return true;
}

/** Slot of the key's list, with room for so many bytes more; 0 when memory is full. */
function listSlotFor(key: usize, keyBytes: u32, added: u32): usize {
  const hash = hashOf(key, keyBytes);
  const slot = findHashed(key, keyBytes, hash);
  return slot == 0 ? newList(key, keyBytes, hash, added) : grownList(slot, added);
}

function newList(key: usize, keyBytes: u32, hash: u32, added: u32): usize {
  const bytes = sizeFor(keyBytes, COUNT_BYTES + added);
  if (!hasFreeSlot() || !fits(bytes, 0)) return 0;
  const slot = insert(hash, allocate(bytes, hash, key, keyBytes));
  const entry = entryAt(entryOf(slot));
  entry.kind = LIST;
  entry.valueBytes = COUNT_BYTES;
  store<u32>(valueAt(slot), 0);
  return slot;
}

function grownList(slot: usize, added: u32): usize {
  const before = entryAt(entryOf(slot));
  const hash = before.hash;
  const keyBytes = before.keyBytes;
  const used = before.valueBytes;
  if (before.bytes - HEAD - keyBytes >= used + added) return slot;
  // Half as much again, so that a list grows by few copies. Old and new are live at once.
  let bytes = sizeFor(keyBytes, used + added + ((used + added) >> 1));
  if (!fits(bytes, 0)) bytes = sizeFor(keyBytes, used + added);
  if (!fits(bytes, 0)) return 0;
  const grown = reserve(bytes);
  // Only now, since the reservation may have moved it.
  const old = entryAt(entryOf(slot));
  entryAt(grown).bytes = bytes;
  entryAt(grown).hash = hash;
  entryAt(grown).keyBytes = keyBytes;
  entryAt(grown).kind = LIST;
  entryAt(grown).valueBytes = used;
  memory.copy(grown + HEAD, changetype<usize>(old) + HEAD, keyBytes + used);
  bury(old);
  store<u32>(slot, <u32>grown, 4);
  return slot;
}

@inline
function sizeFor(keyBytes: u32, valueBytes: u32): u32 {
  return (HEAD + keyBytes + valueBytes + 7) & ~7;
}

/**
 * Decided on live bytes alone: "is there enough dead to compact?" would refuse the same SET after a DEL that it took before it, and
 * a replay of the log might refuse what the run before had done.
 */
function fits(bytes: u32, freed: u32): bool {
  const capacity = header().heapEnd - header().heapBase;
  return <u64>header().liveBytes + bytes - freed <= capacity - (capacity >> RESERVE_SHIFT);
}

/** An eighth stays free: chains of a fuller index grow long. */
function hasFreeSlot(): bool {
  const slots = header().indexMask + 1;
  return header().keys < slots - (slots >> 3);
}

function insert(hash: u32, entry: usize): usize {
  let index = hash;
  while (entryOf(slotAddress(index)) != 0) index++;
  const slot = slotAddress(index);
  store<u32>(slot, hash);
  store<u32>(slot, <u32>entry, 4);
  header().keys++;
  return slot;
}

function bury(entry: Entry): void {
  entry.kind = DEAD;
  header().liveBytes -= entry.bytes;
}

/** The key does not lie in the heap. Kind and value are the caller's to set before the next allocation. */
function allocate(bytes: u32, hash: u32, key: usize, keyBytes: u32): usize {
  const at = reserve(bytes);
  const entry = entryAt(at);
  entry.bytes = bytes;
  entry.hash = hash;
  entry.keyBytes = <u16>keyBytes;
  memory.copy(at + HEAD, key, keyBytes);
  return at;
}

/** Never fails after `fits`. */
function reserve(bytes: u32): usize {
  if (header().heapTop + bytes > header().heapEnd) compact();
  const at = <usize>header().heapTop;
  header().heapTop += bytes;
  header().liveBytes += bytes;
  return at;
}

/**
 * Slides live objects down. The slot of an object that is being replaced may point at a dead one here: no live object ever stood
 * there, so the search for a live object's slot cannot meet it.
 */
function compact(): void {
  const top = <usize>header().heapTop;
  let from = <usize>header().heapBase;
  let to = from;
  while (from < top) {
    const entry = entryAt(from);
    const bytes = entry.bytes;
    if (entry.kind != DEAD) {
      if (from != to) {
        store<u32>(slotPointingTo(from, entry.hash), <u32>to, 4);
        memory.copy(to, from, bytes);
      }
      to += bytes;
    }
    from += bytes;
  }
  header().heapTop = <u32>to;
}

function slotPointingTo(entry: usize, hash: u32): usize {
  let index = hash;
  while (entryOf(slotAddress(index)) != entry) index++;
  return slotAddress(index);
}
