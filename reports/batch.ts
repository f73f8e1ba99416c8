/** What many runs of one scenario come to. */
import { type Summary, summarize } from "../harness/check/stats.ts";
import {
  RECORD_SCHEMA,
  type Recovery,
  type Stages,
  type Verdict,
  type VerdictDocument,
} from "../harness/record/types.ts";
import { painter, type Screen, wrap } from "./screen.ts";

export interface BatchResult {
  readonly verdict: VerdictDocument;
  /** Path of the run's folder. */
  readonly record: string;
}

/** What `run --seeds --json` prints. Spans in milliseconds; percentiles are nearest-rank. */
export interface BatchSummary {
  readonly schema: number;
  readonly scenario: string;
  readonly bed: string;
  readonly commit: string;
  readonly proxy: string;
  readonly verdict: Verdict;
  readonly n: number;
  readonly counts: Readonly<Record<Verdict, number>>;
  /** A span whose resolution is too bad counts as itself plus its resolution. */
  readonly interruptionMs: Summary;
  /** Interruptions whose resolution made them unknown. */
  readonly coarse: number;
  readonly stages: Readonly<Record<keyof Stages, Summary>>;
  readonly lost: number;
  readonly silentBlocks: number;
  readonly results: readonly {
    readonly seed: number;
    readonly verdict: Verdict;
    readonly interruptionMs: readonly (number | null)[];
    /** Names of the checks that did not pass, with what they found. */
    readonly why: readonly string[];
    readonly replay: string;
    readonly record: string;
  }[];
}

const WORST_FIRST = ["fail", "broken", "unknown", "pass"] as const satisfies readonly Verdict[];
const SHOWN_MAX = 5;

export function summarizeBatch(results: readonly BatchResult[]): BatchSummary {
  const verdicts = results.map(({ verdict }) => verdict);
  const [first] = verdicts;
  const counts = { pass: 0, fail: 0, unknown: 0, broken: 0 };
  for (const { verdict } of verdicts) counts[verdict] += 1;
  const recovery = verdicts.flatMap((verdict) => verdict.recovery);
  const stage = (name: keyof Stages): Summary =>
    summarize(recovery.flatMap(({ stages }) => stages[name] ?? []));
  return {
    schema: RECORD_SCHEMA,
    scenario: first?.scenario ?? "",
    bed: first?.bed ?? "",
    commit: first?.commit ?? "",
    proxy: first?.proxy ?? "",
    // Nothing that ran shows nothing.
    verdict: WORST_FIRST.find((word) => counts[word] > 0) ?? "unknown",
    n: results.length,
    counts,
    interruptionMs: summarize(recovery.flatMap(countedSpan)),
    coarse: recovery.filter((entry) => entry.interruptionMs === null).length,
    stages: {
      detectMs: stage("detectMs"),
      arbitrateMs: stage("arbitrateMs"),
      startMs: stage("startMs"),
      serveMs: stage("serveMs"),
    },
    lost: sum(verdicts.map(({ lost }) => lost.acknowledged)),
    silentBlocks: sum(verdicts.map(({ divergence }) => divergence.silentBlocks)),
    results: results.map(describeRun),
  };
}

/** @returns lines, each ended by `\n` */
export function renderBatch(summary: BatchSummary, screen: Screen): string {
  const paint = painter(screen);
  const { n, counts, scenario, bed, verdict, results } = summary;
  const colour = verdict === "pass" ? "green" : verdict === "unknown" ? "yellow" : "red";
  const word = paint(colour, paint("bold", verdict.toUpperCase()));
  const numbers = WORST_FIRST.map((name) => `${counts[name]} ${name}`).join(", ");
  const bad = results.filter((run) => run.verdict !== "pass");
  const lines = [
    `${word}  ${scenario}, bed ${bed}: n = ${n}: ${numbers}`,
    "",
    `  ms                         n      p50      p95      max`,
    tableRow("interruption", summary.interruptionMs),
    tableRow("  detect", summary.stages.detectMs),
    tableRow("  arbitrate", summary.stages.arbitrateMs),
    tableRow("  guest boot, this guest", summary.stages.startMs),
    tableRow("  serve", summary.stages.serveMs),
    "",
    `  lost ${summary.lost} acknowledged writes, ${summary.silentBlocks} blocks diverged silently (n = ${n})`,
    `  ${summary.coarse} interruptions unknown: no return, or the client was late too often`,
    `  proxy ${summary.proxy}, commit ${summary.commit}`,
    ...bad
      .slice(0, SHOWN_MAX)
      .flatMap((run) => [
        "",
        ...wrap(`  seed ${run.seed} ${run.verdict}: ${run.why.join("; ")}`, screen.width),
        `  ${run.replay}`,
        `  ${run.record}`,
      ]),
    ...(bad.length > SHOWN_MAX
      ? ["", `  and ${bad.length - SHOWN_MAX} more that did not pass`]
      : []),
  ];
  return `${lines.join("\n")}\n`;
}

function describeRun({ verdict, record }: BatchResult): BatchSummary["results"][number] {
  const { seed, recovery, checks, broken, replay } = verdict;
  const why = checks
    .filter((check) => check.verdict !== "pass")
    .map((check) => `${check.name}: ${check.why}`);
  return {
    seed,
    verdict: verdict.verdict,
    interruptionMs: recovery.map(({ interruptionMs }) => interruptionMs),
    why: broken === null ? why : [`${broken.code}: ${broken.message}`],
    replay,
    record,
  };
}

function countedSpan({ interruptionMs, measuredMs, resolutionMs }: Recovery): readonly number[] {
  if (interruptionMs !== null) return [interruptionMs];
  return measuredMs === null ? [] : [measuredMs + (resolutionMs ?? 0)];
}

function tableRow(label: string, { n, p50, p95, max }: Summary): string {
  const cell = (value: number | null): string =>
    (value === null ? "unknown" : value.toFixed(1)).padStart(9);
  return `  ${label.padEnd(24)}${String(n).padStart(4)}${cell(p50)}${cell(p95)}${cell(max)}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
