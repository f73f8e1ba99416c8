/** One greeted WebSocket connection: messages of one kind, a bound on what waits to be sent, and one `close` whatever ended it. */
import type { WebSocket } from "ws";

/** Bytes that wait for a peer which takes none (it may be stopped); above it the connection is given up. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;

export interface LinkHandlers {
  /** In the order of sending. The bytes are a view of a larger buffer: whoever keeps them copies them. */
  readonly message: (data: Uint8Array) => void;
  /** Once, never inside a call of the link; no message follows. */
  readonly closed: () => void;
}

export interface Link {
  /** Best effort; dropped once the connection is gone. */
  send(data: Uint8Array | string): void;
  /** Drops the connection without a farewell; `closed` follows. Idempotent. */
  close(): void;
  /** No message until `resume`: the peer's data waits in the kernel. */
  pause(): void;
  resume(): void;
}

export type MessageKind = "binary" | "text";

/** Takes over a socket whose hellos were exchanged in this call's turn; so no message is missed. */
export function createLink(socket: WebSocket, kind: MessageKind, handlers: LinkHandlers): Link {
  let isOpen = true;
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
      socket.send(data);
      if (socket.bufferedAmount > WAITING_BYTES_MAX) close();
    },
    close,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
}
