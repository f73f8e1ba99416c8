/** A TCP echo server and a client, for looking at what a link does to bytes and connections. */
import { connect, createServer, type Socket } from "node:net";
import type { Endpoint } from "../../node/ports/process-file.ts";

export interface EchoServer {
  /** All bytes that arrived, over all connections. */
  received(): string;
  /** Writes to every open connection. */
  push(text: string): void;
  /** Ends every open connection (FIN). */
  hangUp(): void;
  close(): Promise<void>;
}

export function startEcho({ address, port }: Endpoint): Promise<EchoServer> {
  let received = "";
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // The proxy ends connections in every way there is.
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      received += data.toString();
      socket.write(data);
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address, port }, () => {
      resolve({
        received: () => received,
        push(text) {
          for (const socket of sockets) socket.write(text);
        },
        hangUp() {
          for (const socket of sockets) socket.end();
        },
        close() {
          for (const socket of sockets) socket.destroy();
          return new Promise((closed) => {
            server.close(() => closed());
          });
        },
      });
    });
  });
}

export interface Client {
  send(text: string): void;
  received(): string;
  /** `open`; else how it ended: `ended` (FIN) or the error's code. */
  state(): string;
  close(): void;
}

/** Resolves when connected, or when that failed: `state` tells. */
export function openClient({ address, port }: Endpoint): Promise<Client> {
  const socket = connect({ host: address, port });
  let received = "";
  let state = "open";
  socket.on("data", (data) => {
    received += data.toString();
  });
  socket.on("end", () => {
    state = "ended";
  });
  const client: Client = {
    send: (text) => void socket.write(text),
    received: () => received,
    state: () => state,
    close: () => void socket.destroy(),
  };
  return new Promise((resolve) => {
    socket.on("connect", () => resolve(client));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      state = error.code ?? "error";
      resolve(client);
    });
  });
}

/** Looks every 2 ms until `condition` holds. False: it did not within `withinMs`. */
export async function eventually(condition: () => boolean, withinMs = 2_000): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
  }
  return true;
}
