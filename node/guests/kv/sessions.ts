/** Client sessions: what has come of an unfinished command, what an open transaction holds, and what a client told of itself. */
import { addBytes, beginReading, Chain, dropBytes, readBytes } from "./chunks";
import { DIGITS, header, INPUT, SESSION_BYTES, SESSIONS, SESSIONS_MAX } from "./layout";

const FREE: u32 = 0;
export const OPEN: u32 = 1;
/** The guest has closed it and reads nothing more of it. */
export const CLOSING: u32 = 2;

/** Texts that a client tells of itself. */
export const NAME: usize = 80;
export const NAME_BYTES_MAX: u32 = 55;
export const LIBRARY: usize = NAME + 1 + NAME_BYTES_MAX;
export const LIBRARY_BYTES_MAX: u32 = 31;
export const VERSION: usize = LIBRARY + 1 + LIBRARY_BYTES_MAX;
export const VERSION_BYTES_MAX: u32 = 23;

@unmanaged
export class Session {
  id: u32;
  state: u32;
  pendingBytes: u32;
  pendingFirst: u32;
  pendingLast: u32;
  /** Bytes, pending ones included, that the parser wants before it tries again. */
  wantedBytes: u32;

  /** Arguments of a command that is too long, still to be passed over; 0: none. */
  skipArguments: u32;
  /** Bytes of the argument in work that are left; 0: its header is being read. */
  skipBytes: u32;
  /** State of that header: 0 nothing read, 1 in its digits, 2 the LF is missing. */
  skipState: u32;
  skipLength: u32;
  skipReason: u32;

  queueBytes: u32;
  queueFirst: u32;
  queueLast: u32;
  queued: u32;
  /** Between MULTI and EXEC. */
  isMulti: u32;
  /** A command of it was refused: EXEC will do nothing. */
  isAborted: u32;

  /** 2 or 3. */
  protocol: u32;
  openedAt: i64;
}

/** Consecutive numbers find their places at once. */
@inline
export function sessionIn(place: u32): Session {
  return changetype<Session>(SESSIONS + <usize>(place % SESSIONS_MAX) * SESSION_BYTES);
}

export function isTaken(session: Session): bool {
  return session.state != FREE;
}

export function findSession(id: u32): Session | null {
  for (let probe: u32 = 0; probe < SESSIONS_MAX; probe++) {
    const session = sessionIn(id + probe);
    if (session.state != FREE && session.id == id) return session;
  }
  return null;
}

/** Null when the table is full. */
export function addSession(id: u32): Session | null {
  for (let probe: u32 = 0; probe < SESSIONS_MAX; probe++) {
    const session = sessionIn(id + probe);
    if (session.state != FREE) continue;
    memory.fill(changetype<usize>(session), 0, SESSION_BYTES);
    session.id = id;
    session.state = OPEN;
    session.protocol = 2;
    header().sessions++;
    header().sessionsSeen++;
    return session;
  }
  return null;
}

export function removeSession(session: Session): void {
  dropBytes(pendingOf(session));
  endMulti(session);
  session.state = FREE;
  header().sessions--;
}

/** Keeps bytes of an unfinished command; false when the pool has no room. */
export function keepPending(session: Session, from: usize, bytes: u32): bool {
  return addBytes(pendingOf(session), from, bytes);
}

/** Puts what is pending right before the input; returns where it begins. */
export function joinPending(session: Session): usize {
  const chain = pendingOf(session);
  const from = INPUT - chain.bytes;
  beginReading(chain);
  readBytes(from, chain.bytes);
  dropBytes(chain);
  return from;
}

/** Keeps a command of a transaction, its length before it; false when the pool has no room, and then the transaction is of no use. */
export function queueCommand(session: Session, from: usize, bytes: u32): bool {
  store<u32>(DIGITS, bytes);
  const chain = queueOf(session);
  if (!addBytes(chain, DIGITS, 4) || !addBytes(chain, from, bytes)) return false;
  session.queued++;
  return true;
}

export function queueOf(session: Session): Chain {
  return changetype<Chain>(changetype<usize>(session) + offsetof<Session>("queueBytes"));
}

export function endMulti(session: Session): void {
  dropBytes(queueOf(session));
  session.queued = 0;
  session.isMulti = 0;
  session.isAborted = 0;
}

/** A text is its length in a byte, then its bytes. `text` is one of NAME, LIBRARY and VERSION. */
@inline
export function textOf(session: Session, text: usize): usize {
  return changetype<usize>(session) + text;
}

export function setTextOf(session: Session, text: usize, from: usize, bytes: u32): void {
  const at = textOf(session, text);
  store<u8>(at, <u8>bytes);
  memory.copy(at + 1, from, bytes);
}

@inline
function pendingOf(session: Session): Chain {
  return changetype<Chain>(changetype<usize>(session) + offsetof<Session>("pendingBytes"));
}
