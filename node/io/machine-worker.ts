/** Entry of the worker thread that runs a virtual machine, so that a guest which never returns stops nothing but itself. */
import { parentPort, workerData } from "node:worker_threads";
import { GuestRefused } from "../machine/guest-refused.ts";
import { createMachineFactory } from "../machine/machine.ts";
import type { Machine, MachineFactory } from "../ports/machine.ts";
import { buffersOf, type FromWorker, type ToWorker, type WorkerInput } from "./machine-messages.ts";

const port = parentPort;
if (port === null) throw new Error("this module runs in a worker thread");

const post = (message: FromWorker, transfer: ArrayBuffer[] = []): void => {
  port.postMessage(message, transfer);
};

/** Null when the guest is refused, which is said. */
function unlessRefused<Made>(make: () => Made): Made | null {
  try {
    return make();
  } catch (error: unknown) {
    if (!(error instanceof GuestRefused)) throw error;
    post({ kind: "refused", why: `${error.message}. ${error.hint}` });
    return null;
  }
}

// The starter is the other half of this program, and gave exactly this.
const { wasm, spec } = workerData as WorkerInput;
const factory: MachineFactory | null = unlessRefused(() => createMachineFactory(wasm, spec));
let machine: Machine | null = null;
if (factory !== null) post({ kind: "loaded" });

port.on("message", (message: ToWorker) => {
  if (message.kind === "start") {
    machine = factory === null ? null : unlessRefused(() => factory.start(message.blocks));
    if (machine !== null) post({ kind: "started" });
    return;
  }
  if (machine === null) return;
  const result = machine.run(message.entries);
  const views = [
    ...result.writes.map(({ data }) => data),
    ...result.outputs.map(({ bytes }) => bytes),
  ];
  post({ kind: "result", result }, buffersOf(views));
});
