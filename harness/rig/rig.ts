/**
 * One interface to a bed. Faults, scenarios and the runner speak to nothing else, so the same plan runs in `sim`, `local` and `compose`,
 * and nothing here assumes that what it breaks is ours. A single flow of control awaits these calls, one after the other: in `sim` the
 * virtual clock moves only inside `until` and `waitFor`.
 */
import type { OperatorCommand as HostCommand } from "../../node/core/host/contract.ts";
import type { DiskFault as PortFault } from "../../node/ports/disk.ts";
import type { HistoryLine, Micros, RunEvent } from "../record/types.ts";

/** Words a plan uses for what it breaks; the rig resolves them at the fault instant, and the record keeps the answer. */
export type TargetWord =
  | "active"
  | "standby"
  | "quorum"
  | "site-a"
  | "site-b"
  | "random"
  /** Name of a process: a host, a quorum service, a switch. */
  | (string & {});

/** Name of the clients' process in the record. It belongs to the rig, not to the system under test. */
export const WORKLOAD_PROCESS = "workload";

export interface Topology {
  readonly hosts: readonly string[];
  readonly services: readonly string[];
  readonly switches: readonly string[];
  /** Every proxied channel; `id` is `dialler>listener/channel`, e.g. `a>b/alink0`, `b>a/mgmt`, `a>q1/quorum`, `a>s1/lan`. */
  readonly links: readonly LinkName[];
}

export interface LinkName {
  readonly id: string;
  readonly dialler: string;
  readonly listener: string;
  readonly channel: string;
}

/** Bytes from the dialler to the listener, the other way, or both. */
export type Direction = "forward" | "backward" | "both";

/** `refuse`: down and noticed at once; `blackhole`: bytes vanish; `jam`: bytes queue and arrive on heal. */
export type CutKind = "refuse" | "blackhole" | "jam";

/** A host's state as the harness last heard it. Null: not heard yet, or the process is gone. */
export interface HostView {
  readonly host: string;
  readonly alive: boolean;
  readonly derived: string | null;
  readonly right: string | null;
  /** The VM runs here: its last announcement was not withdrawn. */
  readonly runs: boolean;
}

type WithoutWall<Command> = Command extends unknown ? Omit<Command, "wallMs"> : never;

/** What an operator may ask of a host; the bed adds the wall clock where one is wanted. */
export type OperatorCommand = WithoutWall<HostCommand>;

/** Added to what a link takes by itself. Unit: milliseconds, whole; each frame waits latency ± jitter, drawn uniformly. */
export interface LinkDelay {
  readonly latencyMs: number;
  /** At most the latency. 0: none. */
  readonly jitterMs: number;
}

/** What a host's disk held at an instant. Belongs to the rig that made it. */
export interface SavedDisk {
  readonly host: string;
  readonly at: Micros;
}

export interface WorkloadSpec {
  readonly kind: "reference" | "probe" | "none";
  readonly clients: number;
  readonly thinkMs: number;
  readonly warmUpMs: number;
  readonly calmMs: number;
  /** Seeds every choice of the clients. */
  readonly seed: number;
  /**
   * Where the clients are: each site has a probe of its own, the others are dealt out in turn. More than one needs as many switches, and
   * names the site (by its switch) in the history. Default: the first site alone.
   */
  readonly sites?: readonly SiteName[];
  /** `disjoint`: the clients of each site use keys of their own, so that what each side of a split brain acknowledged can be counted. Default: `shared`. */
  readonly keys?: "shared" | "disjoint";
}

export type SiteName = "a" | "b";

export interface Workload {
  /** Marks the phase in the history, stamped now. */
  phase(name: "calm" | "fault"): Promise<void>;
  /** Operations invoked and not yet ended right now. In `local` as last reported; exact in `sim`. */
  inFlightWrites(): number;
  /** Ends the load: clients finish or time out; then every key is read (role `readback`), and the history is complete. */
  finish(deadline: Micros): Promise<void>;
}

/** What is wrong with a host's disk below its port. */
export type DiskFault = PortFault;

export interface BrokenDisks {
  /** From now on, in place of what was; the host may be dead. Returns the run clock immediately before. */
  set(host: string, fault: DiskFault): Promise<Micros>;
  /** Calls of the host's disk that were made to fail, held back or slowed so far, for the proof that it bit. */
  bitten(host: string): number;
}

/** A disk as the audit reads it. */
export interface DiskSource {
  readonly host: string;
  readonly size: number;
  /** Bytes past the end read as zeros. Never writes. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

export interface ProcessExit {
  readonly process: string;
  readonly status: number | null;
  readonly signal: string | null;
  /** The harness ended it on purpose. */
  readonly expected: boolean;
}

/** Where clients of a site reach the VM. */
export interface ClientAddress {
  readonly site: string;
  readonly address: string;
  readonly port: number;
}

