/**
 * The machine port of a real host: each machine in a worker thread of its own, which ends with it. One more worker waits with the compiled guest,
 * so that a boot does not wait for a thread to start.
 */
import { Worker } from "node:worker_threads";
import type { VmBoot } from "../core/identity.ts";
import { invariant, unreachable } from "../core/invariant.ts";
import type { BootBlock, Entry, MachineResult } from "../core/machine/entry.ts";
import type { Milliseconds } from "../core/units.ts";
import { codeOf, EndProcess } from "./end-process.ts";
import { buffersOf, type FromWorker, type ToWorker, type WorkerInput } from "./machine-messages.ts";

/** Starting a thread takes tens of milliseconds of a core, which a takeover under way needs more. */
const SPARE_AFTER_MS = 2_000;

export interface MachineClientOptions extends WorkerInput {
  readonly ready: (vmBoot: VmBoot) => void;
  readonly result: (vmBoot: VmBoot, result: MachineResult) => void;
  /** The guest cannot run at all. */
  readonly fatal: (error: EndProcess) => void;
}

export interface MachineClient {
  /** The guest was compiled once; a guest that is refused ends the process instead. */
  readonly loaded: Promise<void>;
  /** No machine boots, and none executes anything. */
  readonly isIdle: boolean;
  /** Replaces the machine that runs. The blocks' bytes are given away. */
  start(vmBoot: VmBoot, blocks: readonly BootBlock[], delay: Milliseconds): void;
  /** Ignored unless this boot runs. */
  run(vmBoot: VmBoot, entries: readonly Entry[]): void;
  stop(): void;
  /** Ends every thread. */
  close(): void;
}

interface Running {
  readonly vmBoot: VmBoot;
  readonly worker: Worker;
  isStarted: boolean;
  isDue: boolean;
  isReady: boolean;
  /** First entry of the run under way. */
  runFrom: number | null;
  exec: number;
  flushes: number;
  /** Why its thread died; it traps at whatever it is given. */
  dead: string | null;
}

export function createMachineClient(options: MachineClientOptions): MachineClient {
  const first = spawn(options);
  const loaded = new Promise<void>((resolve) => {
    first.on("message", ({ kind }: FromWorker) => {
      if (kind === "loaded") resolve();
    });
  });
  let spare: Worker | null = null;
  let spareTimer: NodeJS.Timeout | null = null;
  let bootTimer: NodeJS.Timeout | null = null;
  let running: Running | null = null;

  function keepSpare(worker: Worker): void {
    spare = worker;
    // Nobody listens to a spare: one that died must not be taken.
    worker.once("exit", () => {
      if (spare === worker) spare = null;
    });
  }
  keepSpare(first);

  function takeSpare(): Worker {
    const worker = spare ?? spawn(options);
    spare = null;
    spareTimer ??= setTimeout(() => {
      spareTimer = null;
      if (spare === null) keepSpare(spawn(options));
    }, SPARE_AFTER_MS);
    return worker;
  }

  function stop(): void {
    if (bootTimer !== null) clearTimeout(bootTimer);
    if (running === null) return;
    endWorker(running.worker);
    running = null;
  }

  return {
    loaded,
    get isIdle() {
      return running === null || (running.isReady && running.runFrom === null);
    },
    start(vmBoot, blocks, delay) {
      stop();
      const worker = takeSpare();
      const machine: Running = newRunning(vmBoot, worker);
      running = machine;
      listen(machine, options);
      bootTimer = setTimeout(() => {
        machine.isDue = true;
        readyIfBoth(machine, options);
      }, delay);
      post(worker, { kind: "start", blocks }, buffersOf(blocks.map(({ data }) => data)));
    },
    run(vmBoot, entries) {
      if (running === null || running.vmBoot.id !== vmBoot.id) return;
      const [first] = entries;
      invariant(first !== undefined, "a run has entries");
      invariant(running.runFrom === null, "a machine has one run under way");
      running.runFrom = first.i;
      if (running.dead !== null) failRun(running, options);
      else post(running.worker, { kind: "run", entries: entries.map(compact) });
    },
    stop,
    close() {
      stop();
      if (spareTimer !== null) clearTimeout(spareTimer);
      if (spare !== null) endWorker(spare);
      spare = null;
    },
  };
}

