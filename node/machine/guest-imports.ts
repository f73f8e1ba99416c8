/** What the guest can call: each import checks the guest's numbers, then acts on a device. */
import { BLOCK_SIZE } from "../core/units.ts";
import type { IMPORTS } from "./abi.ts";
import type { BlockDevice } from "./block-device.ts";
import type { Entropy } from "./entropy.ts";
import { GuestFault } from "./guest-fault.ts";
import type { GuestMemory } from "./guest-memory.ts";
import type { Nic } from "./nic.ts";

export interface Devices {
  readonly blocks: BlockDevice;
  readonly nic: Nic;
  readonly entropy: Entropy;
  /** Highest entry executed. */
  exec: number;
  /** Entry in execution; 0: none. */
  cause: number;
  /** Time of the entry executed last or in execution. Unit: microseconds. */
  time: number;
  /** Unit: microseconds. */
  timerAt: number | null;
  /** The guest's last console line; evidence for a trap, no state: nothing reads it back. */
  console: string;
}

/** Longest part of a console line that is kept. Unit: bytes. */
const CONSOLE_BYTES_MAX = 200;

type Names<Module extends keyof typeof IMPORTS> = (typeof IMPORTS)[Module][number];

export function guestImports(
  devices: Devices,
  memory: GuestMemory,
): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const { blocks, nic, entropy } = devices;

  /** A module's start function must not act: it runs in no entry, so nothing orders what it does. */
  function stamp(): { readonly cause: number; readonly barrier: number } {
    if (devices.cause === 0) throw new GuestFault("the guest calls an import outside an entry");
    return { cause: devices.cause, barrier: blocks.flushes() };
  }

  const faultline = {
    block_read(volume: number, lba: number, pointer: number) {
      blocks.read({ volume, lba }, memory.range(pointer, BLOCK_SIZE));
    },
    block_write(volume: number, lba: number, pointer: number) {
      blocks.write({ volume, lba }, memory.range(pointer, BLOCK_SIZE), stamp().cause);
    },
    block_count: (volume: number) => blocks.count(volume),
    flush() {
      stamp();
      blocks.flush();
    },
    send(session: number, pointer: number, length: number) {
      nic.send(session >>> 0, memory.range(pointer, length), stamp());
    },
    close(session: number) {
      nic.close(session >>> 0, stamp());
    },
    reset(session: number) {
      nic.reset(session >>> 0, stamp());
    },
    now: () => BigInt(devices.time),
    random(pointer: number, length: number) {
      stamp();
      entropy.fill(memory.range(pointer, length));
    },
    set_timer(at: bigint) {
      stamp();
      devices.timerAt = at < 0n ? null : Number(at);
    },
    console(pointer: number, length: number) {
      const line = memory.range(pointer, length).subarray(0, CONSOLE_BYTES_MAX);
      devices.console = Buffer.from(line).toString("latin1");
    },
  } satisfies Record<Names<"faultline">, unknown>;

  const env = {
    memory: memory.memory,
    abort(_message: number, _file: number, line: number, column: number) {
      throw new GuestFault(`abort at ${line}:${column}`);
    },
  } satisfies Record<Names<"env">, unknown>;

  return { faultline, env };
}
