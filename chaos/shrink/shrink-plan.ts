/**
 * Reduces a plan that fails to a small one that fails for the same reason: fewer steps first, then plainer ones, a smaller cluster, less load, less time; again
 * until nothing helps. Pure but for the runs that it asks for.
 */
import { canonicalJson } from "../../harness/record/json.ts";
import type { Plan } from "../plan/plan.ts";
import { ddmin } from "./ddmin.ts";
import {
  keepSteps,
  shorterTimes,
  simplerLoads,
  simplerSteps,
  simplerTopologies,
  withStep,
} from "./simpler.ts";

/** A run that failed for the reason that is looked for. */
export interface Failure {
  /** When each step was taken, since the calm phase; null: it was not, before the run ended. Unit: milliseconds. */
  readonly takenAtMs: readonly (number | null)[];
}

export interface ShrinkOptions {
  /** Runs a plan. Null: it passes, or fails for another reason. */
  readonly fails: (plan: Plan) => Promise<Failure | null>;
  /** No run is begun any more. */
  readonly isOver: () => boolean;
  /** Called after each run. */
  readonly onTry: (state: ShrinkState) => void;
}

export interface ShrinkState {
  /** Steps of the smallest plan so far. */
  readonly steps: number;
  /** Runs so far. */
  readonly tries: number;
  readonly phase: "steps" | "fields" | "topology" | "load" | "time";
  /** The run failed, so its plan is the smallest one now. */
  readonly isSmaller: boolean;
}

export interface Shrunk {
  readonly plan: Plan;
  readonly tries: number;
  /** Nothing helps any more; false: time was over. */
  readonly isDone: boolean;
}

/** @param failure what the plan's own run came to: it is not run again */
export async function shrinkPlan(
  plan: Plan,
  failure: Failure,
  options: ShrinkOptions,
): Promise<Shrunk> {
  const shrinker = new Shrinker(plan, failure, options);
  await shrinker.run();
  const { tries } = shrinker;
  return { plan: shrinker.plan, tries, isDone: !options.isOver() };
}

class Shrinker {
  plan: Plan;
  tries = 0;
  #failure: Failure;
  #phase: ShrinkState["phase"] = "steps";
  readonly #options: ShrinkOptions;
  readonly #seen: Set<string>;

  constructor(plan: Plan, failure: Failure, options: ShrinkOptions) {
    this.plan = plan;
    this.#failure = failure;
    this.#options = options;
    this.#seen = new Set([canonicalJson(plan)]);
  }

  async run(): Promise<void> {
    for (let before: Plan | null = null; before !== this.plan && !this.#options.isOver(); ) {
      before = this.plan;
      await this.#dropSteps();
      this.#phase = "fields";
      for (let place = 0; place < this.plan.steps.length; place += 1) await this.#simplify(place);
      await this.#whileAny("topology", simplerTopologies);
      await this.#whileAny("load", simplerLoads);
      await this.#whileAny("time", shorterTimes);
    }
  }

  async #dropSteps(): Promise<void> {
    this.#phase = "steps";
    const { takenAtMs } = this.#failure;
    const taken = places(this.plan).filter((place) => takenAtMs[place] !== null);
    // What was not taken before the run failed cannot have been needed.
    if (taken.length < this.plan.steps.length) await this.#try(keepSteps(this.plan, taken));
    if (this.plan.steps.length > 0) await this.#try(keepSteps(this.plan, []));
    const base = this.plan;
    await ddmin(places(base), (part) => this.#try(keepSteps(base, part)));
  }

  async #simplify(place: number): Promise<void> {
    await this.#whileAny("fields", (plan) => {
      const step = plan.steps[place];
      if (step === undefined) return [];
      const taken = this.#failure.takenAtMs[place] ?? null;
      return simplerSteps(step, taken).map((simpler) => withStep(plan, place, simpler));
    });
  }

  /** Takes the first change that helps, and looks anew. */
  async #whileAny(
    phase: ShrinkState["phase"],
    proposals: (plan: Plan) => readonly Plan[],
  ): Promise<void> {
    this.#phase = phase;
    for (let hasHelped = true; hasHelped; ) {
      hasHelped = false;
      for (const proposal of proposals(this.plan)) {
        hasHelped = await this.#try(proposal);
        if (hasHelped) break;
      }
    }
  }

  /** True: it fails, and is the smallest plan now. Equal plans are equal runs: none is made twice. */
  async #try(plan: Plan): Promise<boolean> {
    const { fails, isOver, onTry } = this.#options;
    const key = canonicalJson(plan);
    if (this.#seen.has(key) || isOver()) return false;
    this.#seen.add(key);
    const failure = await fails(plan);
    this.tries += 1;
    if (failure !== null) {
      this.plan = plan;
      this.#failure = failure;
    }
    const steps = this.plan.steps.length;
    const isSmaller = failure !== null;
    onTry({ steps, tries: this.tries, phase: this.#phase, isSmaller });
    return isSmaller;
  }
}

function places(plan: Plan): readonly number[] {
  return plan.steps.map((_, place) => place);
}
