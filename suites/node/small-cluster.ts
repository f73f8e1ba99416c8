/** A pair, a quorum service and a switch as built processes on loopback, without proxies: enough to see the adapters work together. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { WebSocket } from "ws";
import { timingFor } from "../../node/core/timing.ts";
import type {
  Endpoint,
  HostFile,
  ProcessFile,
  QuorumFile,
  SwitchFile,
} from "../../node/ports/process-file.ts";
import type { ControlDone, ControlEvent, ControlMessage } from "../../node/wire/control.ts";
import { encodeHello } from "../../node/wire/hello.ts";

const MAIN = fileURLToPath(new URL("../../dist/node/main.js", import.meta.url));
const GUEST = fileURLToPath(new URL("../../dist/node/guests/kv.wasm", import.meta.url));
const PATIENCE_MS = 10_000;

export const SECRET = "00112233445566778899aabbccddeeff";
export const CLUSTER = "c-test";

export interface Started {
  readonly file: ProcessFile;
  readonly child: ChildProcess;
  readonly events: ControlEvent[];
  readonly exited: Promise<number | NodeJS.Signals>;
  stderr(): string;
  ask(kind: "quiesce" | "status" | "stop"): Promise<ControlDone>;
  /** Resolves with the first event, from the start, that fits. */
  event(fits: (event: ControlEvent) => boolean, what: string): Promise<ControlEvent>;
}

/** A port that was free a moment ago. */
export async function freeEndpoint(): Promise<Endpoint> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return { address: "127.0.0.1", port: address.port };
}

export interface SmallCluster {
  readonly folder: string;
  readonly files: {
    readonly a: HostFile;
    readonly b: HostFile;
    readonly q1: QuorumFile;
    readonly s1: SwitchFile;
  };
  readonly client: Endpoint;
  /** Rejects with exit status and stderr when the process ends before it is ready. */
  readonly start: (
    file: ProcessFile,
    options?: { readonly isGuarded: boolean },
  ) => Promise<Started>;
}

export async function smallCluster(t: Test): Promise<SmallCluster> {
  const folder = t.testdir();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "secret"), SECRET, { mode: 0o600 });
  const endpoints = await Promise.all(Array.from({ length: 10 }, freeEndpoint));
  const take = (): Endpoint => {
    const endpoint = endpoints.pop();
    if (endpoint === undefined) throw new Error("too few endpoints");
    return endpoint;
  };
  const base = (name: string): Base => ({
    schema: 1,
    cluster: CLUSTER,
    secretFile: join(folder, "secret"),
    control: take(),
    logFile: join(folder, `${name}.log`),
  });
  const links = { alink0: take(), alink1: take(), mgmt: take(), quorum: take(), lan: take() };
  const client = take();
  const store = join(folder, "q1.store");
  const q1: QuorumFile = {
    ...base("q1"),
    role: "quorum",
    service: "q1",
    storeFile: store,
    confirmAfterRestart: false,
    listen: links.quorum,
  };
  const vms = [{ vm: "vm1", client }];
  const s1: SwitchFile = {
    ...base("s1"),
    role: "switch",
    switch: "s1",
    site: 1,
    trunk: null,
    listen: links.lan,
    vms,
  };
  const host = (name: "a" | "b"): HostFile =>
    hostFile(name, base(name), links, join(folder, `${name}.disk`));
  return {
    folder,
    files: { a: host("a"), b: host("b"), q1, s1 },
    client,
    start: (file, options = { isGuarded: true }) => start(t, folder, file, options.isGuarded),
  };
}

type Base = Pick<HostFile, "schema" | "cluster" | "secretFile" | "control" | "logFile">;
type Links = Readonly<Record<"alink0" | "alink1" | "mgmt" | "quorum" | "lan", Endpoint>>;

