import { invariant } from "../../node/core/invariant.ts";
import { HarnessError } from "../errors.ts";
import { waitForEnd } from "../process/child.ts";
import type { Micros, RunEvent } from "../record/types.ts";
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
import { forkRandom, type Random } from "../workload/forked-random.ts";
import type { LinkPlan } from "./address-plan.ts";
import { type CutWatch, watchCut } from "./cut-watch.ts";
import { openFileDisk } from "./file-disk.ts";
import { proxyNameOf } from "./link-names.ts";
import { probeLink } from "./link-probe.ts";
import type { LocalRun } from "./local-run.ts";
import { startWorkloadProcess } from "./workload-process.ts";

/** Longest time between two looks at a condition that no event announces. */
const POLL_MS = 5;
const KILL_DEADLINE_MS = 2_000;
const QUIESCE_DEADLINE_MS = 5_000;
/** Ten round trips through a proxy take 5 ms. */
const SILENT_AFTER_MS = 200;

interface LinkState {
  readonly plan: LinkPlan;
  /** It let a probe through when it was last seen whole: silence then proves a cut. */
  answered: boolean;
  watch: CutWatch | null;
  /** Of watches that have ended. */
  stopped: number;
}

/** The bed of real processes behind the interface that faults and runner know. */
export class LocalRig implements Rig {
  readonly bed = "local";
  readonly topology: Topology;
  readonly proxy: string;
  readonly #run: LocalRun;
  readonly #links: ReadonlyMap<string, LinkState>;
  readonly #random: Random;
  #workloads = 0;

  constructor(run: LocalRun) {
    this.#run = run;
    this.topology = run.plan.topology;
    this.proxy = run.proxyName;
    this.#links = new Map(
      run.plan.links.map((plan) => [plan.id, { plan, answered: false, watch: null, stopped: 0 }]),
    );
    this.#random = forkRandom(run.spec.seed, "targets");
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
        return this.#known(hosts[this.#random.below(hosts.length)], target);
      default:
        return this.#run.child(target).name;
    }
  }

  events(): readonly RunEvent[] {
    return this.#run.log.events;
  }

  report(what: string, fields: Readonly<Record<string, unknown>>): void {
    this.#run.report(what, fields);
  }

  async kill(process: string): Promise<Micros> {
    const child = this.#run.child(process);
    const at = this.now();
    child.kill();
    if (await waitForEnd(child, KILL_DEADLINE_MS)) return at;
    const message = `${process} (${child.pid}) lives ${KILL_DEADLINE_MS} ms after SIGKILL`;
    throw new HarnessError("LEFTOVERS", message, {
      hint: "Look for a process in state D: its disk does not answer.",
    });
  }

  alive(process: string): boolean {
    return this.#run.child(process).exit() === null;
  }

  async cut(links: readonly string[], kind: CutKind, direction: Direction): Promise<Micros> {
    this.#run.throwIfBroken();
    if (kind === "refuse" && direction !== "both") {
      throw new HarnessError("BAD_SCENARIO", `a refused link has no direction: ${direction}`, {
        hint: 'Cut "both", or use "blackhole" or "jam".',
      });
    }
    const states = links.map((id) => this.#link(id));
    await Promise.all(states.map((state) => this.#probeWhole(state)));
    const at = this.now();
    await Promise.all(
      states.map(({ plan }) => this.#run.proxy.links.cut(proxyNameOf(plan), kind, direction)),
    );
    for (const state of states) {
      endWatch(state);
      if (!state.answered && kind !== "refuse") continue;
      state.watch = watchCut(
        state.plan.listen,
        { kind, direction },
        {
          silentAfterMs: this.#silentAfterMs(),
          onStopped: () => this.#run.log.wake(),
        },
      );
    }
    return at;
  }

  async mend(links: readonly string[]): Promise<void> {
    const states = links.map((id) => this.#link(id));
    for (const state of states) endWatch(state);
    await Promise.all(states.map(({ plan }) => this.#run.proxy.links.mend(proxyNameOf(plan))));
  }

  stopped(link: string): number {
    const { stopped, watch } = this.#link(link);
    return stopped + (watch?.stopped() ?? 0);
  }

  async startWorkload(spec: WorkloadSpec): Promise<Workload> {
    this.#run.throwIfBroken();
    this.#workloads += 1;
    invariant(this.#workloads === 1, "a run has one workload: it has one history");
    const [target] = this.#run.plan.clients.values();
    invariant(target !== undefined, "a VM has an address towards clients");
    const { env, runDir, clock, scenario } = this.#run;
    return startWorkloadProcess({
      command: this.#run.commandOf("workload"),
      env,
      spec,
      target,
      runDir,
      clock,
      scenario,
      seed: this.#run.spec.seed,
      onSpawn: (child) => this.#run.adopt(child),
      onChange: () => this.#run.log.wake(),
    });
  }

  async quiesce(): Promise<void> {
    this.#run.throwIfBroken();
    const { hosts, services, switches } = this.topology;
    // Hosts first: what they still have to say to the others is then said.
    for (const group of [hosts, [...services, ...switches]]) {
      const alive = group.filter((name) => this.alive(name));
      await Promise.all(alive.map((name) => this.#run.quiesce(name, QUIESCE_DEADLINE_MS)));
    }
  }

  disks(): readonly DiskSource[] {
    return [...this.#run.files.disks].map(([host, path]) => openFileDisk(host, path));
  }

  exits(): readonly ProcessExit[] {
    return this.#run.exits;
  }

  teardown(): Promise<readonly string[]> {
    for (const state of this.#links.values()) endWatch(state);
    return this.#run.teardown();
  }

  #active(): string {
    return this.#known(this.#run.views.active((host) => this.alive(host)) ?? undefined, "active");
  }

  #known(name: string | undefined, target: TargetWord): string {
    if (name !== undefined) return name;
    throw new HarnessError("BAD_SCENARIO", `there is no "${target}" now`, {
      hint: "Let the plan wait until the VM runs, and name only what its topology has.",
    });
  }

  #link(id: string): LinkState {
    const state = this.#links.get(id);
    if (state !== undefined) return state;
    const names = [...this.#links.keys()].join(", ");
    throw new HarnessError("BAD_SCENARIO", `there is no link "${id}"`, { hint: `Use ${names}.` });
  }

  /** A link that is cut already keeps what was seen before its cut. */
  async #probeWhole(state: LinkState): Promise<void> {
    if (state.watch !== null) return;
    state.answered = (await probeLink(state.plan.listen, this.#silentAfterMs())) === "answered";
  }

  /** Connection, question and answer: three one-way trips, and the slack of a loaded machine. */
  #silentAfterMs(): number {
    return SILENT_AFTER_MS + 6 * this.#run.spec.linkDelayMs;
  }
}

function endWatch(state: LinkState): void {
  state.watch?.stop();
  state.stopped += state.watch?.stopped() ?? 0;
  state.watch = null;
}
