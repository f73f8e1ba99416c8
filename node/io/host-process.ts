/** The role `host`: disk, machine, connections and one core per VM, put together. */
import { readFileSync } from "node:fs";
import type { HostConfig } from "../core/host/contract.ts";
import { createHost, type HostCore } from "../core/host/host.ts";
import { unreachable } from "../core/invariant.ts";
import type { HostFile, VmFile } from "../ports/process-file.ts";
import { monotonicMs } from "./clock.ts";
import { codeOf, EndProcess } from "./end-process.ts";
import { type FileDevice, openFileDevice } from "./file-device.ts";
import { type HostDisk, openHostDisk } from "./host-disk.ts";
import {
  createHostDriver,
  type HostDriver,
  type HostDriverOptions,
  type HostInput,
} from "./host-driver.ts";
import { type ArrivedFrame, createHostLinks, type HostLinks, type Place } from "./host-links.ts";
import { createLagMeter } from "./lag-meter.ts";
import {
  createMachineClient,
  type MachineClient,
  type MachineClientOptions,
} from "./machine-client.ts";
import type { Fields } from "./reporter.ts";
import type { RoleOptions, RunningRole } from "./running-process.ts";
import { createSaver } from "./saved-blocks.ts";

/** Work has ended when none began for so long: at least twice the longest round trip of the preset (a beat is half of it). */
const QUIET_MS_MIN = 50;
const QUIET_BEATS = 4;
const QUIESCE_POLL_MS = 5;

/** One VM on this host. */
interface Hosted {
  readonly vm: string;
  readonly peer: string;
  readonly core: HostCore;
  readonly disk: HostDisk;
  readonly machine: MachineClient;
  readonly driver: HostDriver;
}

/** Parts that a measurement replaces; everything else of a host stays what it is. */
export interface HostParts {
  createMachine(options: Omit<MachineClientOptions, "wasm">): MachineClient;
  createDriver(options: HostDriverOptions): HostDriver;
}

const PARTS: HostParts = {
  createMachine: (options) =>
    createMachineClient({ ...options, wasm: readGuest(options.spec.guest) }),
  createDriver: createHostDriver,
};

/** Returns once everything is bound, the disk is open, the core runs and its guest can. */
export async function runHost(
  options: RoleOptions<HostFile>,
  parts: HostParts = PARTS,
): Promise<RunningRole> {
  const { file, reporter } = options;
  const [vmFile, another] = file.vms;
  if (vmFile === undefined || another !== undefined) {
    throw new EndProcess("badFile", "vms: this release holds exactly one VM on a disk");
  }
  const device = openFileDevice(file.diskFile, file.destageSeed);
  const hosted: Hosted[] = [];
  const links = createHostLinks({
    file,
    self: options.self,
    reporter,
    events: {
      up: (place, conn) => tellOf(hosted, place, (it) => changeOf(it, "up", conn)),
      down: (place, conn) => tellOf(hosted, place, (it) => changeOf(it, "down", conn)),
      refused: (place) => tellOf(hosted, place, refusalOf),
      frame(place, conn, arrived) {
        const vm = hosted.find((it) => it.vm === arrived.frame.vm);
        if (vm === undefined) return reporter.mark("frame of an unknown VM");
        return vm.driver.dispatch(inputOf(place, conn, arrived));
      },
    },
  });
  const vm = await host(vmFile, { ...options, ...parts, device, links });
  hosted.push(vm);
  // Bound before the core starts: a host that cannot be reached changes nothing on its disk.
  await links.listen();
  vm.driver.start();
  links.dial();
  const lag = createLagMeter(file.timing.tick);
  setInterval(() => {
    lag.tick(monotonicMs());
    for (const { driver } of hosted) driver.dispatch({ kind: "tick" });
  }, file.timing.tick);
  await vm.machine.loaded;
  return {
    quiesce: (done) => quiesce({ hosted, links, device, file }, done),
    release: () => links.resumeSwitches(),
    operate(command) {
      for (const { driver } of hosted) driver.dispatch({ kind: "operator", command });
      return true;
    },
    farewell: () => undefined,
    status: () => ({
      ...statusOf(vm),
      lag: lag.take(),
      flushes: device.figures,
      marks: reporter.marks(),
    }),
  };
}

interface HostingOptions extends RoleOptions<HostFile>, HostParts {
  readonly device: FileDevice;
  readonly links: HostLinks;
}

