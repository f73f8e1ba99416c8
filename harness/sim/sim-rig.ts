import type { HostPeek } from "../../node/core/host/host.ts";
import { invariant } from "../../node/core/invariant.ts";
import { HarnessError } from "../errors.ts";
import { resolveTarget } from "../local/targets.ts";
import type { HistoryLine, Micros, RunEvent } from "../record/types.ts";
import { openHistory } from "../record/writer.ts";
import type {
  BrokenDisks,
  CutKind,
  Direction,
  DiskSource,
  HostView,
  LinkDelay,
  OperatorCommand,
  ProcessExit,
  Rig,
  SavedDisk,
  TargetWord,
  Topology,
  Workload,
  WorkloadSpec,
} from "../rig/rig.ts";
import { switchesOf } from "../workload/places.ts";
import type { Cluster } from "./cluster.ts";
import type { Draws } from "./draws.ts";
import type { AnyLink } from "./link.ts";
import type { SimHost } from "./sim-host.ts";
import { startSimWorkload } from "./sim-workload.ts";
import type { SparseBytes } from "./sparse-bytes.ts";
import { drawsOf, millis, type SimProcess, type World } from "./world.ts";

/** The simulated bed, and what only it can tell. */
export interface SimRigMore extends Rig {
  readonly bed: "sim";
  readonly history: readonly HistoryLine[];
  /** Rare branches of the core, by name: how often. */
  readonly marks: ReadonlyMap<string, number>;
  /** A look inside a host's core, for tests; null: no process. */
  peek(host: string): HostPeek | null;
  /** What happened so far, counted in steps of the clock. */
  readonly steps: number;
}

export interface SimRigOptions {
  readonly probePeriodUs: Micros;
  /** Of 1,000 kills of a host so many fall between two effects of one step. */
  readonly killAtEffectPerMille: number;
  /** File of the history, written at the teardown; null: none. */
  readonly historyFile: string | null;
  readonly historyHeader: HistoryLine;
  readonly isOver: SimIsOver | null;
}

/** Asked before anything happens at the instant `next`, be it a step or an act of the harness; once true, time stands still. */
export type SimIsOver = (rig: SimRigMore, next: Micros) => boolean;

/** A host steps at every tick, and every period of the probe brings a write. */
const ARMED_KILL_MAX_US = millis(25);
const QUIESCE_MAX_US = millis(2_000);
/** Work has ended when none was seen for so long: nothing of it is on a link any more. */
const QUIET_US = millis(20);
/** A beat is half of the longest round trip of the preset. */
const QUIET_BEATS = 4;
/** Steps of one call: beyond it something plans at one instant for ever. */
const STEPS_MAX = 200_000_000;

/** One flow of control: virtual time moves only inside these calls, and nothing of a run is left to real time. */
export class SimRig implements SimRigMore {
  readonly bed = "sim";
  readonly proxy = "none (sim)";
  readonly topology: Topology;
  readonly exited: ProcessExit[] = [];
  /** A rule was broken: time stands still from here. */
  isStopped = false;
  steps = 0;
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #options: SimRigOptions;
  readonly #targets: Draws;
  readonly #kills: Draws;
  /** Times that a process was started again. */
  readonly #lives = new Map<string, number>();
  readonly #saved = new Map<SavedDisk, SparseBytes>();
  #isTornDown = false;
  #workloads = 0;
  #inFlightWrites: () => number = () => 0;

  constructor(world: World, cluster: Cluster, options: SimRigOptions) {
    this.#world = world;
    this.#cluster = cluster;
    this.#options = options;
    this.topology = cluster.topology;
    this.#targets = drawsOf(world, "targets");
    this.#kills = drawsOf(world, "kills");
    world.log.record(options.historyHeader);
  }

  readonly brokenDisks: BrokenDisks = {
    set: (name, fault) => {
      this.#host(name).rawDisk().setFault(fault);
      return Promise.resolve(this.now());
    },
    bitten: (name) => this.#host(name).rawDisk().bitten(),
  };

  get history(): readonly HistoryLine[] {
    return this.#world.log.history;
  }

  get marks(): ReadonlyMap<string, number> {
    return this.#world.log.marks;
  }

  peek(host: string): HostPeek | null {
    return this.#cluster.hosts.get(host)?.core()?.peek() ?? null;
  }

  now(): Micros {
    return this.#world.clock.now();
  }

  async until(at: Micros): Promise<void> {
    this.#runUntil(() => false, at);
  }

  async waitFor(condition: () => boolean, deadline: Micros): Promise<boolean> {
    return this.#runUntil(condition, deadline);
  }

  hosts(): readonly HostView[] {
    return this.#world.log.views.views((host) => this.alive(host));
  }

