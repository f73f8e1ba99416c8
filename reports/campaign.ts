/** What a campaign of random plans came to. */
import type { CampaignFailure, CampaignState } from "../harness/record/campaign-file.ts";
import { RECORD_SCHEMA, type Verdict } from "../harness/record/types.ts";
import { painter, type Screen, wrap } from "./screen.ts";

/** What `sim --json` prints. */
export interface CampaignSummary {
  readonly schema: number;
  readonly verdict: Verdict;
  readonly profile: string;
  readonly commit: string;
  readonly first: number;
  readonly last: number;
  /** Seeds that are through. */
  readonly seeds: number;
  /** The system under test did wrong. */
  readonly failures: readonly CampaignFailure[];
  /** The rig failed: nothing is known of the system. */
  readonly broken: readonly CampaignFailure[];
  /** A checker saw too little. */
  readonly unknown: readonly CampaignFailure[];
  /** Times that each listed rare branch was reached; 0: never. */
  readonly marks: Readonly<Record<string, number>>;
  /** Listed rare branches that no seed reached. */
  readonly marksMissed: readonly string[];
  readonly speed: {
    readonly jobs: number;
    /** Over all parts of the campaign. */
    readonly tookSeconds: number;
    readonly seedsPerSecond: number;
    readonly simulatedHours: number;
    /** Simulated time of a run ÷ the time that its thread took, checkers included. */
    readonly timesRealTimePerThread: number;
    readonly stepsPerSecondPerThread: number;
  };
}

/** From so many seeds on a listed mark that was never reached makes the campaign `unknown`. */
const SEEDS_FOR_MARKS = 2_000;
const SHOWN_MAX = 5;

export function summarizeCampaign(
  state: CampaignState,
  by: {
    readonly listed: readonly string[];
    readonly jobs: number;
    readonly requireMarks: boolean;
  },
): CampaignSummary {
  const { profile, commit, first, last, done, failures, simulatedUs, steps, busyMs, tookMs } =
    state;
  const of = (verdict: Verdict): readonly CampaignFailure[] =>
    failures.filter((failure) => failure.verdict === verdict);
  const marks = Object.fromEntries(by.listed.map((mark) => [mark, state.marks[mark] ?? 0]));
  const marksMissed = by.listed.filter((mark) => marks[mark] === 0);
  const mustReachAll = by.requireMarks || (done >= SEEDS_FOR_MARKS && profile === "everything");
  const isUncovered = mustReachAll && marksMissed.length > 0;
  const [failed, broken, unknown] = [of("fail"), of("broken"), of("unknown")];
  const isUnknown = unknown.length > 0 || isUncovered || done === 0;
  return {
    schema: RECORD_SCHEMA,
    verdict:
      failed.length > 0 ? "fail" : broken.length > 0 ? "broken" : isUnknown ? "unknown" : "pass",
    ...{ profile, commit, first, last, seeds: done },
    ...{ failures: failed, broken, unknown, marks, marksMissed },
    speed: {
      jobs: by.jobs,
      tookSeconds: rounded(tookMs / 1_000),
      seedsPerSecond: rounded(done / Math.max(1e-3, tookMs / 1_000)),
      simulatedHours: rounded(simulatedUs / 3_600e6),
      timesRealTimePerThread: rounded(simulatedUs / 1_000 / Math.max(1e-3, busyMs)),
      stepsPerSecondPerThread: Math.round(steps / Math.max(1e-6, busyMs / 1_000)),
    },
  };
}

/** @returns lines, each ended by `\n` */
export function renderCampaign(summary: CampaignSummary, screen: Screen): string {
  const paint = painter(screen);
  const { verdict, profile, seeds, first, last, speed, marks, marksMissed } = summary;
  const { failures, broken, unknown } = summary;
  const colour = verdict === "pass" ? "green" : verdict === "unknown" ? "yellow" : "red";
  const word = paint(colour, paint("bold", verdict.toUpperCase()));
  const bad = [...failures, ...broken, ...unknown];
  const row = (label: string, text: string): readonly string[] =>
    wrap(text, Math.max(20, screen.width - LABEL)).map(
      (line, index) => `  ${(index === 0 ? label : "").padEnd(LABEL - 2)}${line}`,
    );
  const listed = Object.keys(marks).length;
  const lines = [
    `${word}  swarm/${profile}, bed sim: ${seeds} of ${last - first + 1} seeds`,
    "",
    ...row("seeds", `${failures.length} fail, ${broken.length} broken, ${unknown.length} unknown`),
    ...row(
      "speed",
      `${speed.seedsPerSecond} seeds/s with ${speed.jobs} threads; ${speed.timesRealTimePerThread} × real time and ${speed.stepsPerSecondPerThread} steps/s a thread`,
    ),
    ...row("simulated", `${speed.simulatedHours} h in ${speed.tookSeconds} s`),
    ...row("marks", `${listed - marksMissed.length} of ${listed} rare branches reached`),
    ...(marksMissed.length === 0 ? [] : row("missed", marksMissed.join(", "))),
    ...row("commit", summary.commit),
    ...bad
      .slice(0, SHOWN_MAX)
      .flatMap((failure) => [
        "",
        ...wrap(
          `  seed ${failure.seed} ${failure.verdict}: ${failure.why.join("; ")}`,
          screen.width,
        ),
        `  ${failure.replay}`,
        `  ${failure.record}`,
      ]),
    ...(bad.length > SHOWN_MAX
      ? ["", `  and ${bad.length - SHOWN_MAX} more that did not pass`]
      : []),
  ];
  return `${lines.join("\n")}\n`;
}

const LABEL = 13;

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
