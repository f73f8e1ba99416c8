/** Starting the VM on this host's own copy (P2, 5.1). */
import { invariant } from "../invariant.ts";
import type { BootBlock } from "../machine/entry.ts";
import { noteSum, sumOf } from "../mirror/book.ts";
import { clearDirty, isDirtyEmpty } from "../mirror/dirty.ts";
import { intentCount } from "../mirror/intents.ts";
import { blockKey } from "../mirror/keys.ts";
import { durableFor, forgetBoot, isWriterIdle } from "../mirror/writer.ts";
import { isPromiseOver } from "../pair/claims.ts";
import { barSelf } from "../pair/close.ts";
import type { CopiedBlock } from "../pair/frames.ts";
import { beatNow, hasLease } from "../pair/lease.ts";
import { isPeerRunning, sendStream } from "../pair/send.ts";
import {
  commit,
  copyOf,
  drawId,
  emit,
  isRightMoving,
  mark,
  note,
  parSession,
  persistPage,
  rightOf,
} from "./context.ts";
import type { HostEvent } from "./contract.ts";
import type { HostState } from "./state.ts";
import { startRunning } from "./vm.ts";

export function bootIfDue(host: HostState): void {
  if (host.vm.kind !== "none" || !host.isStarted || !host.isDiskGood || host.barred !== null)
    return;
  if (isRightMoving(host) || !isPromiseOver(host) || !isWriterIdle(host) || isHeld(host)) return;
  if (!isBootTurn(host)) return;
  const { session } = host;
  const peerN = session.kind === "open" ? session.peerBootN : 0;
  const vmBoot = { id: drawId(host), n: Math.max(host.pageNext.vmBoot?.n ?? 0, peerN) + 1 };
  forgetBoot(host);
  const readToken = host.nextToken;
  host.nextToken += 1;
  host.vm = {
    kind: "booting",
    vmBoot,
    readToken,
    isPageDurable: false,
    blocks: null,
    rotten: new Map(),
    isStarted: false,
  };
  note(host, { what: "vm", state: "booting", boot: vmBoot.id, why: rightOf(host) });
  persistPage(host, { ...host.pageNext, vmBoot }, { kind: "boot" });
  emit(host, { kind: "read-volumes", token: readToken });
}

/** A forced copy boots: that is what it was forced for. */
function isHeld({ page, isDraining }: HostState): boolean {
  return isDraining || (page.hold !== null && page.hold.kind !== "force");
}

function isBootTurn(host: HostState): boolean {
  const right = rightOf(host);
  if (right === "sole") return isSoleBootTurn(host);
  const par = parSession(host);
  if (par === null || par.step !== null || copyOf(host) !== "in-sync") return false;
  if (par.verdict.kind === "par" && par.verdict.equalise !== null) return false;
  if (par.turn !== host.config.host || isPeerRunning(par, host)) return false;
  if (intentCount(host) > 0 || !par.peerIntentsEmpty) return false;
  return right === "elected" || hasLease(host, host.now);
}

/** Nobody is asked, unless the peer runs the VM over this copy. */
function isSoleBootTurn({ session }: HostState): boolean {
  if (session.kind === "none") return true;
  if (session.kind !== "open") return false;
  const { kind } = session.verdict;
  return kind === "resync" || kind === "refuse";
}

export function volumesRead(host: HostState, event: HostEvent & { kind: "volumes-read" }): void {
  const { vm } = host;
  if (vm.kind !== "booting" || vm.readToken !== event.token) return;
  vm.blocks = [...event.blocks];
  const [first] = event.bad;
  if (first === undefined) return;
  const par = parSession(host);
  note(host, {
    what: "alert",
    code: "bad-block",
    detail: `${event.bad.length} blocks do not match their checksums, the first is ${first.volume}/${first.lba}`,
  });
  if (par === null) {
    host.vm = { kind: "none" };
    barSelf(host, "bad-block");
    return;
  }
  for (const { volume, lba } of event.bad) {
    vm.rotten.set(blockKey(volume, lba), sumOf(host.mirror.sumsHere, volume, lba));
    sendStream(host, par, { kind: "fetch", volume, lba });
  }
}

/** 3.4: the peer's block counts if it is the one that was written here. */
export function takeFetched(
  host: HostState,
  volume: number,
  lba: number,
  block: CopiedBlock | null,
): void {
  const { vm } = host;
  const key = blockKey(volume, lba);
  if (vm.kind !== "booting" || vm.blocks === null || !vm.rotten.has(key)) return;
  if (block === null || block.sum !== vm.rotten.get(key)) {
    host.vm = { kind: "none" };
    barSelf(host, "bad-block");
    return;
  }
  const { sum, data } = block;
  mark(host, "block-repaired");
  noteSum(host.mirror.sumsHere, volume, lba, sum);
  commit(host, [{ op: "block", volume, lba, data, sum }], { kind: "clear" });
  const at = vm.blocks.findIndex((own) => own.volume === volume && own.lba === lba);
  if (at !== -1) vm.blocks[at] = { volume, lba, data };
  vm.rotten.delete(key);
}

export function startMachineIfDue(host: HostState): void {
  const { vm } = host;
  if (vm.kind !== "booting" || vm.isStarted || !vm.isPageDurable || vm.blocks === null) return;
  if (vm.rotten.size > 0) {
    // The peer who was asked is gone: another turn decides anew.
    if (parSession(host) === null) host.vm = { kind: "none" };
    return;
  }
  vm.isStarted = true;
  const blocks: readonly BootBlock[] = vm.blocks;
  vm.blocks = null;
  emit(host, { kind: "machine-start", vmBoot: vm.vmBoot, blocks, delay: host.config.bootDelay });
}

export function machineReady(host: HostState, event: HostEvent & { kind: "machine-ready" }): void {
  const { vm } = host;
  if (vm.kind !== "booting" || vm.vmBoot.id !== event.vmBoot.id) return;
  invariant(durableFor(host) === 0, "a boot has written nothing before it runs");
  if (host.page.right !== "sole" && !isDirtyEmpty(host)) clearDirty(host);
  startRunning(host, vm.vmBoot);
  const { session } = host;
  if (session.kind === "open") beatNow(host, session);
}