export interface Rig {
  readonly bed: "sim" | "local" | "compose";
  readonly topology: Topology;
  /** Which proxy carries the links, as the record names it. */
  readonly proxy: string;
  /** What the clients did, where the bed holds it; else it stands in the run's folder once the bed is torn down. */
  readonly history?: readonly HistoryLine[];
  /** What happened so far, counted in steps of the clock. Absent where the bed does not count them. */
  readonly steps?: number;
  /** Rare branches of the core, by name: how often. Absent where nobody tells. */
  readonly marks?: ReadonlyMap<string, number>;
  /** Absent where the bed has no addresses. */
  clients?(): readonly ClientAddress[];
  now(): Micros;
  /** Lets the bed run until the run clock reads `at`. */
  until(at: Micros): Promise<void>;
  /** Lets the bed run until `condition` holds; false when `deadline` came first. */
  waitFor(condition: () => boolean, deadline: Micros): Promise<boolean>;
  hosts(): readonly HostView[];
  /** Resolves a target word now. `random` draws from the plan's stream. Throws HarnessError BAD_SCENARIO for a name that does not exist. */
  resolve(target: TargetWord): string;
  /** Everything reported so far, ordered by `at` within a source. */
  events(): readonly RunEvent[];
  /** Adds an event of source `harness`, stamped now. */
  report(what: string, fields: Readonly<Record<string, unknown>>): void;

  /**
   * SIGKILL of these processes at one instant, a power failure of their disks' caches included. Returns the run clock immediately before
   * the first one. One that is dead stays so.
   */
  kill(...processes: readonly string[]): Promise<Micros>;
  alive(process: string): boolean;
  /**
   * Gives a dead process its next life: same addresses, same disk or store. Returns the run clock immediately before, once the process
   * exists; the event `started` follows when it takes in connections. One that lives stays as it is. A process that is not ready in time
   * breaks the run.
   */
  start(process: string): Promise<Micros>;
  /**
   * SIGSTOP: the process stands still, its kernel does not. Returns the run clock immediately before the call, once it stands. Throws
   * HarnessError BAD_SCENARIO for a dead one.
   */
  pause(process: string): Promise<Micros>;
  /** SIGCONT. Idempotent; one that is dead or runs stays as it is. */
  resume(process: string): Promise<void>;
  /** Looked at from outside the process. False where the bed cannot look. */
  isPaused(process: string): boolean;
  /** Cuts these links. Idempotent per link; a second cut of another kind replaces the first. Returns the run clock before the first call. */
  cut(links: readonly string[], kind: CutKind, direction: Direction): Promise<Micros>;
  /** Undoes `cut`. Idempotent. */
  mend(links: readonly string[]): Promise<void>;
  /** Bytes or connections that the cut of this link has stopped so far, for the proof that it bit. */
  stopped(link: string): number;
  /** Slows these links in one direction or both; replaces what was added before, in each direction named. Returns the run clock before the first call. */
  delay(links: readonly string[], by: LinkDelay, direction: Direction): Promise<Micros>;
  /** Takes off what `delay` added, in both directions. Idempotent. */
  undelay(links: readonly string[]): Promise<void>;
  /** Frames or probes that the added delay of this link has held back so far, for the proof that it bit. */
  delayed(link: string): number;

  /** Keeps what a power failure at this instant would surely leave on the host's disk. The host may live. */
  saveDisk(host: string): Promise<SavedDisk>;
  /**
   * Puts a kept image, or (`null`) a blank disk, in place of the disk of a dead host. Returns how many blocks of 4 KiB then hold something
   * else than before. Throws HarnessError BAD_SCENARIO while the host lives.
   */
  replaceDisk(host: string, by: SavedDisk | null): Promise<number>;
  /** Absent where disks cannot be broken. */
  readonly brokenDisks?: BrokenDisks;
  /**
   * Gives an operator's command to a host, by the control channel. Returns the run clock immediately before. What comes of it is an event
   * of that host: `operator`, with `op`, `state` (`done`, `refused`) and `why`. Throws HarnessError BAD_SCENARIO for a dead host.
   */
  operator(host: string, command: OperatorCommand): Promise<Micros>;

  startWorkload(spec: WorkloadSpec): Promise<Workload>;
  /** Hosts stop taking in work and bring what they have to their disks; killed ones stay as they are. */
  quiesce(): Promise<void>;
  /** The way back from `quiesce`: hosts take in work again. Idempotent. */
  release(): Promise<void>;
  disks(): readonly DiskSource[];
  exits(): readonly ProcessExit[];
  /** Ends everything of this run. Names what it could not end: empty in a good run. Idempotent. */
  teardown(): Promise<readonly string[]>;
}

/** What a bed needs to come up. Its hosts are `a` and `b`. */
export interface ClusterSpec {
  readonly seed: number;
  /** Quorum services: `q1`, preferred by both hosts, and `q2`. */
  readonly quorum: "one" | "two" | "none";
  /** Sites' switches: `s1` where host a is, `s2` where host b is, joined by the trunk. With one, both hosts are at its site. */
  readonly switches: "one" | "two";
  /** A quorum service that started anew grants nothing until both hosts confirmed, or the pair registered. */
  readonly confirmAfterRestart: boolean;
  /** Host that runs the VM first, and where `protect` is asked for. */
  readonly preferred: "a" | "b";
  readonly memoryPages: number;
  readonly volumeBlocks: number;
  readonly peerLoss: "preferred" | "continue";
  readonly bootDelayMs: number;
  /** One-way delay put on every link. Unit: milliseconds; 0: none. */
  readonly linkDelayMs: number;
}
