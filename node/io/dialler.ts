/** Keeps one connection to an address: dials, greets, and dials again while it is down. */
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import type { Endpoint } from "../ports/process-file.ts";
import {
  encodeHello,
  HELLO_BYTES_MAX,
  HELLO_WITHIN_MS,
  type Hello,
  isSameSecret,
  parseHello,
} from "../wire/hello.ts";
import type { Self } from "./greeted-server.ts";
import { createLink, type Link, type LinkHandlers } from "./link.ts";

export interface DiallerOptions {
  readonly endpoint: Endpoint;
  /** Own address to dial from; null: any. */
  readonly from: string | null;
  readonly self: Self;
  /** Who must answer. `path` is told to the other side, and comes back. */
  readonly peer: Pick<Hello, "role" | "name" | "path">;
  readonly frameBytesMax: number;
  readonly redialMs: number;
  /** Both hellos were exchanged. The dialler dials again once this link has closed. */
  greeted(createOn: (handlers: LinkHandlers) => Link): void;
  /** A dial was refused, or accepted and closed before the other side's hello. */
  refused(): void;
  /** The other side answered and is not who it must be; `why` is one of few texts. */
  foreign(why: string): void;
}

export interface Dialler {
  /** Ends the connection and dials no more. */
  close(): void;
}

export function startDialler(options: DiallerOptions): Dialler {
  let isClosed = false;
  let timer: NodeJS.Timeout | null = null;
  let current: WebSocket | null = null;

  function dialIn(ms: number): void {
    if (!isClosed) timer = setTimeout(dial, ms);
  }

  function dial(): void {
    const dialledAt = performance.now();
    const socket = openSocket(options);
    current = socket;
    // Silence, as behind a cut link, is no refusal.
    let isGivenUp = false;
    let isGreeted = false;
    let carrier: Duplex | null = null;
    const giveUp = (): void => {
      isGivenUp = true;
      socket.terminate();
    };
    const deadline = setTimeout(giveUp, HELLO_WITHIN_MS);
    socket.on("error", () => undefined);
    socket.once("upgrade", (response) => {
      carrier = response.socket;
    });
    socket.once("open", () => {
      socket.send(encodeHello({ ...options.self, path: options.peer.path }));
    });
    socket.once("message", (data: Buffer, isBinary: boolean) => {
      clearTimeout(deadline);
      const why = isBinary ? "no hello" : judge(data, options);
      if (why !== null || carrier === null) {
        options.foreign(why ?? "no upgrade");
        return giveUp();
      }
      isGreeted = true;
      const carried = { socket, carrier };
      return options.greeted((handlers) => createLink(carried, "binary", handlers));
    });
    socket.once("close", () => {
      clearTimeout(deadline);
      if (!isGivenUp && !isGreeted && !isClosed) options.refused();
      // At once when a connection that lived breaks; in turns when each one ends as soon as it began.
      const isShort = performance.now() - dialledAt < options.redialMs;
      dialIn(isGreeted && !isShort ? 0 : options.redialMs);
    });
  }

  dial();
  return {
    close() {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      current?.terminate();
    },
  };
}

function openSocket({ endpoint, from, frameBytesMax }: DiallerOptions): WebSocket {
  const host = endpoint.address.includes(":") ? `[${endpoint.address}]` : endpoint.address;
  return new WebSocket(`ws://${host}:${endpoint.port}/`, {
    perMessageDeflate: false,
    maxPayload: Math.max(frameBytesMax, HELLO_BYTES_MAX),
    // Masking guards proxies of the open web; it would cost most of a message's time.
    generateMask: (mask) => mask.fill(0),
    ...(from === null ? {} : { localAddress: from }),
  });
}

/** Null: it is who it must be. */
function judge(data: Buffer, { self, peer }: DiallerOptions): string | null {
  const hello = parseHello(data.toString());
  if (!hello.ok) return hello.why;
  const { secret, cluster, role, name, path } = hello.value;
  if (!isSameSecret(secret, self.secret)) return "wrong secret";
  if (cluster !== self.cluster) return "another cluster";
  if (role !== peer.role || name !== peer.name || path !== peer.path) return "somebody else";
  return null;
}