async function host(vmFile: VmFile, options: HostingOptions): Promise<Hosted> {
  const { file, device, links, reporter, fatal } = options;
  const { vm, volumes, guest, memoryPages } = vmFile;
  const disk = await openHostDisk(device, { cluster: file.cluster, host: file.host, vm, volumes });
  const config = configOf(vmFile, file);
  const core = createHost(config);
  const machine: MachineClient = options.createMachine({
    spec: { guest, memoryPages, volumes },
    ready: (vmBoot) => driver.dispatch({ kind: "machine-ready", vmBoot }),
    result: (vmBoot, result) => driver.dispatch({ kind: "machine-result", vmBoot, result }),
    fatal,
  });
  const { peer } = config;
  const save = createSaver(file.diskFile, disk);
  const driver = options.createDriver({ core, vm, peer, disk, links, machine, reporter, save });
  return { vm, peer, core, disk, machine, driver };
}

function readGuest(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error: unknown) {
    throw new EndProcess("badFile", `guest ${path}: ${codeOf(error)}`, error);
  }
}

function configOf(vm: VmFile, file: HostFile): HostConfig {
  const peer = vm.hosts.find((name) => name !== file.host);
  if (peer === undefined)
    throw new EndProcess("badFile", "vms.0.hosts: must name another host too");
  return {
    cluster: file.cluster,
    vm: vm.vm,
    host: file.host,
    peer,
    volumes: vm.volumes,
    paths: file.paths
      .filter((path) => path.peer === peer)
      .map(({ id, role, dial }) => ({ id, role, dials: dial !== null })),
    services: file.services.map(({ id }) => id),
    switches: file.switches.map(({ id }) => id),
    preferred: vm.preferred,
    protect: vm.protect === file.host,
    peerLoss: vm.peerLoss,
    bootDelay: vm.bootDelayMs,
    timing: file.timing,
  };
}

/** A path concerns the VMs of its peer; services and switches concern all. */
function tellOf(
  hosted: readonly Hosted[],
  place: Place,
  inputFor: (place: Place) => HostInput | null,
): void {
  const input = inputFor(place);
  if (input === null) return;
  for (const { peer, driver } of hosted) {
    if (place.kind !== "path" || place.peer === peer) driver.dispatch(input);
  }
}

function changeOf(place: Place, change: "up" | "down", conn: number): HostInput {
  switch (place.kind) {
    case "path":
      return { kind: `path-${change}`, path: place.id, conn };
    case "service":
      return { kind: `service-${change}`, service: place.id, conn };
    case "switch":
      return { kind: `switch-${change}`, switch: place.id, conn };
    default:
      return unreachable(place);
  }
}

function refusalOf(place: Place): HostInput | null {
  return place.kind === "path" ? { kind: "path-refused", path: place.id } : null;
}

function inputOf({ id }: Place, conn: number, arrived: ArrivedFrame): HostInput {
  switch (arrived.kind) {
    case "path":
      return { kind: "peer-frame", path: id, conn, frame: arrived.frame };
    case "service":
      return { kind: "service-frame", service: id, conn, frame: arrived.frame };
    case "switch":
      return { kind: "switch-frame", switch: id, conn, frame: arrived.frame };
    default:
      return unreachable(arrived);
  }
}

function statusOf({ vm, core }: Hosted): Fields {
  const { page, right, copy, running, vmBoot, derived, barred, durable, completed } = core.peek();
  const { gen } = page;
  const memory = process.memoryUsage();
  return {
    vm,
    right,
    copy,
    gen,
    derived,
    barred,
    running,
    vmBoot,
    positions: { durable, completed },
    memory: { rss: memory.rss, heapUsed: memory.heapUsed, external: memory.external },
  };
}

interface Quiescing {
  readonly hosted: readonly Hosted[];
  readonly links: HostLinks;
  readonly device: FileDevice;
  readonly file: HostFile;
}

/** Clients' data waits at the switches; what was taken in before runs to its end, on both hosts. */
function quiesce({ hosted, links, device, file }: Quiescing, done: (fields: Fields) => void): void {
  links.pauseSwitches();
  const quietMs = Math.max(QUIET_MS_MIN, QUIET_BEATS * file.timing.beat);
  const askedAt = monotonicMs();
  const poll = setInterval(() => {
    const since = Math.max(askedAt, ...hosted.map(({ driver }) => driver.workedAt));
    const isIdle = hosted.every(({ disk, machine }) => disk.isIdle && machine.isIdle);
    if (!isIdle || !device.isIdle || monotonicMs() - since < quietMs) return;
    clearInterval(poll);
    done({ quietMs });
  }, QUIESCE_POLL_MS);
}
