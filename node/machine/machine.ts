/**
 * A virtual machine: a WebAssembly instance whose linear memory is its RAM, and its devices. Nothing reaches the guest but entries
 * and what devices compute from them, so equal boot blocks and equal entries give equal results and equal memory.
 */
import { createHash } from "node:crypto";
import { invariant, unreachable } from "../core/invariant.ts";
import type {
  BootBlock,
  Entry,
  MachineResult,
  MachineSpec,
  Segment,
} from "../core/machine/entry.ts";
import type { Machine, MachineFactory } from "../ports/machine.ts";
import { ABI_VERSION, compileGuest, exportsOf, type GuestExports } from "./abi.ts";
import { createBlockDevice } from "./block-device.ts";
import { createEntropy } from "./entropy.ts";
import { GuestFault } from "./guest-fault.ts";
import { type Devices, guestImports } from "./guest-imports.ts";
import { createGuestMemory, type GuestMemory } from "./guest-memory.ts";
import { GuestRefused } from "./guest-refused.ts";
import { createNic } from "./nic.ts";
import { createOutbox, type Outbox } from "./outbox.ts";

/**
 * Checks and compiles a guest once for all machines that run it.
 *
 * @throws GuestRefused when the program cannot be a guest; nothing of it has run
 */
export function createMachineFactory(wasm: Uint8Array, spec: MachineSpec): MachineFactory {
  const module = compileGuest(wasm);
  return { start: (blocks) => startMachine(module, spec, blocks) };
}

/** @throws GuestRefused when the guest's memory does not fit the specification or its ABI version is another */
function startMachine(
  module: WebAssembly.Module,
  spec: MachineSpec,
  blocks: readonly BootBlock[],
): Machine {
  const memory = createGuestMemory(spec.memoryPages);
  const outbox = createOutbox();
  const devices: Devices = {
    blocks: createBlockDevice(spec.volumes, blocks),
    nic: createNic(outbox),
    entropy: createEntropy(),
    exec: 0,
    cause: 0,
    time: 0,
    timerAt: null,
    console: "",
  };
  const guest = instantiate(module, guestImports(devices, memory), memory);
  let trap: MachineResult["trap"] = null;

  return {
    run(entries) {
      invariant(devices.cause === 0, "a machine runs one batch at a time");
      for (const entry of entries) {
        if (trap !== null) break;
        trap = execute(entry, { devices, guest, memory, outbox });
      }
      const { blocks, exec, timerAt } = devices;
      return {
        exec,
        writes: blocks.take(),
        flushes: blocks.flushes(),
        ...outbox.take(),
        timerAt,
        trap,
      };
    },
    digest() {
      const hash = createHash("sha256").update(memory.all());
      const { blocks, nic, entropy, exec, time, timerAt } = devices;
      hash.update(JSON.stringify({ exec, time, timerAt, trap, entropy: entropy.state() }));
      for (const device of [blocks, nic]) device.digest((part) => hash.update(part));
      return hash.digest("hex");
    },
  };
}

function instantiate(
  module: WebAssembly.Module,
  imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  memory: GuestMemory,
): GuestExports {
  let instance: WebAssembly.Instance;
  try {
    instance = new WebAssembly.Instance(module, imports);
  } catch (cause) {
    throw new GuestRefused("GUEST_MEMORY", `the guest does not start in ${memory.pages} pages`, {
      hint: "Give the machine as many pages as the guest declares, and declare a maximum that covers them.",
      cause,
    });
  }
  const guest = exportsOf(instance);
  const version = guest.abi_version();
  if (version === ABI_VERSION) return guest;
  throw new GuestRefused("GUEST_ABI_VERSION", `the guest speaks ABI ${String(version)}`, {
    hint: `Build it for ABI ${ABI_VERSION}, as docs/guest-abi.md describes it.`,
  });
}

interface Parts {
  readonly devices: Devices;
  readonly guest: GuestExports;
  readonly memory: GuestMemory;
  readonly outbox: Outbox;
}

/** An entry takes effect whole or, when the guest traps in it, not at all as far as the host sees. */
function execute(entry: Entry, parts: Parts): MachineResult["trap"] {
  const { devices, outbox } = parts;
  invariant(entry.i === devices.exec + 1, "entries have no gap");
  invariant(entry.t >= devices.time, "virtual time never steps back");
  invariant((entry.kind === "boot") === (entry.i === 1), "the first entry of a boot boots");
  const { blocks } = devices;
  const before = { outbox: outbox.mark(), pending: blocks.pending(), flushes: blocks.flushes() };
  devices.cause = entry.i;
  devices.time = entry.t;
  try {
    perform(entry, parts);
    devices.exec = entry.i;
    return null;
  } catch (error) {
    if (!isGuestFailure(error)) throw error;
    outbox.rewind(before.outbox);
    blocks.rewind(before);
    devices.timerAt = null;
    const last = devices.console === "" ? "" : `; its last console line: ${devices.console}`;
    return { at: entry.i, why: `${error.message}${last}` };
  } finally {
    devices.cause = 0;
  }
}

function perform(entry: Entry, parts: Parts): void {
  const { devices, guest } = parts;
  const { nic, blocks } = devices;
  switch (entry.kind) {
    case "boot":
      devices.entropy.seed(entry.seed);
      guest.boot();
      return;
    case "input":
      for (const segment of entry.segments) feed(segment, parts);
      break;
    case "session": {
      const { session } = entry;
      invariant(session === session >>> 0, "a session's number fits 32 bits");
      const stamp = { cause: entry.i, barrier: blocks.flushes() };
      if (entry.what === "open" && nic.open(session, stamp)) guest.session_open(session);
      if (entry.what === "fin" && nic.receiveFin(session)) guest.session_fin(session);
      if (entry.what === "reset" && nic.receiveReset(session)) guest.session_reset(session);
      break;
    }
    case "sent-through":
      nic.sentThrough(entry.session, entry.position);
      return;
    case "tick":
      if (devices.timerAt === null || devices.timerAt > entry.t) return;
      devices.timerAt = null;
      guest.tick?.();
      break;
    default:
      unreachable(entry);
  }
  guest.settled?.();
  for (const session of nic.takeDropped()) guest.session_reset(session);
}

/** Gives the guest what is new of a segment, in pieces that fit its buffer. */
function feed(segment: Segment, { devices, guest, memory }: Parts): void {
  const fresh = devices.nic.receive(segment);
  for (let from = 0; from < fresh.length; ) {
    const capacity = Number(guest.input_capacity());
    if (capacity <= 0) throw new GuestFault("the input buffer has no room");
    const piece = fresh.subarray(from, from + capacity);
    memory.range(Number(guest.input_buffer()), piece.length).set(piece);
    guest.session_data(segment.session, piece.length);
    from += piece.length;
  }
}

/** A stack overflow is a plain RangeError; what an import throws on the guest's account is a GuestFault. */
const isGuestFailure = (error: unknown): error is Error =>
  error instanceof WebAssembly.RuntimeError ||
  error instanceof RangeError ||
  error instanceof GuestFault;
