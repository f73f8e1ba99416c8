/** One greeted WebSocket connection: messages of one kind, a bound on what waits to be sent, and one `close` whatever ended it. */
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";

/** Bytes that wait for a peer which takes none (it may be stopped); above it the connection is given up. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;

export interface LinkHandlers {
  /** In the order of sending. The bytes are a view of a larger buffer, which is not used again: whoever keeps a part for long copies it, or keeps all of it. */
  readonly message: (data: Uint8Array) => void;
  /** Once, never inside a call of the link; no message follows. */
  readonly closed: () => void;
}

export interface Link {
  /** Best effort; dropped once the connection is gone. Leaves with `flush`, or at the end of the turn. */
  send(data: Uint8Array | string): void;
  /** What was sent in this turn leaves now, in one write: each alone would be a system call and a wake-up of the other side. */
  flush(): void;
  /** Drops the connection without a farewell; `closed` follows. Idempotent. */
  close(): void;
  /** No message until `resume`: the peer's data waits in the kernel. */
  pause(): void;
  resume(): void;
}

export type MessageKind = "binary" | "text";

/** A WebSocket, and the connection that carries it. */
export interface Carried {
  readonly socket: WebSocket;
  readonly carrier: Duplex;
}

/** Takes over a socket whose hellos were exchanged in this call's turn; so no message is missed. */
export function createLink(
  { socket, carrier }: Carried,
  kind: MessageKind,
  handlers: LinkHandlers,
): Link {
  let isOpen = true;
  let isCorked = false;
  const flush = (): void => {
    if (!isCorked) return;
    isCorked = false;
    carrier.uncork();
  };
  const close = (): void => {
    isOpen = false;
    socket.terminate();
  };
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (!isOpen) return;
    if (isBinary === (kind === "binary")) handlers.message(data);
    else close();
  });
  // Its cause is seen as the close that follows.
  socket.on("error", () => undefined);
  socket.once("close", () => {
    isOpen = false;
    handlers.closed();
  });
  return {
    send(data) {
      if (!isOpen) return;
      if (!isCorked) {
        isCorked = true;
        carrier.cork();
        process.nextTick(flush);
      }
      socket.send(data);
      if (socket.bufferedAmount > WAITING_BYTES_MAX) close();
    },
    flush,
    close,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
}