/** The lower host dials the A-links, the higher one mgmt. */
function hostFile(name: "a" | "b", base: Base, links: Links, diskFile: string): HostFile {
  const isLower = name === "a";
  const path = (id: "alink0" | "alink1" | "mgmt"): HostFile["paths"][number] => {
    const isDialled = isLower === (id !== "mgmt");
    const [listen, dial] = isDialled ? [null, links[id]] : [links[id], null];
    const role = id === "mgmt" ? "mgmt" : "alink";
    return { id, role, peer: isLower ? "b" : "a", listen, dial, from: null };
  };
  return {
    ...base,
    role: "host",
    host: name,
    diskFile,
    destageSeed: 1,
    timing: timingFor({ peer: 0, quorum: 0 }),
    vms: [
      {
        vm: "vm1",
        hosts: ["a", "b"],
        volumes: [{ id: 0, blocks: 16_384 }],
        guest: GUEST,
        memoryPages: 64,
        preferred: "a",
        protect: "a",
        peerLoss: "preferred",
        bootDelayMs: 0,
      },
    ],
    paths: [path("alink0"), path("alink1"), path("mgmt")],
    services: [{ id: "q1", dial: links.quorum }],
    switches: [{ id: "s1", dial: links.lan }],
  };
}

/** Resolves once it is ready and the control channel is attached; rejects when it ends before. */
async function start(
  t: Test,
  folder: string,
  file: ProcessFile,
  isGuarded: boolean,
): Promise<Started> {
  const path = join(folder, `${file.role}-${file.control.port}.json`);
  writeFileSync(path, JSON.stringify(file), { mode: 0o600 });
  const args = [MAIN, "--file", path, ...(isGuarded ? [] : ["--guard", "none"])];
  const child = spawn("/usr/bin/env", ["-u", "NODE_OPTIONS", process.execPath, ...args], {
    stdio: "pipe",
  });
  t.teardown(() => child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += String(chunk);
  });
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("exit", (status, signal) => resolve(status ?? signal ?? -1));
  });
  const ready = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk) => {
      if (/^ready \{"pid":\d+\}$/m.test(String(chunk))) resolve();
    });
  });
  const early = exited.then((how) => {
    throw new Error(`ended with ${how} before it was ready: ${stderr}`);
  });
  await within(Promise.race([ready, early]), `${file.role} to be ready`);
  early.catch(() => undefined);
  const control = await attach(t, file);
  return { file, child, exited, stderr: () => stderr, ...control };
}

type Control = Pick<Started, "events" | "ask" | "event">;

async function attach(t: Test, { control, cluster }: ProcessFile): Promise<Control> {
  const socket = new WebSocket(`ws://${control.address}:${control.port}/`);
  t.teardown(() => socket.terminate());
  socket.on("error", () => undefined);
  const events: ControlEvent[] = [];
  const done = new Map<number, (message: ControlDone) => void>();
  const watchers = new Set<() => void>();
  const take = (message: ControlMessage): void => {
    if (message.kind === "done") {
      done.get(message.id)?.(message);
      return;
    }
    events.push(message);
    for (const watcher of watchers) watcher();
  };
  const greeted = new Promise<void>((resolve) => {
    let isGreeted = false;
    socket.on("message", (data: Buffer) => {
      const value: unknown = JSON.parse(data.toString());
      if (isGreeted) return take(value as ControlMessage);
      isGreeted = true;
      return resolve();
    });
  });
  socket.once("open", () => {
    socket.send(
      encodeHello({ cluster, role: "harness", name: "harness", path: null, secret: SECRET }),
    );
  });
  await within(greeted, "the control hello");
  let id = 0;
  return {
    events,
    ask(kind) {
      id += 1;
      const own = id;
      const answer = new Promise<ControlDone>((resolve) => done.set(own, resolve));
      socket.send(JSON.stringify({ kind, id: own }));
      return within(answer, `the answer to ${kind}`);
    },
    event(fits, what) {
      const found = new Promise<ControlEvent>((resolve) => {
        const look = (): void => {
          const event = events.find(fits);
          if (event === undefined) return;
          watchers.delete(look);
          resolve(event);
        };
        watchers.add(look);
        look();
      });
      return within(found, `event ${what}`, () => JSON.stringify(events.slice(-8)));
    },
  };
}

export async function within<Value>(
  promise: Promise<Value>,
  what: string,
  last: () => string = () => "",
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no ${what} within ${PATIENCE_MS} ms ${last()}`)),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
