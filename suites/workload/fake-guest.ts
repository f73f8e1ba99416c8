/** A guest that speaks RESP from a Map: it can fall silent, drop its connections, refuse new ones, and answer with an error. */
import { createServer, type Server, type Socket } from "node:net";
import { createReplyDecoder, type Reply } from "../../harness/workload/resp.ts";

export interface FakeGuest {
  readonly port: number;
  readonly keys: Map<string, string | string[]>;
  /** Commands carried out. */
  readonly commands: readonly (readonly string[])[];
  connections(): number;
  /** Commands received while silent and not yet carried out. */
  held(): number;
  /** Takes commands in, but answers none and carries none out until `wake`. */
  silence(): void;
  wake(): void;
  /** Resets all connections; what was held is forgotten. */
  reset(): void;
  /** Every command whose key begins so is refused. Empty text: none. */
  refuseKeys(prefix: string): void;
  /** Stops listening and resets all connections. */
  close(): Promise<void>;
}

/** @param port 0: any free one */
export async function startFakeGuest(port = 0): Promise<FakeGuest> {
  const keys = new Map<string, string | string[]>();
  const commands: (readonly string[])[] = [];
  const sockets = new Set<Socket>();
  let held: { readonly socket: Socket; readonly words: readonly string[] }[] = [];
  let isSilent = false;
  let refused = "";

  function serve(socket: Socket, words: readonly string[]): void {
    commands.push(words);
    const key = words[1] ?? "";
    const isRefused = refused !== "" && key.startsWith(refused);
    socket.write(isRefused ? "-ERR refused\r\n" : carryOut(keys, words), "latin1");
  }

  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    const decoder = createReplyDecoder();
    socket.on("data", (chunk) => {
      const parsed = decoder.push(chunk);
      if (!parsed.ok) throw new Error(parsed.why);
      for (const words of parsed.value.map(wordsOf)) {
        if (isSilent) held.push({ socket, words });
        else serve(socket, words);
      }
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  });
  await listen(server, port);
  const reset = (): void => {
    held = [];
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: portOf(server),
    keys,
    commands,
    connections: () => sockets.size,
    held: () => held.length,
    silence() {
      isSilent = true;
    },
    wake() {
      isSilent = false;
      const waiting = held;
      held = [];
      for (const { socket, words } of waiting) serve(socket, words);
    },
    reset,
    refuseKeys(prefix) {
      refused = prefix;
    },
    close() {
      return new Promise((resolve) => {
        // Closing twice is harmless.
        server.close(() => resolve());
        reset();
      });
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

function wordsOf(reply: Reply): readonly string[] {
  if (reply.kind !== "array" || reply.items === null) throw new Error("a command is an array");
  return reply.items.map((item) => (item.kind === "bulk" ? (item.text ?? "") : ""));
}

function carryOut(keys: FakeGuest["keys"], words: readonly string[]): string {
  const [name = "", key = "", value = ""] = words;
  const found = keys.get(key);
  switch (name) {
    case "PING":
      return "+PONG\r\n";
    case "GET":
      return typeof found === "string" ? bulk(found) : "$-1\r\n";
    case "SET":
      keys.set(key, value);
      return "+OK\r\n";
    case "DEL":
      return keys.delete(key) ? ":1\r\n" : ":0\r\n";
    case "RPUSH": {
      const list = Array.isArray(found) ? found : [];
      list.push(value);
      keys.set(key, list);
      return `:${list.length}\r\n`;
    }
    case "LRANGE": {
      const list = Array.isArray(found) ? found : [];
      return `*${list.length}\r\n${list.map(bulk).join("")}`;
    }
    default:
      return "-ERR unknown command\r\n";
  }
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}
