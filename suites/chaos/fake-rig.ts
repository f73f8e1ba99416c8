/**
 * A bed in memory with a clock of its own: a pair that takes over 200 ms after its active host was killed or hangs, whose host is redundant
 * again 300 ms after it came back, and clients that write a new key every 2 ms. It does exactly what it is told to do wrong.
 */
import { HarnessError } from "../../harness/errors.ts";
import type { Micros, RunEvent } from "../../harness/record/types.ts";
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
  Workload,
  WorkloadSpec,
} from "../../harness/rig/rig.ts";
import { buildDisk } from "../check/disk-builder.ts";
import { type FakeLoad, startFakeLoad } from "./fake-load.ts";
import { diskOf, HOSTS, LINKS, type Wrongs } from "./fake-parts.ts";

export interface FakeRig extends Rig {
  /** Calls in their order, with what they were given. */
  readonly calls: readonly string[];
  readonly cutLinks: ReadonlyMap<string, string>;
  readonly slowLinks: ReadonlyMap<string, LinkDelay>;
}

const TAKEOVER = 200_000;
const REJOIN = 300_000;
const WRITE = 1_000;

class Bed implements FakeRig {
  readonly bed = "sim";
  readonly proxy = "none (fake)";
  readonly topology = { hosts: ["a", "b"], services: ["q1"], switches: ["s1"], links: LINKS };
  readonly calls: string[] = [];
  readonly cutLinks = new Map<string, string>();
  readonly slowLinks = new Map<string, LinkDelay>();
  readonly #log: RunEvent[] = [];
  readonly #exits: ProcessExit[] = [];
  readonly #wrongs: Wrongs;
  readonly #runDir: string;
  readonly #dead = new Set<string>();
  readonly #paused = new Set<string>();
  /** Hosts on their way back: when they began. */
  readonly #returning = new Map<string, Micros>();
  readonly #stopped = new Map<string, number>();
  readonly #delayed = new Map<string, number>();
  #load: FakeLoad | null = null;
  #active: string;
  #takeoverAt: Micros | null = null;
  #later: { readonly at: Micros; readonly act: () => void }[] = [];
  #now: Micros = 0;

  constructor(preferred: string, runDir: string, wrongs: Wrongs) {
    this.#wrongs = wrongs;
    this.#runDir = runDir;
    this.#active = preferred;
    for (const host of HOSTS) this.#say(`host ${host}`, "state", { derived: "duplex" });
    this.#announce(preferred);
  }

  now(): Micros {
    return this.#now;
  }

  async until(at: Micros): Promise<void> {
    await this.waitFor(() => false, at);
  }

