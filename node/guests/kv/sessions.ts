/** Client sessions, and their unfinished commands in chunks of a pool that all sessions share. */
import { header, INPUT, SESSIONS, SESSIONS_MAX } from "./layout";

const FREE: u32 = 0;
export const OPEN: u32 = 1;
/** The guest has closed it and reads nothing more of it. */
export const CLOSING: u32 = 2;

const SESSION_BYTES: usize = 32;
const CHUNK_BYTES: u32 = 1024;
/** A chunk begins with the address of the next one. */
const CHUNK_ROOM: u32 = CHUNK_BYTES - 4;

@unmanaged
export class Session {
  id: u32;
  state: u32;
  pendingBytes: u32;
  pendingFirst: u32;
  pendingLast: u32;
  /** Bytes, pending ones included, that the parser wants before it tries again. */
  wantedBytes: u32;
}

/** Consecutive numbers find their places at once. */
@inline
function place(id: u32, probe: u32): Session {
  return changetype<Session>(SESSIONS + <usize>((id + probe) % SESSIONS_MAX) * SESSION_BYTES);
}

export function findSession(id: u32): Session | null {
  for (let probe: u32 = 0; probe < SESSIONS_MAX; probe++) {
    const session = place(id, probe);
    if (session.state != FREE && session.id == id) return session;
  }
  return null;
}

/** False when the table is full. */
export function addSession(id: u32): bool {
  for (let probe: u32 = 0; probe < SESSIONS_MAX; probe++) {
    const session = place(id, probe);
    if (session.state != FREE) continue;
    session.id = id;
    session.state = OPEN;
    session.pendingBytes = 0;
    session.wantedBytes = 0;
    return true;
  }
  return false;
}

export function removeSession(session: Session): void {
  dropPending(session);
  session.state = FREE;
}

export function initPool(from: usize, end: usize): void {
  header().poolList = 0;
  header().poolFresh = <u32>from;
  header().poolFree = <u32>(end - from) / CHUNK_BYTES;
}

/** Keeps bytes behind those kept before; false, and nothing kept, when the pool has no room. */
export function keepPending(session: Session, from: usize, bytes: u32): bool {
  let used: u32 = session.pendingBytes == 0 ? 0 : ((session.pendingBytes - 1) % CHUNK_ROOM) + 1;
  const room: u32 = session.pendingBytes == 0 ? 0 : CHUNK_ROOM - used;
  if (bytes > room) {
    const chunks = (bytes - room + CHUNK_ROOM - 1) / CHUNK_ROOM;
    if (chunks > header().poolFree) return false;
  }
  let isFirst = session.pendingBytes == 0;
  session.pendingBytes += bytes;
  while (bytes > 0) {
    if (isFirst || used == CHUNK_ROOM) {
      const chunk = takeChunk();
      if (isFirst) session.pendingFirst = chunk;
      else store<u32>(session.pendingLast, chunk);
      session.pendingLast = chunk;
      isFirst = false;
      used = 0;
    }
    const piece = min(bytes, CHUNK_ROOM - used);
    memory.copy(<usize>session.pendingLast + 4 + used, from, piece);
    used += piece;
    from += piece;
    bytes -= piece;
  }
  return true;
}

/** Puts what is pending right before the input; returns where it begins. */
export function joinPending(session: Session): usize {
  const from = INPUT - session.pendingBytes;
  let at = from;
  let chunk = <usize>session.pendingFirst;
  while (at < INPUT) {
    const piece = min(<u32>(INPUT - at), CHUNK_ROOM);
    memory.copy(at, chunk + 4, piece);
    at += piece;
    chunk = load<u32>(chunk);
  }
  dropPending(session);
  return from;
}

function dropPending(session: Session): void {
  if (session.pendingBytes == 0) return;
  store<u32>(session.pendingLast, header().poolList);
  header().poolList = session.pendingFirst;
  header().poolFree += (session.pendingBytes + CHUNK_ROOM - 1) / CHUNK_ROOM;
  session.pendingBytes = 0;
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
