/**
 * A machine behind the machine port that is no guest: a request of its one client names a block, and the machine writes it. One flush ends a
 * run, as a guest's `settled` does, and a reply leaves when that flush is complete. The client stands at the core's border, in place of a
 * switch: what lies between its write and its reply is the core, the driver, the disk and the links of a real host.
 */
import type { VmBoot } from "../../node/core/identity.ts";
import type {
  Entry,
  GuestWrite,
  MachineOutput,
  MachineResult,
  ReceiveMark,
} from "../../node/core/machine/entry.ts";
import type { PeerBody } from "../../node/core/pair/frames.ts";
import type { Announcement, ToSwitch } from "../../node/core/switch/frames.ts";
import { sessionOf } from "../../node/core/switch/home.ts";
import { BLOCK_SIZE } from "../../node/core/units.ts";
import type { HostDriver, HostDriverOptions, HostInput } from "../../node/io/host-driver.ts";
import { createHostDriver } from "../../node/io/host-driver.ts";
import type { MachineClient, MachineClientOptions } from "../../node/io/machine-client.ts";
import type { Block, BlockPort } from "./closed-loop.ts";

const SWITCH = "bench";
const CONN = 1;
/** A site that has no real switch in the bed, and its first session. */
const HOME = 2;
const SESSION = sessionOf(HOME, 0);
const ROUTE = 1;
/** What this host has sent of a resync. */
export interface SentOfResync {
  copyBytes: number;
  extentsCompared: number;
}

/** A request and a reply name a write with this many bytes. */
const NAME_BYTES = 4;
/** The client says what it took once in so many replies, as a socket does. */
const TAKEN_EVERY = 64;

interface Waiting {
  readonly block: Block;
  readonly done: () => void;
}

export interface BlockMachine extends BlockPort {
  createMachine(options: Omit<MachineClientOptions, "wasm">): MachineClient;
  createDriver(options: HostDriverOptions): HostDriver;
  readonly sent: Readonly<SentOfResync>;
}

export function createBlockMachine(): BlockMachine {
  const waiting = new Map<number, Waiting>();
  let vmBoot: VmBoot | null = null;
  let vm = "";
  let dispatch: (input: HostInput) => void = () => undefined;
  const resync: SentOfResync = { copyBytes: 0, extentsCompared: 0 };
  let isOpen = false;
  let sent = 0;
  let taken = 0;

  function tell(what: "open" | "data", position: number, bytes: Uint8Array): void {
    if (vmBoot === null) return;
    dispatch({
      kind: "switch-frame",
      switch: SWITCH,
      conn: CONN,
      frame: { kind: "client", vm, vmBoot, route: ROUTE, session: SESSION, position, what, bytes },
    });
  }

  /** As a switch does: says that it has no session yet, and opens one. */
  function answer({ vmBoot: boot, term }: Announcement): void {
    if (isOpen) return;
    isOpen = true;
    const positions = { kind: "positions", vm, vmBoot: boot, term, home: HOME } as const;
    const frame = { ...positions, route: ROUTE, sessions: [] };
    dispatch({ kind: "switch-frame", switch: SWITCH, conn: CONN, frame });
    tell("open", 0, new Uint8Array());
  }

  function take(frame: ToSwitch): void {
    if (frame.kind === "announce") answer(frame.announcement);
    if (frame.kind !== "data" || frame.what !== "data" || vmBoot === null) return;
    const number = viewOf(frame.bytes).getUint32(0, true);
    const found = waiting.get(number);
    waiting.delete(number);
    taken += 1;
    if (taken % TAKEN_EVERY === 0) {
      const position = frame.position + NAME_BYTES;
      const answer = { kind: "taken", vm, vmBoot, session: SESSION, position } as const;
      dispatch({ kind: "switch-frame", switch: SWITCH, conn: CONN, frame: answer });
    }
    found?.done();
  }

  return {
    createMachine: (options) => ({
      ...machineOf(options, (number) => waiting.get(number)?.block),
      start(boot) {
        vmBoot = boot;
        setImmediate(() => options.ready(boot));
      },
    }),
    createDriver(options) {
      const { links } = options;
      const driver = createHostDriver({
        ...options,
        links: {
          ...links,
          sendSwitch(place, conn, frame) {
            if (place.kind === "switch" && place.id === SWITCH) take(frame);
            else links.sendSwitch(place, conn, frame);
          },
          sendPeer(place, conn, frame) {
            countSent(frame.body, resync);
            links.sendPeer(place, conn, frame);
          },
        },
      });
      vm = options.vm;
      dispatch = (input) => driver.dispatch(input);
      dispatch({ kind: "switch-up", switch: SWITCH, conn: CONN });
      return driver;
    },
    sent: resync,
    write(block, done) {
      waiting.set(sent, { block, done });
      const name = new Uint8Array(NAME_BYTES);
      viewOf(name).setUint32(0, sent, true);
      tell("data", 1 + sent * NAME_BYTES, name);
      sent += 1;
    },
  };
}

function countSent(body: PeerBody, into: SentOfResync): void {
  if (body.kind === "copy") into.copyBytes += body.blocks.length * BLOCK_SIZE;
  if (body.kind !== "merged") return;
  for (const { extents } of body.extents) into.extentsCompared += extents.length;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function machineOf(
  { result }: Pick<MachineClientOptions, "result">,
  find: (number: number) => Block | undefined,
): Omit<MachineClient, "start"> {
  let flushes = 0;
  let written = 0;
  let replied = 0;

  function runOne(entry: Entry, into: Made): void {
    if (entry.kind === "session") {
      into.receives.push({ session: SESSION, position: 1 });
      into.outputs.push({
        session: SESSION,
        position: 0,
        what: "accept",
        bytes: new Uint8Array(),
        cause: entry.i,
        barrier: flushes,
      });
    }
    if (entry.kind !== "input") return;
    for (const { position, bytes } of entry.segments) {
      const block = find(viewOf(bytes).getUint32(0, true));
      if (block === undefined) continue;
      written += 1;
      const { lba, data, sum } = block;
      const epoch = flushes + 1;
      into.writes.push({ number: written, epoch, cause: entry.i, volume: 0, lba, data, sum });
      into.outputs.push({
        session: SESSION,
        position: 1 + replied * NAME_BYTES,
        what: "data",
        bytes,
        cause: entry.i,
        barrier: flushes + 1,
      });
      replied += 1;
      into.receives.push({ session: SESSION, position: position + bytes.length });
    }
  }

  return {
    loaded: Promise.resolve(),
    isIdle: true,
    run(boot, entries) {
      const into: Made = { writes: [], outputs: [], receives: [] };
      for (const entry of entries) runOne(entry, into);
      if (into.writes.length > 0) flushes += 1;
      const made: MachineResult = {
        ...into,
        receives: into.receives.slice(-1),
        exec: entries.at(-1)?.i ?? 0,
        flushes,
        timerAt: null,
        trap: null,
      };
      result(boot, made);
    },
    stop: () => undefined,
    close: () => undefined,
  };
}

interface Made {
  readonly writes: GuestWrite[];
  readonly outputs: MachineOutput[];
  readonly receives: ReceiveMark[];
}
