/** What the small world of world.ts does with the cores' effects. */
import { crc32 } from "node:zlib";
import type { HostInput } from "../../harness/sim/core.ts";
import type { DiskOp } from "../../node/core/disk/ops.ts";
import type { HostEffect } from "../../node/core/host/contract.ts";
import { invariant, unreachable } from "../../node/core/invariant.ts";
import type { Entry, GuestWrite, MachineOutput } from "../../node/core/machine/entry.ts";
import type { QuorumEvent } from "../../node/core/quorum/service.ts";
import { BLOCK_SIZE, type Milliseconds, ZERO_BLOCK_SUM } from "../../node/core/units.ts";
import {
  after,
  at,
  BLOCKS,
  type Disk,
  draw,
  type Guest,
  HOSTS,
  otherOf,
  SERVICES,
  type Service,
  WAYS,
  type World,
  type WorldHost,
} from "./world-state.ts";

const COMMIT_MS = 0.5;
const READ_MS = 1;
const MACHINE_START_MS = 3;
const MACHINE_RUN_MS = 0.1;
/** The guest writes here at its boot. */
const BOOT_LBA = 1_000;

/** One step of a host's core; whatever it throws ends the test. */
export function tell(world: World, host: WorldHost, event: HostInput): void {
  if (!host.isAlive) return;
  for (const effect of host.core.step({ ...event, now: world.now })) perform(world, host, effect);
}

function perform(world: World, host: WorldHost, effect: HostEffect): void {
  switch (effect.kind) {
    case "send-peer":
      sendPeer(world, host, effect);
      return;
    case "close-path":
      for (const way of WAYS) {
        if (way === effect.path && world.ways[way][host.name] === effect.conn)
          closeEnd(world, way, host);
      }
      return;
    case "send-service":
      toService(world, host, effect);
      return;
    case "commit":
      commit(world, host, effect);
      return;
    case "read-volumes":
      readVolumes(world, host, effect.token);
      return;
    case "read-blocks":
      readBlocks(world, host, effect);
      return;
    case "save-blocks": {
      const { token } = effect;
      world.saved.push({ host: host.name, blocks: effect.blocks });
      later(world, host, COMMIT_MS, () =>
        tell(world, host, { kind: "blocks-saved", token, file: "saved" }),
      );
      return;
    }
    case "machine-start":
      startMachine(world, host, effect);
      return;
    case "machine-run":
      runMachine(world, host, effect.entries);
      return;
    case "machine-stop":
      host.guest = null;
      return;
    case "need-ids":
      later(world, host, 0, () => tell(world, host, { kind: "ids", ids: draw(world, 32) }));
      return;
    case "note":
      world.notes.push({ time: world.now, host: host.name, note: effect.note });
      return;
    case "send-switch":
    case "mark":
      return;
    default:
      unreachable(effect);
  }
}

/** Unless the process ended meanwhile. */
function later(world: World, host: WorldHost, span: Milliseconds, act: () => void): void {
  const { process } = host;
  after(world, span, () => {
    if (host.isAlive && host.process === process) act();
  });
}

export function closeEnd(world: World, way: (typeof WAYS)[number], host: WorldHost): void {
  const conn = world.ways[way][host.name];
  world.ways[way][host.name] = null;
  if (conn !== null) tell(world, host, { kind: "path-down", path: way, conn });
}

function sendPeer(
  world: World,
  from: WorldHost,
  { path, conn, frame }: HostEffect & { kind: "send-peer" },
): void {
  const way = WAYS.find((candidate) => candidate === path);
  if (way === undefined || world.ways[way][from.name] !== conn) return;
  const sent = world.onSend(frame, from.name);
  if (sent === null) return;
  const ends = world.ways[way];
  const to = world.hosts[otherOf(from.name)];
  const arrival = Math.max(ends.busyUntil[from.name], world.now + world.delay(way, from.name));
  ends.busyUntil[from.name] = arrival;
  at(world, arrival, () => {
    if (ends[to.name] !== conn) return;
    tell(world, to, { kind: "peer-frame", path: way, conn, frame: sent });
  });
}

function toService(
  world: World,
  host: WorldHost,
  { service: name, conn, frame }: HostEffect & { kind: "send-service" },
): void {
  const service = SERVICES.find((it) => it === name);
  if (service === undefined) return;
  after(world, delayOf(world, service), () => {
    if (host.serviceConns[service] !== conn) return;
    tellService(world, service, { kind: "frame", conn, frame });
  });
}

const delayOf = ({ serviceDelays, serviceDelay }: World, service: Service): Milliseconds =>
  serviceDelays.get(service) ?? serviceDelay;

/** A service stores a change in half a millisecond; its store never fails. */
export function tellService(world: World, service: Service, event: QuorumEvent): void {
  for (const effect of world.services[service].step(event)) {
    if (effect.kind === "persist") {
      const { token } = effect;
      after(world, COMMIT_MS, () => tellService(world, service, { kind: "persisted", token }));
    } else if (effect.kind === "send") {
      const { conn, frame } = effect;
      after(world, delayOf(world, service), () => {
        const host = HOSTS.map((name) => world.hosts[name]).find(
          (it) => it.serviceConns[service] === conn,
        );
        if (host !== undefined) tell(world, host, { kind: "service-frame", service, conn, frame });
      });
    }
  }
}

