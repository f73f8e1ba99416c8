/** The running VM: input in, outputs out. */

import type { VmBoot } from "../identity.ts";
import { invariant } from "../invariant.ts";
import type {
  Entry,
  EntryPayload,
  MachineOutput,
  MachineResult,
  Segment,
} from "../machine/entry.ts";
import { addDirtyWrites, isAlone } from "../mirror/dirty.ts";
import { EPOCHS_MAX, takeWrites } from "../mirror/mirror.ts";
import { dropQueued } from "../mirror/writer.ts";
import { barSelf, closeSession } from "../pair/close.ts";
import { mayIntake } from "../pair/lease.ts";
import { BLOCK_SIZE } from "../units.ts";
import { commit, drawId, emit, mark, note } from "./context.ts";
import { announceIfDue, sendOutput, sendRack, withdraw } from "./lan.ts";
import type { HostState, RunningVm } from "./state.ts";

/** Client bytes in one batch, at most: 64 blocks, so that a batch's log writes fit into one round. */
const BATCH_MAX = 64 * BLOCK_SIZE;
/** How long a client's receipt may wait for an input to ride with. Unit: milliseconds. */
const TAKEN_WAIT = 50;

export function startRunning(host: HostState, vmBoot: VmBoot): void {
  host.vm = {
    kind: "running",
    vmBoot,
    seed: seedFrom(drawId(host) + drawId(host)),
    last: 0,
    lastT: 0,
    bootedAt: host.now,
    isBusy: false,
    isAnnounced: false,
    isSuspended: false,
    inbox: [],
    taken: new Map(),
    takenSince: null,
    timerAt: null,
    intakeAt: new Map(),
    held: [],
    sent: new Map(),
    switchOf: new Map(),
    routes: new Map(),
    racked: new Map(),
    announcedGen: null,
    overGen: null,
  };
  note(host, { what: "vm", state: "ready", boot: vmBoot.id, why: "booted" });
}

