/** Takes the steps of a plan in their order and heals each fault when its time has come, while other steps wait for theirs. */
import { HarnessError } from "../harness/errors.ts";
import type { Micros } from "../harness/record/types.ts";
import type { Rig, SavedDisk, Workload } from "../harness/rig/rig.ts";
import type { ActiveFault, Proof } from "./faults/fault.ts";
import { inject } from "./faults/registry.ts";
import { commandHost } from "./operate.ts";
import type { Plan } from "./plan/plan.ts";
import { isFaultStep, nameOfStep, type PlanStep } from "./plan/steps.ts";
import { EXCHANGE_WAIT_US, hasMet, isDuplex, isExchange, SETTLED_US } from "./swarm/atlas.ts";
import { createCondition } from "./waits.ts";

const WRITE_DEADLINE_US = 2_000_000;
/** A random plan goes on when what a step waits for does not come. Unit: microseconds. */
const SWARM_WAIT_US = 2_000_000;

/** A step that was taken: a fault that was injected, or a command that was given. */
export interface InjectedFault {
  readonly step: PlanStep;
  readonly target: string;
  readonly at: Micros;
  /** Null until the fault is healed or the timeline ends. */
  readonly proof: Proof | null;
}

/** A step that waited in vain; neither it nor any later one was taken. */
export interface MissedStep {
  /** From 1. */
  readonly number: number;
  readonly step: PlanStep;
}

export interface Timeline {
  /**
   * Takes every step and performs the heals that have an instant. Resolves after the last of both, and when every command was answered. A pair that is not as the plan takes
   * it to be when the first fault is due is left alone: what it would do then says nothing about the plan.
   */
  run(workload: Workload, isAsPlanned: () => boolean): Promise<void>;
  /** Heals whatever is not healed. Safe at any time and any number of times. */
  healAll(): Promise<void>;
  injected(): readonly InjectedFault[];
  missed(): MissedStep | null;
}

interface Due {
  readonly at: Micros;
  readonly act: () => Promise<void>;
}

interface Active extends InjectedFault {
  /** Of the step, from 1. */
  readonly number: number;
  readonly fault: ActiveFault;
  /** What is still to be healed at an instant of its own, in order. */
  due: Due[];
  proof: Proof | null;
  isHealed: boolean;
}

export type TimelinePlan = Pick<Plan, "steps" | "topology" | "deadlineMs" | "swarm">;

export function createTimeline(
  rig: Rig,
  plan: TimelinePlan,
  onProgress: (line: string) => void,
): Timeline {
  return new Steps(rig, plan, onProgress);
}

class Steps implements Timeline {
  readonly #rig: Rig;
  readonly #plan: TimelinePlan;
  readonly #onProgress: (line: string) => void;
  readonly #active: Active[] = [];
  /** By the number of the step before which they were taken; 0: in the calm phase. */
  readonly #images = new Map<number, readonly SavedDisk[]>();
  #missed: MissedStep | null = null;

  constructor(rig: Rig, plan: TimelinePlan, onProgress: (line: string) => void) {
    this.#rig = rig;
    this.#plan = plan;
    this.#onProgress = onProgress;
  }

