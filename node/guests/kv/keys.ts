/** The keys: an index of {hash, address} with linear probing over the heap's entries. */
import { hashOf } from "./hash";
import {
  bury,
  chargeOf,
  emptyHeap,
  Entry,
  ENTRY_HEAD,
  entryAt,
  entryOf,
  entrySize,
  fits,
  keyOf,
  LIST,
  LIST_BYTES,
  listOf,
  reserve,
  slotAddress,
  TEXT,
  valueOf,
} from "./heap";
import { buryNodes } from "./lists";
import { header } from "./layout";

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
      memory.compare(keyOf(entry), key, keyBytes) == 0
    ) {
      return slot;
    }
    index++;
    slot = slotAddress(index);
  }
  return 0;
}

@inline
export function slots(): u32 {
  return header().indexMask + 1;
}

/** An eighth stays free: chains of a fuller index grow long. */
export function hasFreeSlots(count: u32): bool {
  return header().keys + count <= slots() - (slots() >> 3);
}

/** Whether a text may stand at a key. `slot` is that of the key, 0 when there is none. */
export function fitsText(slot: usize, keyBytes: u32, valueBytes: u32): bool {
  const bytes = entrySize(keyBytes, valueBytes);
  if (slot == 0) return hasFreeSlots(1) && fits(bytes, 0, 1);
  return fits(bytes, chargeOf(entryAt(entryOf(slot))), 0);
}

/** After `fitsText`. `slot` is that of the key, 0 when there is none; `expireAt` 0: never. Neither key nor value lies in the heap. */
export function setText(slot: usize, key: usize, keyBytes: u32, value: usize, valueBytes: u32, expireAt: i64): void {
  const bytes = entrySize(keyBytes, valueBytes);
  if (slot == 0) {
    const hash = hashOf(key, keyBytes);
    slot = insert(hash, newEntry(bytes, hash, key, keyBytes, TEXT));
  } else {
    const old = entryAt(entryOf(slot));
    header().liveBytes += bytes - chargeOf(old);
    forget(old);
    if (old.kind == LIST) buryNodes(old);
    if (old.kind == LIST || old.bytes < bytes) {
      const hash = old.hash;
      bury(changetype<usize>(old));
      store<u32>(slot, <u32>newEntry(bytes, hash, key, keyBytes, TEXT), 4);
    }
  }
  const entry = entryAt(entryOf(slot));
  entry.colour = <u8>header().colour;
  entry.valueBytes = valueBytes;
  setExpiry(entry, expireAt);
  memory.copy(valueOf(changetype<usize>(entry)), value, valueBytes);
}

/** Makes a text longer; after `fitsText` of the new length. The bytes do not lie in the heap. */
export function appendText(slot: usize, from: usize, bytes: u32): void {
  let entry = entryAt(entryOf(slot));
  const keyBytes = entry.keyBytes;
  const used = entry.valueBytes;
  const size = entrySize(keyBytes, used + bytes);
  header().liveBytes += size - entrySize(keyBytes, used);
  if (entry.bytes < size) {
    // Half as much again, so that a text grows by few copies.
    const at = reserve(size, entrySize(keyBytes, used + bytes + ((used + bytes) >> 1)));
    // Only now, since the reservation may have moved it.
    const old = entryOf(slot);
    memory.copy(at + 4, old + 4, ENTRY_HEAD - 4 + keyBytes + used);
    bury(old);
    store<u32>(slot, <u32>at, 4);
    entry = entryAt(at);
  }
  entry.valueBytes = used + bytes;
  memory.copy(valueOf(changetype<usize>(entry)) + used, from, bytes);
}

/** An empty list at a key that does not exist; the caller has seen that it fits. Returns its slot. */
export function makeList(key: usize, keyBytes: u32): usize {
  const hash = hashOf(key, keyBytes);
  const at = newEntry(entrySize(keyBytes, LIST_BYTES), hash, key, keyBytes, LIST);
  const slot = insert(hash, at);
  const entry = entryAt(at);
  entry.colour = <u8>header().colour;
  entry.valueBytes = LIST_BYTES;
  entry.expireAt = 0;
  memory.fill(changetype<usize>(listOf(at)), 0, LIST_BYTES);
  return slot;
}

export function removeAt(slot: usize): void {
  const entry = entryAt(entryOf(slot));
  header().liveBytes -= chargeOf(entry);
  header().keys--;
  forget(entry);
  if (entry.kind == LIST) buryNodes(entry);
  bury(changetype<usize>(entry));
  closeGap(<u32>((slot - header().indexBase) >> 3));
}

export function removeAll(): void {
  memory.fill(header().indexBase, 0, <usize>slots() << 3);
  emptyHeap();
  header().keys = 0;
  header().mortals = 0;
  forgetPartial();
  header().cursor = header().heapBase;
}

export function setExpiry(entry: Entry, expireAt: i64): void {
  if (entry.expireAt != 0) header().mortals--;
  entry.expireAt = expireAt;
  if (expireAt == 0) return;
  header().mortals++;
  if (header().mortals == 1 || expireAt < header().nextExpiry) header().nextExpiry = expireAt;
}

/** What the header knows of an entry that goes. */
function forget(entry: Entry): void {
  setExpiry(entry, 0);
  if (header().partial == changetype<u32>(entry)) forgetPartial();
}

function forgetPartial(): void {
  header().partial = 0;
  header().isGapMissing = 0;
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

function insert(hash: u32, entry: usize): usize {
  let index = hash;
  while (entryOf(slotAddress(index)) != 0) index++;
  const slot = slotAddress(index);
  store<u32>(slot, hash);
  store<u32>(slot, <u32>entry, 4);
  header().keys++;
  header().liveBytes += entryAt(entry).bytes;
  return slot;
}

/** The key does not lie in the heap. Value, colour and expiry are the caller's to set before the next reservation. */
function newEntry(bytes: u32, hash: u32, key: usize, keyBytes: u32, kind: u8): usize {
  const at = reserve(bytes, bytes);
  const entry = entryAt(at);
  entry.kind = kind;
  entry.hash = hash;
  entry.keyBytes = <u16>keyBytes;
  entry.valueBytes = 0;
  entry.expireAt = 0;
  memory.copy(keyOf(at), key, keyBytes);
  return at;
}
