/**
 * A WebSocket server that nobody speaks to before both hellos were exchanged (docs/wire.md, "Greeting"). Whoever has not greeted costs at most
 * one of 16 places, 4 KiB and one second; a newcomer beyond the 16 pushes out the oldest, so that a crowd of silent ones cannot keep
 * a peer out.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { Endpoint } from "../ports/process-file.ts";
import {
  encodeHello,
  HELLO_BYTES_MAX,
  HELLO_WITHIN_MS,
  type Hello,
  isSameSecret,
  parseHello,
} from "../wire/hello.ts";
import type { Parsed } from "../wire/parsed.ts";
import { codeOf, EndProcess } from "./end-process.ts";
import { createLink, type Link, type LinkHandlers, type MessageKind } from "./link.ts";

/** Connections of one server that have not greeted. */
const PENDING_MAX = 16;

/** Beyond it the kernel drops a dial silently, and the dialler's own kernel tries again only after a second. */
const BACKLOG = 4_096;

/** Who this process is to all it meets. */
export type Self = Omit<Hello, "path">;

export interface GreetedServerOptions {
  readonly endpoint: Endpoint;
  readonly self: Self;
  readonly kind: MessageKind;
  readonly frameBytesMax: number;
  /** Cluster and secret are right; are role, name and path? */
  readonly admit: (hello: Hello) => Parsed<null>;
  /** Both hellos were exchanged. Called in the turn of the first one. */
  greeted(hello: Hello, createOn: (handlers: LinkHandlers) => Link): void;
  /** Somebody was turned away; `why` is one of few texts. */
  refused(why: string): void;
}

export interface GreetedServer {
  /** Ends every connection, greeted or not, and stops listening. */
  close(): void;
}

/** @throws EndProcess addressTaken when the address cannot be bound */
export async function listenGreeted(options: GreetedServerOptions): Promise<GreetedServer> {
  const http = createServer({ maxHeaderSize: HELLO_BYTES_MAX, noDelay: true });
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    clientTracking: false,
    maxPayload: options.frameBytesMax,
  });
  const pending = new Map<Duplex, NodeJS.Timeout>();
  const open = new Set<Duplex>();
  const leave = (socket: Duplex): void => {
    clearTimeout(pending.get(socket));
    pending.delete(socket);
  };
  const turnAway = (socket: Duplex, why: string): void => {
    if (pending.has(socket)) options.refused(why);
    leave(socket);
    socket.destroy();
  };
  http.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      open.delete(socket);
      leave(socket);
    });
    const oldest = pending.keys().next().value;
    if (pending.size >= PENDING_MAX && oldest !== undefined) turnAway(oldest, "crowded out");
    pending.set(socket, setTimeout(turnAway, HELLO_WITHIN_MS, socket, "no hello in time"));
  });
  http.on("request", (_request, response) => {
    options.refused("no upgrade");
    response.writeHead(426, { connection: "close", upgrade: "websocket" }).end();
  });
  http.on("upgrade", (request: IncomingMessage, socket, head) => {
    if (request.headers.origin !== undefined) {
      options.refused("origin");
      socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => {
      greet(ws, request.socket, options, { leave, turnAway });
    });
  });
  await listen(http, options.endpoint);
  return {
    close() {
      http.close();
      for (const socket of open) socket.destroy();
    },
  };
}

interface Pending {
  readonly leave: (socket: Duplex) => void;
  readonly turnAway: (socket: Duplex, why: string) => void;
}

function greet(
  ws: WebSocket,
  socket: Socket,
  options: GreetedServerOptions,
  { leave, turnAway }: Pending,
): void {
  const onError = (): void => turnAway(socket, "malformed");
  // Counted from the connection's begin: the upgrade is a part of the 4 KiB.
  const onData = (): void => {
    if (socket.bytesRead > HELLO_BYTES_MAX) turnAway(socket, "too much before the hello");
  };
  ws.on("error", onError);
  // Before the WebSocket's own reader has seen the bytes.
  socket.prependListener("data", onData);
  ws.once("message", (data: Buffer, isBinary: boolean) => {
    if (socket.destroyed) return;
    const hello = isBinary ? null : judge(data.toString(), options);
    if (hello === null || !hello.ok) return turnAway(socket, hello?.why ?? "no hello");
    leave(socket);
    socket.off("data", onData);
    ws.off("error", onError);
    ws.send(encodeHello({ ...options.self, path: hello.value.path }));
    options.greeted(hello.value, (handlers) =>
      createLink({ socket: ws, carrier: socket }, options.kind, handlers),
    );
  });
}

function judge(text: string, { self, admit }: GreetedServerOptions): Parsed<Hello> {
  const hello = parseHello(text);
  if (!hello.ok) return hello;
  if (!isSameSecret(hello.value.secret, self.secret)) return { ok: false, why: "wrong secret" };
  if (hello.value.cluster !== self.cluster) return { ok: false, why: "another cluster" };
  const admitted = admit(hello.value);
  return admitted.ok ? hello : admitted;
}

function listen(server: Server, { address, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const message = `cannot bind ${address}:${port}: ${codeOf(error)}`;
      reject(new EndProcess("addressTaken", message, error));
    });
    server.listen({ host: address, port, backlog: BACKLOG }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}