  async run(workload: Workload, isAsPlanned: () => boolean): Promise<void> {
    const start = this.#rig.now();
    await this.#saveImages(0);
    for (const [index, step] of this.#plan.steps.entries()) {
      const number = index + 1;
      if (!(await this.#reach(step, start))) {
        if (this.#passOver(step, number, "what it waits for did not come")) continue;
        this.#missed = { number, step };
        const after = step.when?.after ?? null;
        this.#rig.report("not-reached", { step: number, name: nameOfStep(step), after });
        break;
      }
      if (isFaultStep(step) && step.intoWriteUs !== null) {
        await this.#intoWrite(step.intoWriteUs, workload);
      }
      if (index === 0 && !isAsPlanned()) return;
      await this.#saveImages(number);
      if (this.#plan.swarm && isExchange(step)) await this.#exchangeAlone(step, number);
      else await this.#take(step, number);
    }
    await this.#untilHealed();
    const isSettled = (): boolean => this.#active.every(({ fault }) => fault.isSettled?.() ?? true);
    await this.#advance(isSettled, this.#rig.now() + this.#patienceUs());
  }

  /** Every heal that has an instant of its own. */
  async #untilHealed(): Promise<void> {
    const isWhole = (): boolean => this.#active.every(({ due }) => due.length === 0);
    while (!isWhole()) await this.#advance(isWhole, this.#nextDue() ?? this.#rig.now());
  }

  /** How long anything is waited for. Unit: microseconds. */
  #patienceUs(): Micros {
    return this.#plan.swarm ? SWARM_WAIT_US : this.#plan.deadlineMs * 1_000;
  }

  /** False: the plan is no random one, and needs all its steps. */
  #passOver(step: PlanStep, number: number, why: string): boolean {
    if (!this.#plan.swarm) return false;
    this.#rig.report("passed-over", { step: number, name: nameOfStep(step), why });
    return true;
  }

  /** Duplex, and nothing on its way to anything else: a host whose peer ends amid a change of rights may have given up its own. */
  async #isSettled(deadline: Micros): Promise<boolean> {
    const rig = this.#rig;
    while (await this.#advance(() => isDuplex(rig), deadline)) {
      if (!(await this.#advance(() => !isDuplex(rig), rig.now() + SETTLED_US))) return true;
    }
    return false;
  }

  /** A copy is taken away only while the other one is known to be good, and what came in its place is known to its peer before anything else breaks. */
  async #exchangeAlone(step: PlanStep, number: number): Promise<void> {
    const rig = this.#rig;
    await this.healAll();
    if (!(await this.#isSettled(rig.now() + EXCHANGE_WAIT_US))) {
      this.#passOver(step, number, "it would take away the last good copy");
      return;
    }
    await this.#take(step, number);
    await this.#untilHealed();
    const host = this.#active.at(-1)?.target ?? "";
    await this.#advance(() => hasMet(rig, host), rig.now() + EXCHANGE_WAIT_US);
  }

  async healAll(): Promise<void> {
    for (const entry of this.#active) await this.#heal(entry);
  }

  injected(): readonly InjectedFault[] {
    return this.#active;
  }

  missed(): MissedStep | null {
    return this.#missed;
  }

  async #take(step: PlanStep, number: number): Promise<void> {
    const rig = this.#rig;
    let fault: ActiveFault;
    try {
      fault = await this.#begin(step);
    } catch (error: unknown) {
      const isNothing = error instanceof HarnessError && error.code === "BAD_SCENARIO";
      if (isNothing && this.#passOver(step, number, error.message)) return;
      throw error;
    }
    const { target, at, parts = [], healAfterMs = null } = fault;
    const entry: Active = {
      step,
      number,
      target,
      at,
      fault,
      due: [],
      proof: null,
      isHealed: false,
    };
    const lastMs = healAfterMs ?? (isFaultStep(step) ? step.forMs : null);
    entry.due = parts.map((part) => ({ at: at + part.afterMs * 1_000, act: () => part.heal() }));
    if (lastMs !== null) {
      entry.due.push({ at: at + lastMs * 1_000, act: () => this.#heal(entry) });
    }
    this.#active.push(entry);
    const named = { fault: nameOfStep(step), target, step: number };
    rig.report("fault", { ...named, state: "injected", atInjectUs: at });
    this.#onProgress(`${nameOfStep(step)} of ${target}`);
  }

  #begin(step: PlanStep): Promise<ActiveFault> {
    const rig = this.#rig;
    if (!isFaultStep(step)) return commandHost({ ...step, on: this.#resolve(step.on) }, rig);
    const when = step.fault === "old-disk" && step.image !== "calm" ? step.image : 0;
    const context = { images: this.#images.get(when) ?? [] };
    return step.fault === "cut-power"
      ? inject(step, rig, context)
      : inject({ ...step, on: this.#resolve(step.on) }, rig, context);
  }

  /** `same` and `other` look back at the host that a step hit last; every other word is the rig's. */
  #resolve(on: string): string {
    if (on !== "same" && on !== "other") return on;
    const { hosts } = this.#rig.topology;
    const last = this.#active.findLast(({ target }) => hosts.includes(target))?.target;
    if (last === undefined) return on;
    return on === "same" ? last : (hosts.find((host) => host !== last) ?? on);
  }

  async #saveImages(number: number): Promise<void> {
    const isWanted = this.#plan.steps.some((step) => {
      if (!isFaultStep(step) || step.fault !== "old-disk") return false;
      return (step.image === "calm" ? 0 : step.image) === number;
    });
    if (!isWanted) return;
    const images: SavedDisk[] = [];
    for (const { host, right } of this.#rig.hosts()) {
      // Of a host that was alone: nobody but an operator may say what it is worth later.
      if (this.#plan.swarm && right === "sole") continue;
      images.push(await this.#rig.saveDisk(host));
    }
    this.#images.set(number, images);
  }

  async #heal(entry: Active): Promise<void> {
    if (entry.isHealed) return;
    entry.isHealed = true;
    entry.due = [];
    const proof = entry.fault.proof();
    entry.proof = proof;
    const { target, at, step, number } = entry;
    const named = { fault: nameOfStep(step), target, step: number, atInjectUs: at };
    this.#rig.report("proof", { ...named, hasBitten: proof.hasBitten, why: proof.why });
    await entry.fault.heal();
    this.#rig.report("fault", { ...named, state: "healed" });
  }

  #nextDue(): Micros | null {
    const instants = this.#active.flatMap(({ due }) => due.map(({ at }) => at));
    return instants.length === 0 ? null : Math.min(...instants);
  }

  /** False when the deadline came first; heals that fall due meanwhile are done at their instants. */
  async #advance(condition: () => boolean, deadline: Micros): Promise<boolean> {
    const rig = this.#rig;
    for (;;) {
      const first = this.#nextDue() ?? Number.POSITIVE_INFINITY;
      const until = Math.min(deadline, first);
      if (await rig.waitFor(condition, until)) return true;
      // A simulated bed stands still once a rule was broken: no instant will come any more.
      if (rig.now() < until) {
        for (const entry of this.#active) entry.due = [];
        return false;
      }
      for (const entry of this.#active) {
        const next = entry.due[0];
        if (next === undefined || next.at > rig.now()) continue;
        entry.due = entry.due.slice(1);
        await next.act();
      }
      if (deadline < first) return false;
      if (deadline === first) return condition();
    }
  }

  /** False when what the step waits for did not come within the plan's deadline. */
  async #reach(step: PlanStep, start: Micros): Promise<boolean> {
    const { atMs, when } = step;
    if (atMs !== null) await this.#advance(() => false, start + atMs * 1_000);
    if (when === null) return true;
    const active = this.#active;
    const condition = createCondition(when, {
      rig: this.#rig,
      topology: this.#plan.topology,
      since: active.at(-1)?.at ?? start,
      stepBefore: active.length,
      isInjected: (number) => number <= active.length,
      isHealed: (number) => active[number - 1]?.isHealed ?? false,
    });
    const deadline = this.#rig.now() + this.#patienceUs();
    if (!(await this.#advance(condition, deadline))) return false;
    if (when.plusMs > 0) await this.#advance(() => false, this.#rig.now() + when.plusMs * 1_000);
    return true;
  }

  /**
   * Waits for a write that has begun, then into it. A write that is over by then was shorter than the draw: the next one is hit half as far
   * in, so that short ones are hit at all.
   */
  async #intoWrite(intoUs: Micros, workload: Workload): Promise<void> {
    const deadline = this.#rig.now() + WRITE_DEADLINE_US;
    const isUnderWay = (): boolean => workload.inFlightWrites() > 0;
    for (let wait = intoUs; this.#rig.now() < deadline; wait = Math.floor(wait / 2)) {
      if (!(await this.#advance(isUnderWay, deadline))) return;
      if (wait > 0) await this.#advance(() => false, this.#rig.now() + wait);
      if (isUnderWay()) return;
    }
  }
}