function newRunning(vmBoot: VmBoot, worker: Worker): Running {
  return {
    vmBoot,
    worker,
    isStarted: false,
    isDue: false,
    isReady: false,
    runFrom: null,
    exec: 0,
    flushes: 0,
    dead: null,
  };
}

/** As built: the thread runs no TypeScript. */
const WORKER_FILE = new URL("./machine-worker.js", import.meta.url);

function spawn({ wasm, spec, fatal }: MachineClientOptions): Worker {
  const workerData: WorkerInput = { wasm, spec };
  // Loaders and hooks of the process are not the machine's: they would only delay its start.
  const worker = new Worker(WORKER_FILE, { workerData, execArgv: [] });
  worker.on("message", (message: FromWorker) => {
    if (message.kind === "refused")
      fatal(new EndProcess("badFile", `${spec.guest}: ${message.why}`));
  });
  // A thread that dies is seen by its `exit`; without a listener its error would end the process.
  worker.on("error", () => undefined);
  return worker;
}

function listen(machine: Running, options: MachineClientOptions): void {
  const { worker } = machine;
  worker.on("message", (message: FromWorker) => takeMessage(machine, message, options));
  const die = (why: string): void => {
    machine.dead ??= why;
    machine.isStarted = true;
    readyIfBoth(machine, options);
    failRun(machine, options);
  };
  worker.on("error", (error) => die(codeOf(error)));
  worker.on("exit", () => die("the machine's thread ended"));
}

function takeMessage(machine: Running, message: FromWorker, options: MachineClientOptions): void {
  switch (message.kind) {
    case "loaded":
    case "refused":
      return;
    case "started":
      machine.isStarted = true;
      readyIfBoth(machine, options);
      return;
    case "result":
      machine.runFrom = null;
      machine.exec = message.result.exec;
      machine.flushes = message.result.flushes;
      options.result(machine.vmBoot, message.result);
      return;
    default:
      unreachable(message);
  }
}

function readyIfBoth(machine: Running, { ready }: MachineClientOptions): void {
  if (machine.isReady || !machine.isStarted || !machine.isDue) return;
  machine.isReady = true;
  ready(machine.vmBoot);
}

/** A thread that died looks to the core like a guest that trapped in the entry under way. */
function failRun(machine: Running, { result }: MachineClientOptions): void {
  const { runFrom, dead, exec, flushes } = machine;
  if (runFrom === null || dead === null) return;
  machine.runFrom = null;
  const nothing = { writes: [], outputs: [], receives: [], timerAt: null };
  result(machine.vmBoot, { exec, flushes, ...nothing, trap: { at: runFrom, why: dead } });
}

function post(worker: Worker, message: ToWorker, transfer: ArrayBuffer[] = []): void {
  worker.postMessage(message, transfer);
}

/** A message copies the whole buffer behind a view, and segments are views of large ones. */
function compact(entry: Entry): Entry {
  if (entry.kind !== "input") return entry;
  const segments = entry.segments.map((segment) => {
    const { bytes } = segment;
    const isWhole = bytes.byteLength === bytes.buffer.byteLength;
    return isWhole ? segment : { ...segment, bytes: bytes.slice() };
  });
  return { ...entry, segments };
}

function endWorker(worker: Worker): void {
  worker.removeAllListeners();
  worker.on("error", () => undefined);
  worker.terminate().catch((error: unknown) => {
    // A thread that cannot be ended would go on without anyone who listens.
    setImmediate(() => {
      throw error;
    });
  });
}
