/** The machine's network: sessions on the guest's side, outputs and receive marks on the host's. */
import {
  type ClientSession,
  finishReceiving,
  finishSending,
  forgetSent,
  isOver,
  openedSession,
  send,
  takeIn,
} from "../core/client-session/session.ts";
import type { Position, Segment, SessionId } from "../core/machine/entry.ts";
import type { Outbox, OutputStamp } from "./outbox.ts";

/**
 * Bytes that one session keeps for a client that does not take them. Beyond it the machine resets the session: a client that
 * never reads must not take the host's memory.
 */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

export interface Nic {
  /** Accepts a session; false when it exists. */
  open(session: SessionId, stamp: OutputStamp): boolean;
  /** What the guest has not seen of a segment; empty when nothing is new or there is no such session. */
  receive(segment: Segment): Uint8Array;
  /** The client's fin; false when it was known or there is no such session. */
  receiveFin(session: SessionId): boolean;
  /** The client's reset; false when there is no such session. */
  receiveReset(session: SessionId): boolean;
  sentThrough(session: SessionId, position: Position): void;
  /** The guest's wishes; each does nothing for a session that is gone, or finished by the guest. `bytes` are copied. */
  send(session: SessionId, bytes: Uint8Array, stamp: OutputStamp): void;
  close(session: SessionId, stamp: OutputStamp): void;
  reset(session: SessionId, stamp: OutputStamp): void;
  /** Sessions that the machine itself has reset since the last call, for the guest to hear of. */
  takeDropped(): readonly SessionId[];
  /** Feeds the device's whole state, in an order that depends on nothing but it. */
  digest(update: (part: Uint8Array | string) => void): void;
}

export function createNic(outbox: Outbox): Nic {
  const sessions = new Map<SessionId, ClientSession>();
  let dropped: SessionId[] = [];

  function sendable(id: SessionId): ClientSession | null {
    const session = sessions.get(id);
    return session === undefined || session.isSendFinished ? null : session;
  }

  function resetByUs({ id, nextSend }: ClientSession, stamp: OutputStamp): void {
    outbox.put({ session: id, position: nextSend, what: "reset", ...stamp });
    sessions.delete(id);
  }

  return {
    open(id, stamp) {
      if (sessions.has(id)) return false;
      const session = openedSession(id);
      sessions.set(id, session);
      outbox.put({ session: id, position: 0, what: "accept", ...stamp });
      outbox.received({ session: id, position: session.nextReceive });
      return true;
    },
    receive(segment) {
      const session = sessions.get(segment.session);
      if (session === undefined) return NOTHING;
      const fresh = takeIn(session, segment);
      if (fresh.length > 0) outbox.received({ session: session.id, position: session.nextReceive });
      return fresh;
    },
    receiveFin(id) {
      const session = sessions.get(id);
      if (session === undefined || !finishReceiving(session)) return false;
      outbox.received({ session: id, position: session.nextReceive });
      return true;
    },
    receiveReset: (id) => sessions.delete(id),
    sentThrough(id, position) {
      const session = sessions.get(id);
      if (session === undefined) return;
      forgetSent(session, position);
      if (isOver(session)) sessions.delete(id);
    },
    send(id, bytes, stamp) {
      const session = sendable(id);
      if (session === null || bytes.length === 0) return;
      if (session.keptBytes + bytes.length > KEPT_BYTES_MAX) {
        resetByUs(session, stamp);
        dropped.push(id);
        return;
      }
      const copy = bytes.slice();
      const { cause, barrier } = stamp;
      outbox.putData({ session: id, position: send(session, copy), bytes: copy, cause, barrier });
    },
    close(id, stamp) {
      const session = sendable(id);
      if (session === null) return;
      outbox.put({ session: id, position: finishSending(session), what: "fin", ...stamp });
    },
    reset(id, stamp) {
      const session = sessions.get(id);
      if (session !== undefined) resetByUs(session, stamp);
    },
    takeDropped() {
      const ids = dropped;
      dropped = [];
      return ids;
    },
    digest: (update) => digestSessions([...sessions.values()], update),
  };
}

function digestSessions(
  sessions: readonly ClientSession[],
  update: (part: Uint8Array | string) => void,
): void {
  for (const { kept, ...positions } of sessions) {
    update(JSON.stringify(positions));
    for (const { position, bytes } of kept) {
      update(JSON.stringify({ position, length: bytes.length }));
      update(bytes);
    }
  }
}

const NOTHING = new Uint8Array(0);
