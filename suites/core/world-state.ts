/** What the small world of world.ts holds, and its clock. */
import { createHash } from "node:crypto";
import type { HostNote } from "../../node/core/host/contract.ts";
import { createHost, type HostCore } from "../../node/core/host/host.ts";
import type { RandomId, VmBoot, VolumeId } from "../../node/core/identity.ts";
import type { GuestWrite } from "../../node/core/machine/entry.ts";
import type { BlockRuns, PeerFrame } from "../../node/core/pair/frames.ts";
import { blankPage, type Page } from "../../node/core/pair/page.ts";
import { createQuorumService, type QuorumService } from "../../node/core/quorum/service.ts";
import { type Timing, timingFor } from "../../node/core/timing.ts";
import type { Instant, Lba, Milliseconds } from "../../node/core/units.ts";

export type Host = "a" | "b";
export type Way = "alink0" | "alink1" | "mgmt";

export const WAYS: readonly Way[] = ["alink0", "alink1", "mgmt"];
export type Service = "q1" | "q2";
/** Preferred one first. */
export const SERVICES: readonly Service[] = ["q1", "q2"];
export const HOSTS: readonly Host[] = ["a", "b"];
export const BLOCKS = 1_024;
const VOLUMES = [{ id: 0, blocks: BLOCKS }];
const LAN_MS = 0.3;
const COMMIT_MS = 0.5;
/** The guest writes to the first blocks, one after the other. */
const INPUT_BLOCKS = 7;

export interface Disk {
  page: Page | null;
  applied: { readonly boot: RandomId; readonly number: number } | null;
  readonly intents: Map<VolumeId, Set<number>>;
  readonly dirty: Map<VolumeId, Set<Lba>>;
  readonly blocks: Map<Lba, Uint8Array>;
  /** Blocks whose checksum is wrong. */
  readonly rotten: Set<Lba>;
  /** Every commit fails. */
  isDead: boolean;
}

export interface Guest {
  readonly vmBoot: VmBoot;
  readonly writes: GuestWrite[];
}

export interface WorldHost {
  readonly name: Host;
  /** Of the process that runs; the last one's after a kill. */
  core: HostCore;
  isAlive: boolean;
  /** Counts processes; what an older one left under way goes nowhere. */
  process: number;
  disk: Disk;
  diskFreeAt: Instant;
  guest: Guest | null;
  /** Connection to each service; null while there is none. */
  readonly serviceConns: Record<Service, number | null>;
  switchConn: number;
  /** Boot to which a switch has told its route. */
  routed: RandomId | null;
}

interface Ends {
  a: number | null;
  b: number | null;
  /** When the last frame of each direction arrives. */
  readonly busyUntil: { a: Instant; b: Instant };
}

export interface World {
  readonly timing: Timing;
  now: Instant;
  readonly due: { readonly time: Instant; readonly act: () => void }[];
  drawn: number;
  readonly hosts: Readonly<Record<Host, WorldHost>>;
  readonly ways: Readonly<Record<Way, Ends>>;
  readonly services: Readonly<Record<Service, QuorumService>>;
  /** Services that can be reached; q2 only once it was mended. */
  readonly servicesUp: Set<Service>;
  readonly notes: { readonly time: Instant; readonly host: Host; readonly note: HostNote }[];
  readonly saved: { readonly host: Host; readonly blocks: readonly BlockRuns[] }[];
  /** One way, for a frame sent now. */
  delay: (way: Way, from: Host) => Milliseconds;
  serviceDelay: Milliseconds;
  /** Of one service, in place of that. */
  readonly serviceDelays: Map<Service, Milliseconds>;
  /** How long a host's disk takes for a commit. */
  commitTime: (host: Host) => Milliseconds;
  /** Block of a guest's write after an input, by the write's number. */
  lbaOf: (number: number) => Lba;
  /** @returns the frame that travels; null: it is lost */
  onSend: (frame: PeerFrame, from: Host) => PeerFrame | null;
  onMachineReady: (host: Host) => void;
  /** After each thing that happened. */
  afterEach: () => void;
}

export const otherOf = (host: Host): Host => (host === "a" ? "b" : "a");

export function createWorld(timing: Timing = timingFor({ peer: 0, quorum: 0 })): World {
  const ends = (): Ends => ({ a: null, b: null, busyUntil: { a: 0, b: 0 } });
  return {
    timing,
    now: 0,
    due: [],
    drawn: 0,
    hosts: { a: worldHost("a", timing), b: worldHost("b", timing) },
    ways: { alink0: ends(), alink1: ends(), mgmt: ends() },
    services: { q1: serviceOf("q1"), q2: serviceOf("q2") },
    servicesUp: new Set(["q1"]),
    notes: [],
    saved: [],
    delay: () => LAN_MS,
    serviceDelay: LAN_MS,
    serviceDelays: new Map(),
    commitTime: () => COMMIT_MS,
    lbaOf: (number) => number % INPUT_BLOCKS,
    onSend: (frame) => frame,
    onMachineReady: () => undefined,
    afterEach: () => undefined,
  };
}

function serviceOf(service: Service): QuorumService {
  const config = { cluster: "c", service, records: [], confirmAfterRestart: false };
  return createQuorumService({ ...config, instance: idOf(service === "q1" ? 0 : -1) });
}

export function blankDisk(): Disk {
  return {
    page: blankPage({ cluster: "c", vm: "vm1", volumes: VOLUMES }),
    applied: null,
    intents: new Map([[0, new Set()]]),
    dirty: new Map([[0, new Set()]]),
    blocks: new Map(),
    rotten: new Set(),
    isDead: false,
  };
}

function worldHost(name: Host, timing: Timing): WorldHost {
  return {
    name,
    core: coreOf(name, timing),
    isAlive: false,
    process: 0,
    disk: blankDisk(),
    diskFreeAt: 0,
    guest: null,
    serviceConns: { q1: null, q2: null },
    switchConn: 0,
    routed: null,
  };
}

export function coreOf(host: Host, timing: Timing): HostCore {
  return createHost({
    cluster: "c",
    vm: "vm1",
    host,
    peer: otherOf(host),
    volumes: VOLUMES,
    paths: WAYS.map((id) => {
      const role = id === "mgmt" ? "mgmt" : "alink";
      return { id, role, dials: (role === "alink") === (host === "a") };
    }),
    services: SERVICES,
    switches: ["s1"],
    preferred: "a",
    protect: host === "a",
    peerLoss: "preferred",
    bootDelay: 0,
    timing,
  });
}

/** Scattered, since the xor of two ids must not meet that of two others. */
function idOf(count: number): RandomId {
  return createHash("sha256").update(`${count}`).digest("hex").slice(0, 32);
}

export function draw(world: World, count: number): RandomId[] {
  return Array.from({ length: count }, () => {
    world.drawn += 1;
    return idOf(world.drawn);
  });
}

/** Acts of one time happen in the order in which they were asked for. */
export function at(world: World, time: Instant, act: () => void): void {
  const before = world.due.findLastIndex((other) => other.time <= time);
  world.due.splice(before + 1, 0, { time, act });
}

export function after(world: World, span: Milliseconds, act: () => void): void {
  at(world, world.now + span, act);
}

export function runTo(world: World, time: Instant): void {
  for (let next = world.due[0]; next !== undefined && next.time <= time; next = world.due[0]) {
    world.due.shift();
    world.now = Math.max(world.now, next.time);
    next.act();
    world.afterEach();
  }
  world.now = time;
}
