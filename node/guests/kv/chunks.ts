/** Bytes of unknown length in chunks of a pool that all sessions share. */
import { header } from "./layout";

const CHUNK_BYTES: u32 = 1024;
/** A chunk begins with the address of the next one. */
const CHUNK_ROOM: u32 = CHUNK_BYTES - 4;

@unmanaged
export class Chain {
  bytes: u32;
  first: u32;
  last: u32;
}

export function initPool(from: usize, end: usize): void {
  header().poolList = 0;
  header().poolFresh = <u32>from;
  header().poolFree = <u32>(end - from) / CHUNK_BYTES;
}

/** Keeps bytes behind those kept before; false, and nothing kept, when the pool has no room. */
export function addBytes(chain: Chain, from: usize, bytes: u32): bool {
  let used: u32 = chain.bytes == 0 ? CHUNK_ROOM : ((chain.bytes - 1) % CHUNK_ROOM) + 1;
  const room = CHUNK_ROOM - used;
  if (bytes > room && (bytes - room + CHUNK_ROOM - 1) / CHUNK_ROOM > header().poolFree) return false;
  while (bytes > 0) {
    if (used == CHUNK_ROOM) {
      const chunk = takeChunk();
      if (chain.bytes == 0) chain.first = chunk;
      else store<u32>(chain.last, chunk);
      chain.last = chunk;
      used = 0;
    }
    const piece = min(bytes, CHUNK_ROOM - used);
    memory.copy(<usize>chain.last + 4 + used, from, piece);
    chain.bytes += piece;
    used += piece;
    from += piece;
    bytes -= piece;
  }
  return true;
}

/** Gives all chunks back. */
export function dropBytes(chain: Chain): void {
  if (chain.bytes == 0) return;
  store<u32>(chain.last, header().poolList);
  header().poolList = chain.first;
  header().poolFree += (chain.bytes + CHUNK_ROOM - 1) / CHUNK_ROOM;
  chain.bytes = 0;
}

export function beginReading(chain: Chain): void {
  header().queueChunk = chain.first;
  header().queueOffset = 0;
}

/** Copies the next bytes of the chain that is being read. */
export function readBytes(target: usize, bytes: u32): void {
  while (bytes > 0) {
    if (header().queueOffset == CHUNK_ROOM) {
      header().queueChunk = load<u32>(header().queueChunk);
      header().queueOffset = 0;
    }
    const piece = min(bytes, CHUNK_ROOM - header().queueOffset);
    memory.copy(target, <usize>header().queueChunk + 4 + header().queueOffset, piece);
    header().queueOffset += piece;
    target += piece;
    bytes -= piece;
  }
}

function takeChunk(): u32 {
  header().poolFree--;
  const given = header().poolList;
  if (given != 0) {
    header().poolList = load<u32>(given);
    return given;
  }
  const fresh = header().poolFresh;
  header().poolFresh = fresh + CHUNK_BYTES;
  return fresh;
}
