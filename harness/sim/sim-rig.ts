import type { HostPeek } from "../../node/core/host/host.ts";
import { invariant } from "../../node/core/invariant.ts";
import { HarnessError } from "../errors.ts";
import type { HistoryLine, Micros, RunEvent } from "../record/types.ts";
import { openHistory } from "../record/writer.ts";
import type {
  CutKind,
  Direction,
  DiskSource,
  HostView,
  ProcessExit,
  Rig,
  TargetWord,
  Topology,
  Workload,
  WorkloadSpec,
} from "../rig/rig.ts";
import type { Cluster } from "./cluster.ts";
import type { Draws } from "./draws.ts";
import type { AnyLink } from "./link.ts";
import { startSimWorkload } from "./sim-workload.ts";
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
}

/** A host steps at every tick, and every period of the probe brings a write. */
const ARMED_KILL_MAX_US = millis(25);
const QUIESCE_MAX_US = millis(2_000);
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
    const { hosts, services } = this.topology;
    switch (target) {
      case "active":
        return this.#active();
      case "standby": {
        const active = this.#active();
        return this.#known(
          hosts.find((host) => host !== active),
          target,
        );
      }
      case "quorum":
        return this.#known(services[0], target);
      case "site-a":
        return this.#known(hosts[0], target);
      case "site-b":
        return this.#known(hosts[1], target);
      case "random":
        return this.#known(hosts[this.#targets.below(hosts.length)], target);
      default:
        return this.#process(target).name;
    }
  }

  events(): readonly RunEvent[] {
    return this.#world.log.events;
  }

  report(what: string, fields: Readonly<Record<string, unknown>>): void {
    this.#world.log.report("harness", what, fields);
  }

  async kill(name: string): Promise<Micros> {
    const process = this.#process(name);
    const host = this.#cluster.hosts.get(name);
    if (host !== undefined && this.#kills.chance(this.#options.killAtEffectPerMille)) {
      // A kill that was aimed into a write stays aimed into one.
      const isAimed = this.#inFlightWrites() > 0;
      host.armKill(() => !isAimed || this.#inFlightWrites() > 0);
      this.#runUntil(() => !host.isAlive(), this.now() + ARMED_KILL_MAX_US);
    }
    const at = this.now();
    process.kill();
    this.#ended(name, { status: null, signal: "SIGKILL", expected: true });
    return at;
  }

  /** A process ended without being told to. */
  endedByItself(name: string, status: number): void {
    this.#process(name).kill();
    this.#ended(name, { status, signal: null, expected: false });
  }

  #ended(name: string, how: Omit<ProcessExit, "process">): void {
    if (this.exited.some(({ process }) => process === name)) return;
    const exit: ProcessExit = { process: name, ...how };
    this.exited.push(exit);
    for (const link of this.#cluster.links.values()) link.died(name);
    this.report("exit", { ...exit });
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

  async startWorkload(spec: WorkloadSpec): Promise<Workload> {
    this.#workloads += 1;
    invariant(this.#workloads === 1, "a run has one workload: it has one history");
    const workload = startSimWorkload(this.#world, {
      spec,
      target: this.#cluster.lan,
      runUntil: (condition, deadline) => this.#runUntil(condition, deadline),
      probePeriodUs: this.#options.probePeriodUs,
    });
    this.#inFlightWrites = () => workload.inFlightWrites();
    return workload;
  }

  async quiesce(): Promise<void> {
    const processes = [...this.#cluster.processes.values()].filter((process) => process.isAlive());
    for (const process of processes) process.quiesce();
    const areQuiet = (): boolean => {
      // Each is asked: asking is what freezes it.
      const answers = processes.map((process) => process.isQuiet());
      return answers.every((isQuiet) => isQuiet);
    };
    const isDone = this.#runUntil(areQuiet, this.now() + QUIESCE_MAX_US);
    if (!isDone && !this.isStopped) this.report("not-quiet", { withinUs: QUIESCE_MAX_US });
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
    for (let count = 0; !this.isStopped; count += 1) {
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
    return false;
  }

  #active(): string {
    return this.#known(
      this.#world.log.views.active((host) => this.alive(host)) ?? undefined,
      "active",
    );
  }

  #known(name: string | undefined, target: TargetWord): string {
    if (name !== undefined) return name;
    throw new HarnessError("BAD_SCENARIO", `there is no "${target}" now`, {
      hint: "Let the plan wait until the VM runs, and name only what its topology has.",
    });
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
