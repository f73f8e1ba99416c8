/** Starting the VM on this host's own copy (P2, 5.1). */
import type { DiskOp } from "../disk/ops.ts";
import { invariant } from "../invariant.ts";
import type { BootBlock } from "../machine/entry.ts";
import {
  clearDirty,
  durableFor,
  forgetBoot,
  intentCount,
  isDirtyEmpty,
  isWriterIdle,
} from "../mirror/writer.ts";
import { isPromiseOver } from "../pair/claims.ts";
import { barSelf } from "../pair/close.ts";
import { beatNow, hasLease } from "../pair/lease.ts";
import { isPeerRunning } from "../pair/send.ts";
import { extentOf } from "../units.ts";
import {
  commit,
  copyOf,
  drawId,
  emit,
  isRightMoving,
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
  if (isRightMoving(host) || !isPromiseOver(host) || !isWriterIdle(host) || host.page.hold !== null)
    return;
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
    isStarted: false,
  };
  note(host, { what: "vm", state: "booting", boot: vmBoot.id, why: rightOf(host) });
  persistPage(host, { ...host.pageNext, vmBoot }, { kind: "boot" });
  emit(host, { kind: "read-volumes", token: readToken });
}

function isBootTurn(host: HostState): boolean {
  const right = rightOf(host);
  const { session } = host;
  if (right === "sole") {
    return (
      session.kind === "none" || (session.kind === "open" && session.verdict.kind === "step-down")
    );
  }
  const par = parSession(host);
  if (par === null || par.step !== null || copyOf(host) !== "in-sync") return false;
  if (host.config.preferred !== host.config.host || isPeerRunning(par, host)) return false;
  if (intentCount(host) > 0 || !par.peerIntentsEmpty) return false;
  return right === "elected" || hasLease(host, host.now);
}

export function volumesRead(host: HostState, event: HostEvent & { kind: "volumes-read" }): void {
  if (host.vm.kind !== "booting" || host.vm.readToken !== event.token) return;
  const rotten = event.bad.filter(
    ({ volume, lba }) => host.mirror.intents.get(volume)?.has(extentOf(lba)) !== true,
  );
  const [first] = rotten;
  if (first !== undefined) {
    note(host, {
      what: "alert",
      code: "bad-block",
      detail: `${rotten.length} blocks do not match their checksums, the first is ${first.volume}/${first.lba}`,
    });
    host.vm = { kind: "none" };
    barSelf(host, "bad-block");
    return;
  }
  sealTorn(host, event.bad);
  host.vm.blocks = event.blocks;
}

/** A write that the power failure tore was never acknowledged; what is there now is what the guest shall read, so its sum is made true. */
function sealTorn(host: HostState, bad: (HostEvent & { kind: "volumes-read" })["bad"]): void {
  const ops = bad.map(
    ({ volume, lba, data, sum }): DiskOp => ({ op: "block", volume, lba, data, sum }),
  );
  if (ops.length > 0) commit(host, ops, { kind: "clear" });
}

export function startMachineIfDue(host: HostState): void {
  const { vm } = host;
  if (vm.kind !== "booting" || vm.isStarted || !vm.isPageDurable || vm.blocks === null) return;
  vm.isStarted = true;
  const blocks: readonly BootBlock[] = vm.blocks;
  vm.blocks = [];
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
