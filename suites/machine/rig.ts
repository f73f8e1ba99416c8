/** Drives a machine as a host would, without one: gives it entries, keeps its volume, and cuts its power. */
import { readFileSync } from "node:fs";
import { invariant } from "../../node/core/invariant.ts";
import type {
  BootBlock,
  EntryPayload,
  GuestWrite,
  MachineOutput,
  MachineResult,
  Segment,
  SessionId,
} from "../../node/core/machine/entry.ts";
import { createMachineFactory } from "../../node/machine/machine.ts";
import type { Machine, MachineFactory } from "../../node/ports/machine.ts";

export interface RigOptions {
  readonly memoryPages: number;
  readonly volumeBlocks: number;
  readonly seed: number;
}

/** From one entry to the next. */
const STEP_MICROS = 10;

export const KV_WASM = new Uint8Array(readFileSync("node/guests/kv.wasm"));
const factories = new Map<string, MachineFactory>();

export function kvFactory({ memoryPages, volumeBlocks }: Omit<RigOptions, "seed">): MachineFactory {
  const name = `${memoryPages}/${volumeBlocks}`;
  const known = factories.get(name);
  if (known !== undefined) return known;
  const spec = { guest: "kv", memoryPages, volumes: [{ id: 0, blocks: volumeBlocks }] };
  const factory = createMachineFactory(KV_WASM, spec);
  factories.set(name, factory);
  return factory;
}

export interface Rig {
  readonly machine: Machine;
  /** Every output since the boot. */
  readonly outputs: readonly MachineOutput[];
  /** Every write since the boot. */
  readonly writes: readonly GuestWrite[];
  last(): MachineResult;
  enter(...payloads: readonly EntryPayload[]): MachineResult;
  open(session: SessionId): void;
  /** Sends bytes on a session; latin1 text. Returns what came back on it, as latin1 text. */
  ask(session: SessionId, text: string): string;
  /** Lets virtual time pass before the next entry. Unit: microseconds. */
  wait(micros: number): void;
  /** Lets time pass, with a tick whenever the guest wants one. */
  live(micros: number): void;
  /** Bytes for several sessions in one entry. */
  feed(parts: readonly (readonly [SessionId, string])[]): MachineResult;
  sent(result: MachineResult, session: SessionId): string;
}

/** Boots a machine; a result with a trap is the test's business. */
export function startRig(
  options: Partial<RigOptions> = {},
  blocks: readonly BootBlock[] = [],
  factory: MachineFactory | null = null,
): Rig {
  const { memoryPages = 64, volumeBlocks = 4096, seed = 1 } = options;
  const machine = (factory ?? kvFactory({ memoryPages, volumeBlocks })).start(blocks);
  const outputs: MachineOutput[] = [];
  const writes: GuestWrite[] = [];
  const receivedThrough = new Map<SessionId, number>();
  let entry = 0;
  let waited = 0;
  let result: MachineResult | null = null;

  function enter(...payloads: readonly EntryPayload[]): MachineResult {
    const entries = payloads.map((payload) => {
      entry += 1;
      return { ...payload, i: entry, t: timeOf(entry) };
    });
    result = machine.run(entries);
    outputs.push(...result.outputs);
    writes.push(...result.writes);
    return result;
  }

  function timeOf(number: number): number {
    return number * STEP_MICROS + waited;
  }

  function live(micros: number): void {
    const end = timeOf(entry) + micros;
    for (let at = result?.timerAt ?? null; at !== null && at < end; at = result?.timerAt ?? null) {
      waited += Math.max(0, at - timeOf(entry + 1));
      enter({ kind: "tick" });
    }
    waited += Math.max(0, end - timeOf(entry));
  }

  function feed(parts: readonly (readonly [SessionId, string])[]): MachineResult {
    const segments = parts.map(([session, text]): Segment => {
      const position = receivedThrough.get(session) ?? 1;
      receivedThrough.set(session, position + text.length);
      return { session, position, bytes: Buffer.from(text, "latin1") };
    });
    return enter({ kind: "input", segments });
  }

  const sent = (from: MachineResult, session: SessionId): string =>
    from.outputs
      .filter((output) => output.session === session && output.what === "data")
      .map(({ bytes }) => Buffer.from(bytes).toString("latin1"))
      .join("");

  enter({ kind: "boot", vmBoot: { id: "0".repeat(32), n: 1 }, seed: seedBytes(seed) });
  return {
    machine,
    outputs,
    writes,
    last() {
      invariant(result !== null, "a rig has booted");
      return result;
    },
    enter,
    wait(micros) {
      waited += micros;
    },
    live,
    open: (session) => void enter({ kind: "session", session, what: "open" }),
    ask: (session, text) => sent(feed([[session, text]]), session),
    feed,
    sent,
  };
}

function seedBytes(seed: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, seed);
  return bytes;
}

/** A command as an array of bulk strings; arguments are latin1 text. */
export const command = (...words: readonly string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;

/** The volume after writes were applied in order. */
export function volumeAfter(
  before: readonly BootBlock[],
  writes: readonly GuestWrite[],
): readonly BootBlock[] {
  const blocks = new Map(before.map((block) => [`${block.volume}/${block.lba}`, block]));
  for (const { volume, lba, data } of writes) blocks.set(`${volume}/${lba}`, { volume, lba, data });
  return [...blocks.values()].map((block) => ({ ...block, data: block.data.slice() }));
}
