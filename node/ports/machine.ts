import type { BootBlock, Entry, MachineResult } from "../core/machine/entry.ts";

/**
 * A virtual machine that runs. Runs each entry to completion before the next. Deterministic: equal boot blocks and equal entries give
 * equal results and equal memory, bit for bit.
 */
export interface Machine {
  /** Runs the entries in order; `i` must continue the ones before without a gap. After a trap nothing is executed any more. */
  run(entries: readonly Entry[]): MachineResult;
  /** SHA-256 over linear memory and device state, as hex: the evidence at the end of a run. */
  digest(): string;
}

/** Starts machines of one compiled guest. */
export interface MachineFactory {
  /** @param blocks the blocks of the volumes ever written, in any order; ownership passes to the machine */
  start(blocks: readonly BootBlock[]): Machine;
}
