/**
 * One interface to a bed. Faults, scenarios and the runner speak to nothing else, so the same plan runs in `sim`, `local` and `compose`,
 * and nothing here assumes that what it breaks is ours. A single flow of control awaits these calls, one after the other: in `sim` the
 * virtual clock moves only inside `until` and `waitFor`.
 */
import type { Micros, RunEvent } from "../record/types.ts";

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

export interface WorkloadSpec {
  readonly kind: "reference" | "probe" | "none";
  readonly clients: number;
  readonly thinkMs: number;
  readonly warmUpMs: number;
  readonly calmMs: number;
  /** Seeds every choice of the clients. */
  readonly seed: number;
}

export interface Workload {
  /** Marks the phase in the history, stamped now. */
  phase(name: "calm" | "fault"): Promise<void>;
  /** Operations invoked and not yet ended right now. In `local` as last reported; exact in `sim`. */
  inFlightWrites(): number;
  /** Ends the load: clients finish or time out; then every key is read (role `readback`), and the history is complete. */
  finish(deadline: Micros): Promise<void>;
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

export interface Rig {
  readonly bed: "sim" | "local" | "compose";
  readonly topology: Topology;
  /** Which proxy carries the links, as the record names it. */
  readonly proxy: string;
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

  /** SIGKILL, a power failure of the disk's cache included. Returns the run clock immediately before the kill. */
  kill(process: string): Promise<Micros>;
  alive(process: string): boolean;
  /** Cuts these links. Idempotent per link; a second cut of another kind replaces the first. Returns the run clock before the first call. */
  cut(links: readonly string[], kind: CutKind, direction: Direction): Promise<Micros>;
  /** Undoes `cut`. Idempotent. */
  mend(links: readonly string[]): Promise<void>;
  /** Bytes or connections that the cut of this link has stopped so far, for the proof that it bit. */
  stopped(link: string): number;

  startWorkload(spec: WorkloadSpec): Promise<Workload>;
  /** Hosts stop taking in work and bring what they have to their disks; killed ones stay as they are. */
  quiesce(): Promise<void>;
  disks(): readonly DiskSource[];
  exits(): readonly ProcessExit[];
  /** Ends everything of this run. Names what it could not end: empty in a good run. Idempotent. */
  teardown(): Promise<readonly string[]>;
}

/** What a bed needs to come up. */
export interface ClusterSpec {
  readonly seed: number;
  /** Empty: the bed's default names (`a`, `b`; `q1`; `s1`). */
  readonly quorum: "one" | "none";
  /** Host that runs the VM first, and where `protect` is asked for. */
  readonly preferred: "a" | "b";
  readonly memoryPages: number;
  readonly volumeBlocks: number;
  readonly peerLoss: "preferred" | "continue";
  readonly bootDelayMs: number;
  /** One-way delay put on every link. Unit: milliseconds; 0: none. */
  readonly linkDelayMs: number;
}