function seedFrom(hex: string): Uint8Array {
  const seed = new Uint8Array(hex.length / 2);
  for (let at = 0; at < seed.length; at += 1)
    seed[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  return seed;
}

/** Drops the VM and its memory. What it had not released is gone, and nobody was told. */
export function stopVm(host: HostState, why: string): void {
  const { vm } = host;
  if (vm.kind === "none") return;
  emit(host, { kind: "machine-stop" });
  if (vm.kind === "running") withdraw(host, vm);
  // What a target has and this disk lacks, or the other way round, ends with the VM: it is marked, and the resync begins anew.
  if (isAlone(host) && host.session.kind === "open" && host.session.resync !== null) {
    const open = [...host.mirror.unacked, ...host.mirror.writer.queue];
    if (open.length > 0) commit(host, addDirtyWrites(host, open), { kind: "clear" });
    closeSession(host, `the VM stopped: ${why}`);
  }
  host.vm = { kind: "none" };
  dropQueued(host);
  host.mirror.unacked = [];
  host.mirror.sums.clear();
  host.mirror.flushEnds = [];
  note(host, { what: "vm", state: "stopped", boot: vm.vmBoot.id, why });
}

/** Gives the machine what has come in, if this host may take in input now. At most one run is under way; what arrives meanwhile shares the next. */
export function pump(host: HostState): void {
  const { vm, mirror } = host;
  if (vm.kind !== "running") return;
  noteSuspension(host, vm);
  if (vm.isBusy || vm.isSuspended || host.isMoreDue) return;
  if (mirror.flushes - mirror.completedFlush >= EPOCHS_MAX) {
    mark(host, "epochs-full");
    return;
  }
  if (host.handover !== null && vm.last > 0) return;
  const payloads = vm.last === 0 ? [bootPayload(vm)] : takeInput(host, vm);
  if (payloads.length === 0) return;
  invariant(mayIntake(host, host.now), "input is taken in only with the right to it");
  const t = Math.max(vm.lastT, Math.floor((host.now - vm.bootedAt) * 1_000));
  vm.lastT = t;
  const entries = payloads.map((payload): Entry => {
    vm.last += 1;
    vm.intakeAt.set(vm.last, host.now);
    return { i: vm.last, t, ...payload };
  });
  vm.isBusy = true;
  emit(host, { kind: "machine-run", vmBoot: vm.vmBoot, entries });
}

function noteSuspension(host: HostState, vm: RunningVm): void {
  const isSuspended = !mayIntake(host, host.now);
  if (isSuspended === vm.isSuspended) return;
  vm.isSuspended = isSuspended;
  note(host, {
    what: "vm",
    state: isSuspended ? "suspended" : "resumed",
    boot: vm.vmBoot.id,
    why: isSuspended ? "no right to take in input" : "right to take in input",
  });
}

function bootPayload(vm: RunningVm): EntryPayload {
  return { kind: "boot", vmBoot: vm.vmBoot, seed: vm.seed };
}

function takeInput(host: HostState, vm: RunningVm): EntryPayload[] {
  const payloads: EntryPayload[] = [];
  let segments: Segment[] = [];
  const endInput = (): void => {
    if (segments.length > 0) payloads.push({ kind: "input", segments });
    segments = [];
  };
  let size = 0;
  let count = 0;
  for (const frame of vm.inbox) {
    if (size >= BATCH_MAX) break;
    count += 1;
    size += frame.bytes.length;
    const { session, position, bytes } = frame;
    if (frame.what === "data") {
      segments.push({ session, position, bytes });
      continue;
    }
    endInput();
    payloads.push({ kind: "session", session, what: frame.what });
  }
  endInput();
  vm.inbox = vm.inbox.slice(count);
  return [...receipts(host, vm, payloads.length > 0), ...payloads, ...timerTick(host, vm)];
}

function receipts(host: HostState, vm: RunningVm, isRiding: boolean): EntryPayload[] {
  const isDue = vm.takenSince !== null && (isRiding || host.now - vm.takenSince >= TAKEN_WAIT);
  if (!isDue) return [];
  const payloads = [...vm.taken].map(
    ([session, position]): EntryPayload => ({ kind: "sent-through", session, position }),
  );
  vm.taken.clear();
  vm.takenSince = null;
  return payloads;
}

function timerTick(host: HostState, vm: RunningVm): EntryPayload[] {
  if (vm.timerAt === null || (host.now - vm.bootedAt) * 1_000 < vm.timerAt) return [];
  vm.timerAt = null;
  return [{ kind: "tick" }];
}

export function machineResult(host: HostState, boot: VmBoot, result: MachineResult): void {
  const { vm } = host;
  if (vm.kind !== "running" || vm.vmBoot.id !== boot.id) return;
  vm.isBusy = false;
  vm.timerAt = result.timerAt;
  takeWrites(host, result);
  vm.held.push(...result.outputs);
  for (const { session, position } of result.receives) {
    vm.racked.set(session, position);
    sendRack(host, vm, session, position);
  }
  if (result.trap !== null) {
    note(host, { what: "vm", state: "trapped", boot: vm.vmBoot.id, why: result.trap.why });
    note(host, {
      what: "alert",
      code: "guest-trapped",
      detail: `entry ${result.trap.at}: ${result.trap.why}`,
    });
    stopVm(host, "the guest trapped");
    barSelf(host, "guest-trapped");
    return;
  }
  announceIfDue(host, vm);
}

/** P3: an output leaves when every flush before it is complete. The lease is not asked again. */
export function release(host: HostState): void {
  const { vm, mirror } = host;
  if (vm.kind !== "running") return;
  const stop = vm.held.findIndex(({ barrier }) => barrier > mirror.completedFlush);
  const free = stop === -1 ? vm.held : vm.held.slice(0, stop);
  if (free.length > 0) {
    vm.held = stop === -1 ? [] : vm.held.slice(stop);
    for (const output of free) releaseOne(host, vm, output);
  }
  forgetIntakes(vm);
}

function releaseOne(host: HostState, vm: RunningVm, output: MachineOutput): void {
  const intakeAt = vm.intakeAt.get(output.cause);
  invariant(intakeAt !== undefined, "an output's cause was taken in");
  const kept = vm.sent.get(output.session) ?? [];
  kept.push(output);
  vm.sent.set(output.session, kept);
  sendOutput(host, vm, output, intakeAt);
}

/** Intake times are kept for entries that may still be the cause of an output. */
function forgetIntakes(vm: RunningVm): void {
  const oldest = vm.held[0]?.cause ?? (vm.isBusy ? null : vm.last + 1);
  for (const entry of vm.intakeAt.keys()) {
    if (oldest === null || entry >= oldest) break;
    vm.intakeAt.delete(entry);
  }
}
