import { rmSync } from "node:fs";
import { join } from "node:path";
import { invariant } from "../../node/core/invariant.ts";
import type { ControlEvent } from "../../node/wire/control.ts";
import { HarnessError } from "../errors.ts";
import { type Child, killPid, lastLines, waitForEnd } from "../process/child.ts";
import { type StandStill, standStill } from "../process/stand-still.ts";
import type { SpawnedProxy } from "../proxy/proxy-server.ts";
import type { Micros } from "../record/types.ts";
import { type ClusterSpec, type ProcessExit, WORKLOAD_PROCESS } from "../rig/rig.ts";
import type { AddressPlan } from "./address-plan.ts";
import type { ClusterNumber } from "./cluster-number.ts";
import type { Asked, ControlClient } from "./control-client.ts";
import { createEventLog, type EventLog } from "./event-log.ts";
import { createHostViews, type HostViews } from "./host-views.ts";
import { findLeftovers } from "./leftovers.ts";
import { nameOfExit } from "./ready.ts";
import type { RunClock } from "./run-clock.ts";
import type { RunFiles } from "./run-files.ts";

const END_DEADLINE_MS = 2_000;
/** What a workload needs to close its history. */
const WORKLOAD_GRACE_MS = 500;
/** A process that is ending closes its channel first. */
const EXIT_AFTER_LOSS_MS = 1_000;

export interface Commands {
  readonly host: readonly string[];
  readonly quorum: readonly string[];
  readonly switch: readonly string[];
  readonly workload: readonly string[];
}

export interface LocalRunOptions {
  readonly spec: ClusterSpec;
  readonly runDir: string;
  readonly scenario: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: RunClock;
  readonly number: ClusterNumber;
  readonly commandOf: (role: keyof Commands) => readonly string[];
  /** From a process's spawn to its ready line. Unit: milliseconds. */
  readonly readyMs: number;
}

/**
 * Everything that one run has started, from its first moment: it can be ended at any stage of a start. Holds what the run's processes
 * say; knows nothing of faults.
 */
export class LocalRun {
  readonly spec: ClusterSpec;
  readonly runDir: string;
  readonly scenario: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: RunClock;
  readonly plan: AddressPlan;
  /** Goes away with the run, however it ends. */
  readonly privateDir: string;
  readonly commandOf: (role: keyof Commands) => readonly string[];
  readonly readyMs: number;
  readonly log: EventLog = createEventLog();
  readonly views: HostViews;
  readonly exits: ProcessExit[] = [];
  /** As records name it; empty until it answers. */
  proxyName = "";
  readonly #number: ClusterNumber;
  /** By name, every life, the newest one last. */
  readonly #children = new Map<string, Child[]>();
  readonly #controls = new Map<Child, ControlClient>();
  readonly #standing = new Map<Child, StandStill>();
  readonly #images: string[] = [];
  #files: RunFiles | null = null;
  #proxy: SpawnedProxy | null = null;
  #broken: Error | null = null;
  #ending: Promise<readonly string[]> | null = null;

