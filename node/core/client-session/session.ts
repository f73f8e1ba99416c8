/**
 * The machine's side of one client session: how far it received, how far it sent, and the sent bytes that may be asked for again.
 * It is machine state, changed by entries and by the guest alone, so two machines with equal entries hold equal sessions, and a
 * host that takes over can send from any position that the client's side has not taken.
 */
import { invariant } from "../invariant.ts";
import type { Position, Segment, SessionId } from "../machine/entry.ts";

export interface SentBytes {
  /** Position of the first byte. */
  readonly position: Position;
  readonly bytes: Uint8Array;
}

export interface ClientSession {
  readonly id: SessionId;
  /** Everything below was received; open took position 0. */
  nextReceive: Position;
  /** Everything below was sent; acceptance took position 0. */
  nextSend: Position;
  /** Everything below was taken by the client's side. */
  sentThrough: Position;
  /** Sent and not reported taken, in order of position, without gaps. */
  readonly kept: SentBytes[];
  /** Sum of the lengths in `kept`. Unit: bytes. */
  keptBytes: number;
  /** The client said that it sends no more. */
  isReceiveFinished: boolean;
  /** The guest said that it sends no more. */
  isSendFinished: boolean;
}

/** A session right after the client's open and the machine's acceptance, which take position 0 of their directions. */
export const openedSession = (id: SessionId): ClientSession => ({
  id,
  nextReceive: 1,
  nextSend: 1,
  sentThrough: 0,
  kept: [],
  keptBytes: 0,
  isReceiveFinished: false,
  isSendFinished: false,
});

/**
 * Takes in what of a segment is new: bytes received before are trimmed, and a segment beyond a gap is ignored whole, since the
 * switch still has all that stands before it and will send both again.
 *
 * @returns the new bytes, a view into the segment; empty when nothing is new
 */
export function takeIn(session: ClientSession, segment: Segment): Uint8Array {
  if (session.isReceiveFinished || segment.position > session.nextReceive) return NOTHING;
  const known = session.nextReceive - segment.position;
  if (known >= segment.bytes.length) return NOTHING;
  const fresh = segment.bytes.subarray(known);
  session.nextReceive += fresh.length;
  return fresh;
}

/** The client sends no more; takes one position. False when that was known. */
export function finishReceiving(session: ClientSession): boolean {
  if (session.isReceiveFinished) return false;
  session.isReceiveFinished = true;
  session.nextReceive += 1;
  return true;
}

/**
 * Gives bytes their positions and keeps them until they are reported taken.
 *
 * @param bytes not to be changed afterwards
 * @returns the position of the first byte
 */
export function send(session: ClientSession, bytes: Uint8Array): Position {
  invariant(!session.isSendFinished, "nothing is sent after fin");
  const position = session.nextSend;
  session.kept.push({ position, bytes });
  session.keptBytes += bytes.length;
  session.nextSend += bytes.length;
  return position;
}

/** The guest sends no more; takes one position. */
export function finishSending(session: ClientSession): Position {
  invariant(!session.isSendFinished, "a session is finished once");
  session.isSendFinished = true;
  const position = session.nextSend;
  session.nextSend += 1;
  return position;
}

/** Forgets what the client's side took. A position that moves back or beyond what was sent changes nothing. */
export function forgetSent(session: ClientSession, through: Position): void {
  if (through <= session.sentThrough || through > session.nextSend) return;
  session.sentThrough = through;
  let whole = 0;
  for (const { position, bytes } of session.kept) {
    if (position + bytes.length > through) break;
    session.keptBytes -= bytes.length;
    whole += 1;
  }
  session.kept.splice(0, whole);
  const first = session.kept[0];
  if (first === undefined || first.position >= through) return;
  const cut = through - first.position;
  session.kept[0] = { position: through, bytes: first.bytes.subarray(cut) };
  session.keptBytes -= cut;
}

/** Nothing can be asked of this session any more: both directions ended and the client's side took all, fin included. */
export const isOver = (session: ClientSession): boolean =>
  session.isReceiveFinished && session.isSendFinished && session.sentThrough === session.nextSend;

const NOTHING = new Uint8Array(0);
