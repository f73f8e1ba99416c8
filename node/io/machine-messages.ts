/** What the host's loop and the thread of its virtual machine say to each other. One worker runs at most one machine in its life. */
import type { BootBlock, Entry, MachineResult, MachineSpec } from "../core/machine/entry.ts";

export interface WorkerInput {
  readonly wasm: Uint8Array;
  readonly spec: MachineSpec;
}

export type ToWorker =
  | { readonly kind: "start"; readonly blocks: readonly BootBlock[] }
  | { readonly kind: "run"; readonly entries: readonly Entry[] };

export type FromWorker =
  /** The guest is compiled; a machine starts in milliseconds. */
  | { readonly kind: "loaded" }
  | { readonly kind: "started" }
  | { readonly kind: "result"; readonly result: MachineResult }
  /** The program is no guest, or does not fit its specification. */
  | { readonly kind: "refused"; readonly why: string };

/** Buffers that one view covers whole and may give away; smaller views are copied by the message. */
export function buffersOf(views: Iterable<Uint8Array>): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const view of views) {
    const { buffer } = view;
    if (buffer instanceof ArrayBuffer && buffer.byteLength === view.byteLength) buffers.add(buffer);
  }
  return [...buffers];
}