  constructor(options: LocalRunOptions) {
    this.spec = options.spec;
    this.runDir = options.runDir;
    this.scenario = options.scenario;
    this.env = options.env;
    this.clock = options.clock;
    this.plan = options.number.plan;
    this.privateDir = join(options.runDir, ".private");
    this.commandOf = options.commandOf;
    this.readyMs = options.readyMs;
    this.views = createHostViews(this.plan.topology.hosts);
    this.#number = options.number;
    process.once("exit", this.#killAll);
  }

  get proxy(): SpawnedProxy {
    invariant(this.#proxy !== null, "the proxy is started before it is used");
    return this.#proxy;
  }

  get files(): RunFiles {
    invariant(this.#files !== null, "files are written before a process reads them");
    return this.#files;
  }

  useFiles(files: RunFiles): void {
    this.#files = files;
  }

  /** From here on the proxy belongs to the run; its end without a teardown breaks it. */
  useProxy(proxy: SpawnedProxy): void {
    this.#proxy = proxy;
    const server = proxy.process;
    if (server === null) return;
    void server.ended.then((exit) => {
      const said = lastLines(server.stderrFile, 1);
      const message = `toxiproxy ended with ${nameOfExit(exit)}: ${said}`;
      this.#break("PROXY_FAILED", message, `Read ${server.stderrFile}.`);
    });
  }

  /** From here on the process belongs to the run; its end is reported. */
  adopt(child: Child): void {
    const lives = this.#children.get(child.name) ?? [];
    this.#children.set(child.name, [...lives, child]);
    if (lives.length > 0) this.views.begin(child.name);
    // Whoever started it learns of it in time to end it.
    if (this.#ending !== null) child.kill();
    void child.ended.then((exit) => {
      this.exits.push(exit);
      this.report("exit", { ...exit });
    });
  }

  attach(child: Child, control: ControlClient): void {
    if (this.#ending === null) this.#controls.set(child, control);
    else control.close();
  }

  /** How often a process of this name was started. */
  lives(name: string): number {
    return this.#children.get(name)?.length ?? 0;
  }

  /**
   * The newest life of a process.
   *
   * @throws HarnessError BAD_SCENARIO for a name that no process has
   */
  child(name: string): Child {
    const child = this.#children.get(name)?.at(-1);
    if (child !== undefined) return child;
    const names = [...this.#children.keys()].join(", ");
    throw new HarnessError("BAD_SCENARIO", `there is no process "${name}"`, {
      hint: `Use ${names}, or a word like "active".`,
    });
  }

  report(what: string, fields: Readonly<Record<string, unknown>>): void {
    this.log.add({ ...fields, at: this.clock.now(), source: "harness", what });
  }

  /** The last words of a former life may come when the next one has begun. `source`: as records name it, `host a`. */
  takeEvent(child: Child, source: string, { atUs, what, fields }: ControlEvent): void {
    const { startUs } = this.clock;
    const event = { ...onRunClock(fields, startUs), at: atUs - startUs, source, what };
    if (child === this.child(child.name)) this.views.take(event);
    this.log.add(event);
  }

  /** A channel that closes because its process ended is no fault of the rig. */
  async takeLoss(child: Child, why: string): Promise<void> {
    if (await waitForEnd(child, EXIT_AFTER_LOSS_MS)) return;
    const { name } = child;
    this.#break("CONTROL_LOST", `control channel of ${name}: ${why}`, `Read ${name}.log.`);
  }

  /** Every caller gets this error from now on. */
  breakBy(error: unknown): void {
    if (this.#ending !== null) return;
    this.#broken ??= error instanceof Error ? error : new Error(String(error));
    this.log.wake();
  }

  /** @throws HarnessError what broke the run, for every caller from then on */
  throwIfBroken(): void {
    if (this.#broken !== null) throw this.#broken;
  }

  /** Returns when it has answered, or has ended instead. */
  async ask(name: string, request: Asked, withinMs: number): Promise<void> {
    const child = this.child(name);
    const asked = this.#controls.get(child)?.ask(request, withinMs);
    await Promise.race([asked, child.ended]).catch(async (error: unknown) => {
      if (!(await waitForEnd(child, EXIT_AFTER_LOSS_MS))) throw error;
    });
  }

  /** Returns the run clock immediately before the signal. */
  async standStill(name: string): Promise<Micros> {
    const child = this.child(name);
    let at = this.clock.now();
    if (this.#standing.has(child)) return at;
    const onBegin = (): void => {
      at = this.clock.now();
    };
    const still = await standStill(child, { env: this.env, onBegin });
    this.#standing.set(child, still);
    return at;
  }

  async goOn(name: string): Promise<void> {
    const child = this.child(name);
    await this.#standing.get(child)?.end();
    this.#standing.delete(child);
  }

  /** Path for another image of a host's disk; removed with the run. */
  newImage(host: string): string {
    const path = `${this.files.disks.get(host) ?? ""}.image-${this.#images.length + 1}`;
    this.#images.push(path);
    return path;
  }

  /** Idempotent; every step is taken, whatever the ones before found. */
  async teardown(): Promise<readonly string[]> {
    this.#ending ??= this.#end();
    const left = await this.#ending;
    // One that was still being started was adopted, and killed, meanwhile.
    const late = [...this.#children.values()].flat().filter((child) => child.exit() === null);
    await Promise.all(late.map((child) => waitForEnd(child, END_DEADLINE_MS)));
    return left;
  }

  async #end(): Promise<readonly string[]> {
    await Promise.all([...this.#standing.values()].map((still) => still.end()));
    const workload = this.#children.get(WORKLOAD_PROCESS)?.at(-1);
    if (workload !== undefined) {
      workload.expectEnd();
      workload.stdin.end();
      await waitForEnd(workload, WORKLOAD_GRACE_MS);
    }
    const children = [...this.#children.values()].flat();
    for (const child of children) child.kill();
    await Promise.all(children.map((child) => waitForEnd(child, END_DEADLINE_MS)));
    for (const control of this.#controls.values()) control.close();
    const failures = (await this.#proxy?.stop()) ?? [];
    await this.#number.release();
    for (const image of this.#images) rmSync(image, { force: true });
    this.#removePrivate();
    process.off("exit", this.#killAll);
    const left = findLeftovers({
      number: this.plan.number,
      processes: children,
      paths: [this.privateDir],
    });
    return [...failures, ...left];
  }

  /** Last resort, when the harness exits without a teardown: nothing asynchronous runs any more. */
  readonly #killAll = (): void => {
    for (const child of [...this.#children.values()].flat()) {
      if (child.exit() === null) killPid(child.pid);
    }
    const server = this.#proxy?.process ?? null;
    if (server !== null && server.exit() === null) killPid(server.pid);
    this.#removePrivate();
  };

  #removePrivate(): void {
    rmSync(this.privateDir, { recursive: true, force: true });
  }

  #break(code: "PROXY_FAILED" | "CONTROL_LOST", message: string, hint: string): void {
    this.breakBy(new HarnessError(code, message, { hint }));
  }
}

/** Instants that a process reports beside the event's own: fields whose names end in `AtUs`. */
function onRunClock(
  fields: Readonly<Record<string, unknown>>,
  startUs: number,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) =>
      name.endsWith("AtUs") && typeof value === "number" ? [name, value - startUs] : [name, value],
    ),
  );
}