function commit(
  world: World,
  host: WorldHost,
  { token, ops }: HostEffect & { kind: "commit" },
): void {
  host.diskFreeAt = Math.max(host.diskFreeAt, world.now + world.commitTime(host.name));
  later(world, host, host.diskFreeAt - world.now, () => {
    if (host.disk.isDead) {
      tell(world, host, { kind: "disk-failed", token, code: "EIO" });
      return;
    }
    for (const op of ops) apply(host.disk, op);
    tell(world, host, { kind: "disk-done", token });
  });
}

function apply(disk: Disk, op: DiskOp): void {
  switch (op.op) {
    case "page":
      disk.page = op.page;
      return;
    case "applied":
      disk.applied = { boot: op.boot, number: op.number };
      return;
    case "block":
      disk.blocks.set(op.lba, op.data);
      disk.rotten.delete(op.lba);
      return;
    case "intents":
    case "dirty": {
      const bits = disk[op.op].get(op.volume) ?? new Set();
      for (const bit of op.set) bits.add(bit);
      for (const bit of op.clear) bits.delete(bit);
      disk[op.op].set(op.volume, bits);
      return;
    }
    default:
      unreachable(op);
  }
}

/** What each block of the disk holds. */
export function sumsOf({ blocks }: Disk): Uint32Array {
  const sums = new Uint32Array(BLOCKS).fill(ZERO_BLOCK_SUM);
  for (const [lba, data] of blocks) sums[lba] = crc32(data);
  return sums;
}

function readBlocks(
  world: World,
  host: WorldHost,
  { token, lbas }: HostEffect & { kind: "read-blocks" },
): void {
  // Commits given before have landed by then.
  later(world, host, Math.max(host.diskFreeAt - world.now, READ_MS), () => {
    const blocks = lbas.map((lba) => {
      const data = host.disk.blocks.get(lba) ?? new Uint8Array(BLOCK_SIZE);
      const isBad = host.disk.rotten.has(lba);
      return { volume: 0, lba, data, sum: crc32(data), isBad };
    });
    tell(world, host, { kind: "blocks-read", token, blocks });
  });
}

function readVolumes(world: World, host: WorldHost, token: number): void {
  const span = Math.max(host.diskFreeAt, world.now + READ_MS) - world.now;
  later(world, host, span, () => {
    const { blocks, rotten } = host.disk;
    const found = [...blocks].map(([lba, data]) => ({ volume: 0, lba, data: data.slice() }));
    const bad = found
      .filter(({ lba }) => rotten.has(lba))
      .map((block) => ({ ...block, sum: crc32(block.data) }));
    tell(world, host, { kind: "volumes-read", token, blocks: found, bad });
  });
}

function startMachine(
  world: World,
  host: WorldHost,
  { vmBoot, delay }: HostEffect & { kind: "machine-start" },
): void {
  const guest: Guest = { vmBoot, writes: [] };
  host.guest = guest;
  later(world, host, Math.max(delay, MACHINE_START_MS), () => {
    if (host.guest !== guest) return;
    tell(world, host, { kind: "machine-ready", vmBoot });
    world.onMachineReady(host.name);
  });
}

function runMachine(world: World, host: WorldHost, entries: readonly Entry[]): void {
  const { guest } = host;
  invariant(guest !== null, "a machine runs only after its start");
  later(world, host, MACHINE_RUN_MS, () => {
    if (host.guest !== guest) return;
    const before = guest.writes.length;
    const outputs = entries.flatMap((entry) => execute(world, guest, entry));
    const exec = entries.at(-1)?.i;
    invariant(exec !== undefined, "a run has an entry");
    const writes = guest.writes.slice(before);
    const flushes = guest.writes.length;
    const result = { exec, writes, flushes, outputs, receives: [], timerAt: null, trap: null };
    tell(world, host, { kind: "machine-result", vmBoot: guest.vmBoot, result });
  });
}

/** Each boot and each input: one write, one flush behind it; after an input one byte for the client, behind the flush. */
function execute(world: World, guest: Guest, entry: Entry): readonly MachineOutput[] {
  if (entry.kind !== "boot" && entry.kind !== "input") return [];
  const number = guest.writes.length + 1;
  const lba = entry.kind === "boot" ? BOOT_LBA : world.lbaOf(number);
  const data = blockOf(guest.vmBoot.n, number);
  const write: GuestWrite = {
    number,
    epoch: number,
    cause: entry.i,
    volume: 0,
    lba,
    data,
    sum: crc32(data),
  };
  guest.writes.push(write);
  if (entry.kind === "boot") return [];
  const bytes = new Uint8Array(1);
  return [{ session: 1, position: number, what: "data", bytes, cause: entry.i, barrier: number }];
}

function blockOf(bootN: number, number: number): Uint8Array {
  const data = new Uint8Array(BLOCK_SIZE);
  const view = new DataView(data.buffer);
  view.setUint32(0, bootN);
  view.setUint32(4, number);
  return data;
}

/** Which write a block holds: its boot's number and its own. */
export function writeIn(data: Uint8Array): { readonly bootN: number; readonly number: number } {
  const view = new DataView(data.buffer, data.byteOffset);
  return { bootN: view.getUint32(0), number: view.getUint32(4) };
}
