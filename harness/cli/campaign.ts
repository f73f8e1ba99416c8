/** What a campaign came to so far, in a file, so that it can be stopped and gone on with at any time. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { type CampaignFailure, type CampaignState, readCampaign } from "../record/campaign-file.ts";
import { writeDocument } from "../record/writer.ts";
import { LISTED_MARKS } from "../sim/marks.ts";
import type { SeedResult } from "./batch.ts";
import { UsageError } from "./failure.ts";
import type { SeedRange } from "./values.ts";

export class Campaign {
  readonly #file: string;
  readonly #began = performance.now();
  readonly #tookBefore: number;
  readonly #running = new Set<number>();
  #state: CampaignState;
  #nextToTake: number;

  private constructor(file: string, state: CampaignState) {
    this.#file = file;
    this.#state = state;
    this.#tookBefore = state.tookMs;
    this.#nextToTake = state.next;
  }

  /** @throws UsageError when it is to be resumed and there is nothing of the same program and seeds */
  static open(of: {
    readonly file: string;
    readonly profile: string;
    readonly seeds: SeedRange;
    readonly commit: string;
    readonly isResumed: boolean;
  }): Campaign {
    const { file, profile, seeds, commit } = of;
    const { first, last } = seeds;
    if (of.isResumed) return new Campaign(file, readState(file, commit));
    mkdirSync(dirname(file), { recursive: true });
    return new Campaign(file, {
      ...{ schema: 1, profile, commit, first, last, done: 0, next: first, early: [], failures: [] },
      ...{ marks: {}, simulatedUs: 0, steps: 0, busyMs: 0, tookMs: 0 },
    });
  }

  /** Seeds that are not through. */
  left(): number {
    const { first, last, done } = this.#state;
    return Math.max(1, last - first + 1 - done);
  }

  /** The next seed that nobody runs; null: there is none. */
  take(): number | null {
    const { last, early } = this.#state;
    while (early.includes(this.#nextToTake)) this.#nextToTake += 1;
    if (this.#nextToTake > last) return null;
    const seed = this.#nextToTake;
    this.#nextToTake += 1;
    this.#running.add(seed);
    return seed;
  }

  /** @returns what is to be told at once; null: it passed */
  add(
    seed: number,
    { verdict, folder, covered }: SeedResult,
    busyMs: number,
  ): CampaignFailure | null {
    this.#running.delete(seed);
    const state = this.#state;
    const marks = { ...state.marks };
    for (const [mark, times] of Object.entries(covered.marks)) {
      marks[mark] = (marks[mark] ?? 0) + times;
    }
    const failure = failureOf(seed, verdict, folder);
    const failures = [...state.failures, ...(failure === null ? [] : [failure])].sort(
      (left, right) => left.seed - right.seed,
    );
    this.#state = {
      ...state,
      ...{ marks, failures, done: state.done + 1 },
      ...advance(state, seed),
      simulatedUs: state.simulatedUs + covered.us,
      steps: state.steps + covered.steps,
      busyMs: state.busyMs + busyMs,
    };
    return failure;
  }

  state(): CampaignState {
    return { ...this.#state, tookMs: this.#tookBefore + performance.now() - this.#began };
  }

  /** @throws HarnessError RUN_FOLDER */
  save(): void {
    writeDocument(this.#file, this.state(), false);
  }

  /** One line: seeds, speed, simulated time, coverage, failures. */
  progress(): string {
    const { done, first, last, simulatedUs, marks, failures, tookMs } = this.state();
    const reached = LISTED_MARKS.filter((mark) => (marks[mark] ?? 0) > 0).length;
    const hours = (simulatedUs / 3_600e6).toFixed(1);
    const pace = (done / Math.max(0.001, tookMs / 1_000)).toFixed(1);
    const failed = failures.filter(({ verdict }) => verdict === "fail").length;
    return `${done} of ${last - first + 1} seeds, ${pace}/s, ${hours} simulated h, ${reached} of ${LISTED_MARKS.length} marks, ${failed} failed`;
  }
}

function advance(state: CampaignState, seed: number): Pick<CampaignState, "next" | "early"> {
  const early = new Set([...state.early, seed]);
  let { next } = state;
  while (early.delete(next)) next += 1;
  return { next, early: [...early] };
}

function failureOf(
  seed: number,
  { verdict, checks, broken, replay }: SeedResult["verdict"],
  record: string,
): CampaignFailure | null {
  if (verdict === "pass") return null;
  const bad = checks.filter((check) => check.verdict !== "pass");
  const why = bad.map((check) => `${check.name}: ${check.why}`);
  if (broken !== null) why.unshift(`${broken.code}: ${broken.message}`);
  return { seed, verdict, checks: bad.map(({ name }) => name), why, replay, record };
}

function readState(file: string, commit: string): CampaignState {
  const state = readCampaign(file);
  const hint = "Leave --resume out to begin anew.";
  if (state === null) throw new UsageError(`there is no campaign to resume in ${file}`, hint);
  if (state.commit === commit) return state;
  throw new UsageError(`the campaign in ${file} is of commit ${state.commit}`, hint);
}