  waitFor(condition: () => boolean, deadline: Micros): Promise<boolean> {
    for (;;) {
      if (condition()) return Promise.resolve(true);
      if (this.#now >= deadline) return Promise.resolve(false);
      this.#tick();
    }
  }

  hosts(): readonly HostView[] {
    const derived = this.#derived();
    return HOSTS.map((host) => {
      const alive = !this.#dead.has(host);
      const runs = alive && this.#active === host;
      return { host, alive, derived: alive ? derived : null, right: alive ? "open" : null, runs };
    });
  }

  #derived(): string {
    if (this.#wrongs.neverDuplex === true) return "starting";
    if (this.#wrongs.fallsApart === true && this.#now > 500_000) return "simplex";
    const isWhole = HOSTS.every((host) => !this.#dead.has(host) && !this.#returning.has(host));
    return isWhole && this.#paused.size === 0 ? "duplex" : "simplex";
  }

  resolve(target: TargetWord): string {
    if (target === "active") return this.#active;
    if (target === "standby") return this.#active === "a" ? "b" : "a";
    if (target === "random") return "b";
    if (target === "quorum") return "q1";
    if (["a", "b", "q1", "s1"].includes(target)) return target;
    throw new HarnessError("BAD_SCENARIO", `there is no process "${target}"`, { hint: "Use a." });
  }

  events(): readonly RunEvent[] {
    return this.#log;
  }

  report(what: string, fields: Readonly<Record<string, unknown>>): void {
    this.#say("harness", what, fields);
  }

  kill(...processes: readonly string[]): Promise<Micros> {
    this.calls.push(`kill ${processes.join(" ")}`);
    if (this.#wrongs.killThrows === true) {
      const error = new HarnessError("CONTROL_LOST", "it did not answer", { hint: "Look." });
      return Promise.reject(error);
    }
    if (this.#wrongs.killMisses === true) return Promise.resolve(this.#now);
    for (const process of processes) this.#end(process);
    return Promise.resolve(this.#now);
  }

  #end(process: string): void {
    if (this.#dead.has(process)) return;
    this.#dead.add(process);
    this.#paused.delete(process);
    this.#returning.delete(process);
    const exit = { process, status: null, signal: "SIGKILL", expected: true };
    this.#exits.push(exit);
    this.report("exit", exit);
    this.#leave(process);
  }

  /** The host serves no more; its peer goes on. */
  #leave(process: string): void {
    if (!HOSTS.includes(process) || this.#wrongs.noTakeover === true) return;
    if (process === this.#active) this.#takeoverAt = this.#now + TAKEOVER;
    else this.#goAlone(this.#active);
  }

  #goAlone(host: string): void {
    this.#say(`host ${host}`, "suspect", { why: "silence" });
    const page = { right: "sole", copy: "ahead", gen: "g2", n: 2, why: "T1" };
    this.#say(`host ${host}`, "page", page);
    this.#say(`host ${host}`, "state", { derived: "simplex" });
  }

  start(process: string): Promise<Micros> {
    this.calls.push(`start ${process}`);
    if (!this.#dead.delete(process)) return Promise.resolve(this.#now);
    if (HOSTS.includes(process)) this.#return(process);
    return Promise.resolve(this.#now);
  }

  #return(host: string): void {
    this.#returning.set(host, this.#now);
    if (this.#wrongs.bootsStale === true) {
      this.#say(`host ${host}`, "vm", { state: "booting", boot: "stale", why: "boot" });
    }
  }

  pause(process: string): Promise<Micros> {
    this.calls.push(`pause ${process}`);
    if (this.#wrongs.pauseMisses === true) return Promise.resolve(this.#now);
    this.#paused.add(process);
    this.#leave(process);
    return Promise.resolve(this.#now);
  }

  resume(process: string): Promise<void> {
    this.calls.push(`resume ${process}`);
    if (this.#paused.delete(process)) this.#return(process);
    return Promise.resolve();
  }

  isPaused(process: string): boolean {
    return this.#paused.has(process);
  }

  alive(process: string): boolean {
    return !this.#dead.has(process);
  }

  cut(links: readonly string[], kind: CutKind, direction: Direction): Promise<Micros> {
    this.calls.push(`cut ${links.join(" ")} ${kind} ${direction}`);
    for (const link of links) this.cutLinks.set(link, `${kind} ${direction}`);
    return Promise.resolve(this.#now);
  }

  mend(links: readonly string[]): Promise<void> {
    this.calls.push(`mend ${links.join(" ")}`);
    for (const link of links) this.cutLinks.delete(link);
    return Promise.resolve();
  }

  stopped(link: string): number {
    return this.#stopped.get(link) ?? 0;
  }

  delay(links: readonly string[], by: LinkDelay, direction: Direction): Promise<Micros> {
    this.calls.push(`delay ${links.join(" ")} ${direction}`);
    for (const link of links) this.slowLinks.set(link, by);
    return Promise.resolve(this.#now);
  }

  undelay(links: readonly string[]): Promise<void> {
    this.calls.push(`undelay ${links.join(" ")}`);
    for (const link of links) this.slowLinks.delete(link);
    return Promise.resolve();
  }

  delayed(link: string): number {
    return this.#delayed.get(link) ?? 0;
  }

  saveDisk(host: string): Promise<SavedDisk> {
    this.calls.push(`save ${host}`);
    return Promise.resolve({ host, at: this.#now });
  }

  readonly brokenDisks: BrokenDisks = {
    set: (host, fault) => {
      this.calls.push(`break ${host} ${JSON.stringify(fault)}`);
      return Promise.resolve(this.#now);
    },
    bitten: (host) => {
      const breaks = this.calls.filter((call) => call.startsWith(`break ${host}`)).length;
      return this.#wrongs.diskIdle === true ? 0 : breaks;
    },
  };

  replaceDisk(host: string, by: SavedDisk | null): Promise<number> {
    this.calls.push(`replace ${host} ${by === null ? "blank" : by.at}`);
    if (this.#wrongs.diskStuck === true) {
      return Promise.reject(new HarnessError("BAD_DISK", "it is stuck", { hint: "Pull." }));
    }
    return Promise.resolve(this.#wrongs.sameDisk === true ? 0 : 5);
  }

  operator(host: string, command: OperatorCommand): Promise<Micros> {
    const { op } = command;
    this.calls.push(`operator ${host} ${JSON.stringify(command)}`);
    const state = this.#wrongs.disobeys === true ? "refused" : "done";
    const answer = (said: string): void =>
      this.#say(`host ${host}`, "operator", { op, state: said, why: "as told" });
    const { answersAfterMs = 0 } = this.#wrongs;
    if (answersAfterMs === 0) answer(state);
    else {
      answer("accepted");
      this.#later.push({ at: this.#now + 1_000 * answersAfterMs, act: () => answer(state) });
    }
    return Promise.resolve(this.#now);
  }

  startWorkload({ seed }: WorkloadSpec): Promise<Workload> {
    this.calls.push("workload");
    const { losesWrite = false, idle = false } = this.#wrongs;
    const load = startFakeLoad({
      ...{ runDir: this.#runDir, seed, losesWrite, idle },
      now: () => this.#now,
      isServed: () => this.#isServed(),
      onFinish: () => this.calls.push("finish"),
    });
    this.#load = load;
    return Promise.resolve(load);
  }

  quiesce(): Promise<void> {
    this.calls.push("quiesce");
    return Promise.resolve();
  }

  release(): Promise<void> {
    this.calls.push("release");
    return Promise.resolve();
  }

  disks(): readonly DiskSource[] {
    this.calls.push("disks");
    const dead = HOSTS.some((host) => this.#dead.has(host));
    const written = { 3: 0x11 };
    const isLate = this.calls.filter((call) => call === "disks").length > 1;
    const { diverges = false, divergesLate = false } = this.#wrongs;
    const other = diverges || (divergesLate && isLate) ? { 3: 0x22 } : written;
    return [
      diskOf("a", buildDisk({ host: "a", written })),
      diskOf("b", buildDisk({ host: "b", written: other, ...(dead ? { copy: "in-sync" } : {}) })),
    ];
  }

  exits(): readonly ProcessExit[] {
    return this.#exits;
  }

  teardown(): Promise<readonly string[]> {
    this.calls.push("teardown");
    this.#load?.close();
    if (this.#wrongs.teardownThrows === true) return Promise.reject(new Error("teardown failed"));
    const { leaves } = this.#wrongs;
    return Promise.resolve(leaves === undefined ? [] : [leaves]);
  }

  #tick(): void {
    this.#now += WRITE;
    const isTight = (link: string): boolean => link !== this.#wrongs.leaksOn;
    for (const link of [...this.cutLinks.keys()].filter(isTight)) {
      this.#stopped.set(link, this.stopped(link) + 1);
    }
    for (const link of [...this.slowLinks.keys()].filter(isTight)) {
      this.#delayed.set(link, this.delayed(link) + 1);
    }
    if (this.#wrongs.neverRejoins !== true) this.#rejoin();
    for (const { at, act } of this.#later) if (at === this.#now) act();
    if (this.#takeoverAt !== null && this.#now >= this.#takeoverAt) this.#takeOver();
    if (this.#load === null) return;
    if (this.#wrongs.breaksRule === true && this.#now > 1_000_000) {
      throw Object.assign(new Error("a rule of the core"), { name: "InvariantViolation" });
    }
    this.#load.tick();
  }

  /** A third of the way after each 100 ms. */
  #rejoin(): void {
    for (const [host, since] of this.#returning) {
      const spent = this.#now - since;
      const isFull = this.#wrongs.copiesAll === true;
      const say = (state: string, percent: number): void =>
        this.#say(`host ${host}`, "resync", { state, percent, isFull });
      if (spent === REJOIN / 3) say("started", 0);
      if (spent === (2 * REJOIN) / 3) say("progress", 50);
      if (spent < REJOIN) continue;
      say("done", 100);
      this.#returning.delete(host);
      if (this.#derived() !== "duplex") continue;
      for (const one of HOSTS) this.#say(`host ${one}`, "state", { derived: "duplex" });
    }
  }

  #isServed(): boolean {
    return !this.#dead.has(this.#active) && !this.#paused.has(this.#active);
  }

  #takeOver(): void {
    const survivor = this.#active === "a" ? "b" : "a";
    this.#takeoverAt = null;
    if (this.#dead.has(survivor) || this.#isServed()) return;
    this.#goAlone(survivor);
    this.#active = survivor;
    this.#announce(survivor);
  }

  #announce(host: string): void {
    this.#say(`host ${host}`, "vm", { state: "announced", boot: `boot ${host}`, why: "boot" });
    const [firstAtUs, lastAtUs, maxIntakeAtUs] = [this.#now, this.#now, this.#now];
    const counts = { firstAtUs, lastAtUs, maxIntakeAtUs };
    const [gen, n] = this.#now === 0 ? ["g1", 1] : ["g2", 2];
    this.#say("switch s1", "outputs", { boot: `boot ${host}`, gen, n, host, ...counts });
  }

  #say(source: string, what: string, fields: Readonly<Record<string, unknown>>): void {
    this.#log.push({ ...fields, at: this.#now, source, what });
  }
}

export function createFakeRig(preferred: string, runDir: string, wrongs: Wrongs): FakeRig {
  return new Bed(preferred, runDir, wrongs);
}
