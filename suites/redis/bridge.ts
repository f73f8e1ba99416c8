/**
 * The key-value guest behind a real TCP socket, without hosts: what switch and host do for it, in the smallest form. Bytes that one turn of
 * the loop brought are one entry; outputs leave at once, since writes are durable here as soon as they are made.
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Test } from "tap";
import type {
  BootBlock,
  EntryPayload,
  MachineOutput,
  Segment,
  SessionId,
} from "../../node/core/machine/entry.ts";
import type { Machine } from "../../node/ports/machine.ts";
import { kvFactory, volumeAfter } from "../machine/rig.ts";

export interface BridgeOptions {
  readonly memoryPages: number;
  readonly volumeBlocks: number;
}

export interface Bridge {
  readonly port: number;
  /** Sockets that are open. */
  clients(): number;
  /** The machine loses its memory and boots from its volume; its clients are reset, as after a failover. */
  reboot(): void;
  /** Why the guest ended; null while it lives. */
  trap(): string | null;
}

interface Client {
  readonly socket: Socket;
  receivedThrough: number;
}

const SEED_BYTES = 32;

export async function startBridge(
  t: Test,
  { memoryPages = 64, volumeBlocks = 16_384 }: Partial<BridgeOptions> = {},
): Promise<Bridge> {
  const clients = new Map<SessionId, Client>();
  let machine: RunningMachine | null = null;
  let blocks: readonly BootBlock[] = [];
  let boots = 0;
  let sessions = 0;

  function boot(): void {
    boots += 1;
    machine = runMachine(kvFactory({ memoryPages, volumeBlocks }).start(blocks), boots, deliver);
  }

  function deliver(outputs: readonly MachineOutput[]): void {
    for (const { session, what, bytes, position } of outputs) {
      const socket = clients.get(session)?.socket;
      if (what === "fin") socket?.end();
      if (what === "reset") socket?.destroy();
      if (what !== "data" || socket === undefined) continue;
      const from = machine;
      socket.write(bytes, () => {
        from?.enter({ kind: "sent-through", session, position: position + bytes.length });
      });
    }
  }

  boot();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sessions += 1;
    const session = sessions;
    const client: Client = { socket, receivedThrough: 1 };
    clients.set(session, client);
    machine?.enter({ kind: "session", session, what: "open" });
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      machine?.receive({ session, position: client.receivedThrough, bytes });
      client.receivedThrough += bytes.length;
    });
    socket.on("end", () => machine?.enter({ kind: "session", session, what: "fin" }));
    socket.on("close", () => {
      clients.delete(session);
      machine?.enter({ kind: "session", session, what: "reset" });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  t.teardown(() => {
    machine?.stop();
    for (const { socket } of clients.values()) socket.destroy();
    server.close();
  });
  return {
    port: address.port,
    clients: () => clients.size,
    reboot() {
      blocks = volumeAfter(blocks, machine?.stop() ?? []);
      for (const { socket } of clients.values()) socket.resetAndDestroy();
      clients.clear();
      boot();
    },
    trap: () => machine?.trap() ?? null,
  };
}

interface RunningMachine {
  enter(payload: EntryPayload): void;
  receive(segment: Segment): void;
  /** Everything that it wrote. */
  stop(): ReturnType<Machine["run"]>["writes"];
  trap(): string | null;
}

function runMachine(
  machine: Machine,
  boot: number,
  deliver: (outputs: readonly MachineOutput[]) => void,
): RunningMachine {
  const begin = performance.now();
  const writes: ReturnType<Machine["run"]>["writes"][number][] = [];
  let entries = 0;
  let waiting: EntryPayload[] = [];
  let turn: NodeJS.Immediate | null = null;
  let timer: NodeJS.Timeout | null = null;
  let isStopped = false;
  let why: string | null = null;
  const now = (): number => Math.floor((performance.now() - begin) * 1000);

  function run(): void {
    turn = null;
    const payloads = waiting;
    waiting = [];
    if (payloads.length === 0 || isStopped) return;
    const t = now();
    const result = machine.run(
      payloads.map((payload) => {
        entries += 1;
        return { ...payload, i: entries, t };
      }),
    );
    why ??= result.trap?.why ?? null;
    writes.push(...result.writes);
    deliver(result.outputs);
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (result.timerAt === null) return;
    const dueMs = Math.ceil((result.timerAt - now()) / 1000);
    timer = setTimeout(() => enter({ kind: "tick" }), Math.max(0, dueMs));
  }

  function enter(payload: EntryPayload): void {
    waiting.push(payload);
    if (!isStopped) turn ??= setImmediate(run);
  }

  const seed = new Uint8Array(SEED_BYTES).fill(boot);
  enter({ kind: "boot", vmBoot: { id: "0".repeat(32), n: boot }, seed });
  return {
    enter,
    receive(segment) {
      const last = waiting.at(-1);
      if (last?.kind !== "input") return enter({ kind: "input", segments: [segment] });
      waiting[waiting.length - 1] = { kind: "input", segments: [...last.segments, segment] };
    },
    stop() {
      isStopped = true;
      if (turn !== null) clearImmediate(turn);
      if (timer !== null) clearTimeout(timer);
      return writes;
    },
    trap: () => why,
  };
}
