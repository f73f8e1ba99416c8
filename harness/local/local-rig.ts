import { existsSync, rmSync } from "node:fs";
import { invariant } from "../../node/core/invariant.ts";
import type { Endpoint } from "../../node/ports/process-file.ts";
import { HarnessError } from "../errors.ts";
import { waitForEnd } from "../process/child.ts";
import { isStopped } from "../process/stand-still.ts";
import type { Micros, RunEvent } from "../record/types.ts";
import type {
  ClientAddress,
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
import { forkRandom, type Random } from "../workload/forked-random.ts";
import { switchesOf } from "../workload/places.ts";
import { copySparse, countDifferent } from "./disk-copy.ts";
import { openFileDisk } from "./file-disk.ts";
import { LocalLinks } from "./local-links.ts";
import type { LocalRun } from "./local-run.ts";
import { startAgain } from "./start-process.ts";
import { resolveTarget } from "./targets.ts";
import { startWorkloadProcess } from "./workload-process.ts";

/** Longest time between two looks at a condition that no event announces. */
const POLL_MS = 5;
const KILL_DEADLINE_MS = 2_000;
const QUIESCE_DEADLINE_MS = 5_000;
const OPERATOR_DEADLINE_MS = 2_000;

/** The bed of real processes behind the interface that faults and runner know. */
export class LocalRig implements Rig {
  readonly bed = "local";
  readonly topology: Topology;
  readonly proxy: string;
  readonly #run: LocalRun;
  readonly #links: LocalLinks;
  readonly #random: Random;
  readonly #saved = new Map<SavedDisk, string>();
  #workloads = 0;

  constructor(run: LocalRun) {
    this.#run = run;
    this.topology = run.plan.topology;
    this.proxy = run.proxyName;
    this.#links = new LocalLinks(run);
    this.#random = forkRandom(run.spec.seed, "targets");
  }

  clients(): readonly ClientAddress[] {
    return [...this.#run.plan.clients].map(([key, at]) => ({
      site: key.split("/")[0] ?? "",
      ...at,
    }));
  }

  /** Where a cluster that is kept running takes requests. */
  get control(): Endpoint {
    return this.#run.plan.clusterControl;
  }

  /** Folder of the run's record. */
  get runDir(): string {
    return this.#run.runDir;
  }

  get number(): number {
    return this.#run.plan.number;
  }

  now(): Micros {
    return this.#run.clock.now();
  }

  async until(at: Micros): Promise<void> {
    for (let left = at - this.now(); left > 0; left = at - this.now()) {
      this.#run.throwIfBroken();
      await this.#run.log.next(Math.ceil(left / 1_000));
    }
  }

  async waitFor(condition: () => boolean, deadline: Micros): Promise<boolean> {
    for (;;) {
      this.#run.throwIfBroken();
      if (condition()) return true;
      const left = deadline - this.now();
      if (left <= 0) return false;
      await this.#run.log.next(Math.min(POLL_MS, Math.ceil(left / 1_000)));
    }
  }

  hosts(): readonly HostView[] {
    return this.#run.views.views((host) => this.alive(host));
  }

  resolve(target: TargetWord): string {
    return resolveTarget(target, {
      topology: this.topology,
      active: this.#run.views.active((host) => this.alive(host)),
      random: this.#random,
      named: (name) => this.#run.child(name).name,
    });
  }

  events(): readonly RunEvent[] {
    return this.#run.log.events;
  }

  report(what: string, fields: Readonly<Record<string, unknown>>): void {
    this.#run.report(what, fields);
  }

  async kill(...processes: readonly string[]): Promise<Micros> {
    const children = processes.map((name) => this.#run.child(name));
    const at = this.now();
    for (const child of children) child.kill();
    const ends = await Promise.all(children.map((child) => waitForEnd(child, KILL_DEADLINE_MS)));
    const alive = children.find((_, index) => ends[index] === false);
    if (alive === undefined) return at;
    const message = `${alive.name} (${alive.pid}) lives ${KILL_DEADLINE_MS} ms after SIGKILL`;
    throw new HarnessError("LEFTOVERS", message, {
      hint: "Look for a process in state D: its disk does not answer.",
    });
  }

  async start(name: string): Promise<Micros> {
    this.#run.throwIfBroken();
    const at = this.now();
    if (!this.alive(name)) await startAgain(this.#run, name);
    return at;
  }

  async pause(name: string): Promise<Micros> {
    this.#run.throwIfBroken();
    this.#throwIfDead(name);
    return this.#run.standStill(name);
  }

  resume(name: string): Promise<void> {
    return this.#run.goOn(name);
  }

  isPaused(name: string): boolean {
    const child = this.#run.child(name);
    return child.exit() === null && isStopped(child.pid);
  }

  alive(process: string): boolean {
    return this.#run.child(process).exit() === null;
  }

  async cut(links: readonly string[], kind: CutKind, direction: Direction): Promise<Micros> {
    this.#run.throwIfBroken();
    return this.#links.cut(links, kind, direction);
  }

  mend(links: readonly string[]): Promise<void> {
    return this.#links.mend(links);
  }

  stopped(link: string): number {
    return this.#links.stopped(link);
  }

  async delay(links: readonly string[], by: LinkDelay, direction: Direction): Promise<Micros> {
    this.#run.throwIfBroken();
    return this.#links.delay(links, by, direction);
  }

  undelay(links: readonly string[]): Promise<void> {
    return this.#links.undelay(links);
  }

  delayed(link: string): number {
    return this.#links.delayed(link);
  }

  async saveDisk(host: string): Promise<SavedDisk> {
    this.#run.throwIfBroken();
    const path = this.#diskOf(host);
    const saved: SavedDisk = { host, at: this.now() };
    const image = this.#run.newImage(host);
    // Between two writes of the process, as a power failure would find it.
    const isRunning = this.alive(host) && !this.isPaused(host);
    if (isRunning) await this.#run.standStill(host);
    try {
      await copySparse(path, image);
    } finally {
      if (isRunning) await this.#run.goOn(host);
    }
    this.#saved.set(saved, image);
    return saved;
  }

  async replaceDisk(host: string, by: SavedDisk | null): Promise<number> {
    this.#run.throwIfBroken();
    const path = this.#diskOf(host);
    const image = by === null ? null : this.#saved.get(by);
    invariant(image !== undefined, "an image is put back into the run that it was made in");
    if (this.alive(host)) {
      throw new HarnessError("BAD_SCENARIO", `${host} lives: its disk cannot be replaced`, {
        hint: "Kill it first.",
      });
    }
    const count = await countDifferent(existsSync(path) ? path : null, image);
    rmSync(path, { force: true });
    if (image !== null) await copySparse(image, path);
    return count;
  }

  async operator(host: string, command: OperatorCommand): Promise<Micros> {
    this.#run.throwIfBroken();
    this.#throwIfDead(host);
    const at = this.now();
    const said = command.op === "force-boot" ? { ...command, wallMs: Date.now() } : command;
    await this.#run.ask(host, { kind: "operator", command: said }, OPERATOR_DEADLINE_MS);
    return at;
  }

  async startWorkload(spec: WorkloadSpec): Promise<Workload> {
    this.#run.throwIfBroken();
    this.#workloads += 1;
    invariant(this.#workloads === 1, "a run has one workload: it has one history");
    const { env, runDir, clock, scenario, plan } = this.#run;
    const [vm] = plan.vms;
    const targets = switchesOf(spec, this.topology).map((site) => {
      const target = plan.clients.get(`${site}/${vm}`);
      invariant(target !== undefined, "a VM has an address at every site");
      return { site, target };
    });
    return startWorkloadProcess({
      command: this.#run.commandOf("workload"),
      env,
      spec,
      targets,
      runDir,
      clock,
      scenario,
      seed: this.#run.spec.seed,
      onSpawn: (child) => this.#run.adopt(child),
      onChange: () => this.#run.log.wake(),
    });
  }

  async quiesce(): Promise<void> {
    const { hosts, services, switches } = this.topology;
    // Hosts first: what they still have to say to the others is then said.
    await this.#askAll(hosts, "quiesce");
    await this.#askAll([...services, ...switches], "quiesce");
  }

  async release(): Promise<void> {
    const { hosts, services, switches } = this.topology;
    await this.#askAll([...services, ...switches], "release");
    await this.#askAll(hosts, "release");
  }

  async #askAll(names: readonly string[], kind: "quiesce" | "release"): Promise<void> {
    this.#run.throwIfBroken();
    const alive = names.filter((name) => this.alive(name));
    await Promise.all(alive.map((name) => this.#run.ask(name, { kind }, QUIESCE_DEADLINE_MS)));
  }

  disks(): readonly DiskSource[] {
    return [...this.#run.files.disks].map(([host, path]) => openFileDisk(host, path));
  }

  exits(): readonly ProcessExit[] {
    return this.#run.exits;
  }

  teardown(): Promise<readonly string[]> {
    this.#links.close();
    return this.#run.teardown();
  }

  #diskOf(host: string): string {
    const path = this.#run.files.disks.get(host);
    if (path !== undefined) return path;
    throw new HarnessError("BAD_SCENARIO", `${host} is no host`, {
      hint: `Use ${this.topology.hosts.join(", ")}, or a word like "active".`,
    });
  }

  #throwIfDead(name: string): void {
    if (this.alive(name)) return;
    throw new HarnessError("BAD_SCENARIO", `${name} is dead`, { hint: "Start it first." });
  }
}