  resolve(target: TargetWord): string {
    return resolveTarget(target, {
      topology: this.topology,
      active: this.#world.log.views.active((host) => this.alive(host)),
      random: this.#targets,
      named: (name) => this.#process(name).name,
    });
  }

  events(): readonly RunEvent[] {
    return this.#world.log.events;
  }

  report(what: string, fields: Readonly<Record<string, unknown>>): void {
    this.#world.log.report("harness", what, fields);
  }

  async kill(...names: readonly string[]): Promise<Micros> {
    const processes = names.map((name) => this.#process(name));
    this.#killInsideStep(names);
    const at = this.now();
    for (const process of processes) process.kill();
    for (const name of names)
      this.#ended(name, { status: null, signal: "SIGKILL", expected: true });
    return at;
  }

  /** Sometimes lets the first of them, if it is a host, die between two effects of one of its next steps; the others follow at that instant. */
  #killInsideStep([first = ""]: readonly string[]): void {
    const host = this.#cluster.hosts.get(first);
    if (host === undefined || !host.isAlive() || host.is("paused")) return;
    if (!this.#kills.chance(this.#options.killAtEffectPerMille)) return;
    // A kill that was aimed into a write stays aimed into one.
    const isAimed = this.#inFlightWrites() > 0;
    host.armKill(() => !isAimed || this.#inFlightWrites() > 0);
    if (this.#runUntil(() => !host.isAlive(), this.now() + ARMED_KILL_MAX_US)) return;
    host.armKill(() => false);
    if (isAimed) this.#runUntil(() => this.#inFlightWrites() > 0, this.now() + ARMED_KILL_MAX_US);
  }

  /** A process ended without being told to. */
  endedByItself(name: string, status: number): void {
    this.#process(name).kill();
    this.#ended(name, { status, signal: null, expected: false });
  }

  /** Once in each life. */
  #ended(name: string, how: Omit<ProcessExit, "process">): void {
    const life = this.#lives.get(name) ?? 0;
    if (this.exited.filter(({ process }) => process === name).length > life) return;
    const exit: ProcessExit = { process: name, ...how };
    this.exited.push(exit);
    for (const link of this.#cluster.links.values()) link.died(name);
    this.report("exit", { ...exit });
  }

  async start(name: string): Promise<Micros> {
    const process = this.#process(name);
    const at = this.now();
    if (process.isAlive()) return at;
    this.#lives.set(name, (this.#lives.get(name) ?? 0) + 1);
    this.#world.log.views.begin(name);
    process.start();
    return at;
  }

  async pause(name: string): Promise<Micros> {
    const host = this.#livingHost(name);
    const at = this.now();
    host.hold("paused");
    return at;
  }

  async resume(name: string): Promise<void> {
    const host = this.#cluster.hosts.get(name);
    if (host?.is("paused") !== true) return;
    host.end("paused");
    for (const link of this.#cluster.links.values()) link.resumed(name);
  }

  isPaused(name: string): boolean {
    return this.#cluster.hosts.get(name)?.is("paused") ?? false;
  }

  alive(name: string): boolean {
    return this.#process(name).isAlive();
  }

  async cut(links: readonly string[], kind: CutKind, direction: Direction): Promise<Micros> {
    if (kind === "refuse" && direction !== "both") {
      throw new HarnessError("BAD_SCENARIO", `a refused link has no direction: ${direction}`, {
        hint: 'Cut "both", or use "blackhole" or "jam".',
      });
    }
    const at = this.now();
    for (const link of links.map((id) => this.#link(id))) link.cut(kind, direction);
    return at;
  }

  async mend(links: readonly string[]): Promise<void> {
    for (const link of links.map((id) => this.#link(id))) link.mend();
  }

  stopped(link: string): number {
    return this.#link(link).stopped();
  }

  async delay(links: readonly string[], by: LinkDelay, direction: Direction): Promise<Micros> {
    const at = this.now();
    for (const link of links.map((id) => this.#link(id))) link.delay(by, direction);
    return at;
  }

  async undelay(links: readonly string[]): Promise<void> {
    for (const link of links.map((id) => this.#link(id))) link.undelay();
  }

  delayed(link: string): number {
    return this.#link(link).delayed();
  }

  async saveDisk(name: string): Promise<SavedDisk> {
    const saved: SavedDisk = { host: name, at: this.now() };
    this.#saved.set(saved, this.#host(name).saveDisk());
    return saved;
  }

  async replaceDisk(name: string, by: SavedDisk | null): Promise<number> {
    const host = this.#host(name);
    const content = by === null ? null : this.#saved.get(by);
    invariant(content !== undefined, "an image is put back into the run that it was made in");
    if (!host.isAlive()) return host.replaceDisk(content);
    throw new HarnessError("BAD_SCENARIO", `${name} lives: its disk cannot be replaced`, {
      hint: "Kill it first.",
    });
  }

  async operator(name: string, command: OperatorCommand): Promise<Micros> {
    const host = this.#livingHost(name);
    const at = this.now();
    const wallMs = Math.floor(at / 1_000);
    host.operate(command.op === "force-boot" ? { ...command, wallMs } : command);
    return at;
  }

  async startWorkload(spec: WorkloadSpec): Promise<Workload> {
    this.#workloads += 1;
    invariant(this.#workloads === 1, "a run has one workload: it has one history");
    const targets = switchesOf(spec, this.topology).map((site) => {
      const target = this.#cluster.switches.get(site);
      invariant(target !== undefined, "every site has its switch");
      return { site, target };
    });
    const workload = startSimWorkload(this.#world, {
      spec,
      targets,
      runUntil: (condition, deadline) => this.#runUntil(condition, deadline),
      probePeriodUs: this.#options.probePeriodUs,
    });
    this.#inFlightWrites = () => workload.inFlightWrites();
    return workload;
  }

  async quiesce(): Promise<void> {
    const processes = [...this.#cluster.processes.values()].filter((process) => process.isAlive());
    for (const process of processes) process.quiesce();
    const quietUs = QUIET_US + QUIET_BEATS * millis(this.#cluster.timing.beat);
    let busyAt = this.now();
    const areQuiet = (): boolean => {
      if (!processes.every(isQuiet)) busyAt = this.now();
      return this.now() - busyAt >= quietUs;
    };
    const isDone = this.#runUntil(areQuiet, this.now() + QUIESCE_MAX_US);
    if (!isDone && !this.isStopped) this.report("not-quiet", { withinUs: QUIESCE_MAX_US });
    for (const host of this.#cluster.hosts.values()) host.hold("frozen");
  }

  async release(): Promise<void> {
    for (const host of this.#cluster.hosts.values()) {
      host.end("frozen");
      host.end("quiesced");
    }
    for (const link of this.#cluster.links.values()) {
      for (const name of this.topology.hosts) link.resumed(name);
    }
  }

  disks(): readonly DiskSource[] {
    return [...this.#cluster.hosts.values()].map((host) => host.disk());
  }

  exits(): readonly ProcessExit[] {
    return this.exited;
  }

  async teardown(): Promise<readonly string[]> {
    if (this.#isTornDown) return [];
    this.#isTornDown = true;
    const { historyFile } = this.#options;
    if (historyFile === null) return [];
    const history = openHistory(historyFile);
    for (const line of this.history) history.write(line);
    history.close();
    return [];
  }

  #runUntil(condition: () => boolean, deadline: Micros): boolean {
    const { clock } = this.#world;
    const { isOver } = this.#options;
    for (let count = 0; ; count += 1) {
      const due = Math.min(clock.next() ?? deadline, deadline);
      if (isOver?.(this, due) === true) this.isStopped = true;
      if (this.isStopped) return false;
      if (condition()) return true;
      const next = clock.next();
      if (next === null || next > deadline) {
        if (deadline > clock.now()) clock.moveTo(deadline);
        return false;
      }
      invariant(count < STEPS_MAX, "a run comes to its deadline");
      clock.step();
      this.steps += 1;
    }
  }

  #host(name: string): SimHost {
    const host = this.#cluster.hosts.get(name);
    if (host !== undefined) return host;
    throw new HarnessError("BAD_SCENARIO", `${name} is no host`, {
      hint: `Use ${this.topology.hosts.join(", ")}, or a word like "active".`,
    });
  }

  #livingHost(name: string): SimHost {
    const host = this.#host(name);
    if (host.isAlive()) return host;
    throw new HarnessError("BAD_SCENARIO", `${name} is dead`, { hint: "Start it first." });
  }

  #process(name: string): SimProcess {
    const process = this.#cluster.processes.get(name);
    if (process !== undefined) return process;
    const names = [...this.#cluster.processes.keys()].join(", ");
    throw new HarnessError("BAD_SCENARIO", `there is no process "${name}"`, {
      hint: `Use ${names}, or a word like "active".`,
    });
  }

  #link(id: string): AnyLink {
    const link = this.#cluster.links.get(id);
    if (link !== undefined) return link;
    const names = [...this.#cluster.links.keys()].join(", ");
    throw new HarnessError("BAD_SCENARIO", `there is no link "${id}"`, { hint: `Use ${names}.` });
  }
}

const isQuiet = (process: SimProcess): boolean => process.isQuiet();
