/** The machine in line: runs at once, tells later. */
import type { VmBoot } from "../../node/core/identity.ts";
import type { BootBlock, Entry, MachineResult } from "../../node/core/machine/entry.ts";
import type { Machine, MachineFactory } from "../../node/ports/machine.ts";
import type { Draws } from "./draws.ts";
import { millis, type World } from "./world.ts";

export interface MachineRoom {
  start(vmBoot: VmBoot, blocks: readonly BootBlock[], delayMs: number): void;
  run(vmBoot: VmBoot, entries: readonly Entry[]): void;
  stop(): void;
  /** A run is under way. */
  isBusy(): boolean;
}

export interface MachineRoomOptions {
  readonly draws: Draws;
  readonly factory: MachineFactory;
  readonly ready: (vmBoot: VmBoot) => void;
  readonly result: (vmBoot: VmBoot, result: MachineResult) => void;
}

const BOOT_US = { min: 3_000, max: 7_000 } as const;
const RUN_US = { min: 20, max: 200 } as const;

export function createMachineRoom(
  { clock }: World,
  { draws, factory, ready, result }: MachineRoomOptions,
): MachineRoom {
  let machine: Machine | null = null;
  /** Grows whenever what was under way must not be told any more. */
  let turn = 0;
  let isBusy = false;
  return {
    start(vmBoot, blocks, delayMs) {
      turn += 1;
      const own = turn;
      isBusy = false;
      machine = null;
      const span = Math.max(draws.between(BOOT_US.min, BOOT_US.max), millis(delayMs));
      clock.after(span, () => {
        if (own !== turn) return;
        machine = factory.start(blocks);
        ready(vmBoot);
      });
    },
    run(vmBoot, entries) {
      const own = turn;
      isBusy = true;
      clock.after(draws.between(RUN_US.min, RUN_US.max), () => {
        if (own !== turn || machine === null) return;
        isBusy = false;
        result(vmBoot, machine.run(entries));
      });
    },
    stop() {
      turn += 1;
      machine = null;
      isBusy = false;
    },
    isBusy: () => isBusy,
  };
}
