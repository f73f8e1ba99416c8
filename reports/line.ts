/** The first screen of a verdict: what it is, which rule broke, the figures with units and n, and how to see it again. */
import type { CheckResult, Recovery, Stages, VerdictDocument } from "../harness/record/types.ts";
import { type Paint, painter, type Screen, wrap } from "./screen.ts";

const COLOURS = {
  pass: "green",
  fail: "red",
  unknown: "yellow",
  broken: "red",
} as const satisfies Record<VerdictDocument["verdict"], string>;

const INDENT = "  ";
const LABEL_WIDTH = 14;

/** @returns lines, each ended by `\n`, none longer than the screen is wide unless it holds one long word */
export function renderVerdict(document: VerdictDocument, screen: Screen): string {
  const paint = painter(screen);
  const { verdict, scenario, seed, bed, level } = document;
  const word = paint(COLOURS[verdict], paint("bold", verdict.toUpperCase()));
  const head = `${word}  ${scenario}  seed ${seed}, bed ${bed}, level ${level}`;
  const sections = [[head], troubles(document, screen, paint), figures(document, screen, paint)];
  const text = sections.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  return `${text.join("\n\n")}\n`;
}

/** What broke, or what could not be said; nothing for a pass. */
function troubles(
  { broken, checks }: VerdictDocument,
  screen: Screen,
  paint: Paint,
): readonly string[] {
  const rows: string[] = [];
  if (broken !== null) {
    rows.push(...row(broken.code, broken.message, screen, paint, "red"));
    rows.push(...row("hint", broken.hint, screen, paint));
  }
  for (const { name, verdict, why } of [
    ...ofVerdict(checks, "fail"),
    ...ofVerdict(checks, "unknown"),
  ]) {
    rows.push(...row(verdict, `${name}: ${why}`, screen, paint, COLOURS[verdict]));
  }
  return rows;
}

function figures(document: VerdictDocument, screen: Screen, paint: Paint): readonly string[] {
  const { checks, recovery, operations, proxy, commit, replay } = document;
  const { ok, fail, info } = operations;
  const total = ok + fail + info;
  const passed = ofVerdict(checks, "pass");
  const facts: readonly (readonly [string, string])[] = [
    ...recovery.flatMap(recoveryRows),
    ["lost", describeLost(document)],
    ["divergence", describeDivergence(document)],
    ...splitRows(document),
    ["availability", describeAvailability(document)],
    ["operations", `${ok} ok, ${fail} fail, ${info} info (n = ${total})`],
    ["checks", `${passed.length} of ${checks.length} pass${listed(passed)}`],
    ["proxy", proxy],
    ["commit", commit],
    ["replay", replay],
  ];
  return facts.flatMap(([label, text]) => row(label, text, screen, paint));
}

function listed(checks: readonly CheckResult[]): string {
  return checks.length === 0 ? "" : `: ${checks.map(({ name }) => name).join(", ")}`;
}

function recoveryRows(entry: Recovery): readonly (readonly [string, string])[] {
  const where = entry.site === undefined ? "" : `, clients of ${entry.site}`;
  const what = `${entry.fault} of ${entry.target}${where} (n = 1)`;
  const gaps = entry.otherGaps.map(({ atMs, gapMs }) => `${ms(gapMs)} at ${ms(atMs)}`);
  return [
    ["interruption", `${describeInterruption(entry)}, ${what}`],
    ["stages", describeStages(entry.stages)],
    ["redundant", describeRedundant(entry.redundantMs)],
    ...(gaps.length === 0 ? [] : [["other gaps", gaps.join(", ")] as const]),
  ];
}

function describeInterruption({ interruptionMs, measuredMs, resolutionMs }: Recovery): string {
  if (measuredMs === null) return "unknown: the service was not seen to come back";
  const figure = `${ms(measuredMs)} ± ${ms(resolutionMs ?? 0)}`;
  if (interruptionMs !== null) return figure;
  return `unknown: measured ${figure}, the client was late too often`;
}

function describeStages(stages: Stages): string {
  const named: readonly (readonly [string, number | null])[] = [
    ["detect", stages.detectMs],
    ["arbitrate", stages.arbitrateMs],
    ["guest boot (this guest)", stages.startMs],
    ["serve", stages.serveMs],
  ];
  if (named.every(([, span]) => span === null)) return "unknown";
  return named.map(([name, span]) => `${name} ${span === null ? "unknown" : ms(span)}`).join(" + ");
}

function describeRedundant(redundantMs: number | null): string {
  if (redundantMs === null) return "not again in this run";
  return redundantMs === 0 ? "always" : `again after ${ms(redundantMs)}`;
}

function describeLost({ checks, lost }: VerdictDocument): string {
  const check = checks.find(({ name }) => name === "durability");
  if (check === undefined || check.verdict === "unknown") return unproven(check);
  const age = lost.oldestMs === null ? "" : `, the oldest ${ms(lost.oldestMs)} before the fault`;
  const looked = check.verdict === "pass" ? `; ${check.why}` : "";
  return `${lost.acknowledged} acknowledged writes${age}${looked}`;
}

function describeDivergence({ checks, divergence }: VerdictDocument): string {
  const check = checks.find(({ name }) => name === "divergence");
  if (check === undefined || check.verdict === "unknown") return unproven(check);
  const { knownBlocks, silentBlocks, way } = divergence;
  const direction = way === "none" ? "" : `, ${way} way`;
  const compared = /^\d+ written blocks compared/.exec(check.why)?.[0];
  const looked = compared === undefined ? "" : `; ${compared}`;
  return `${knownBlocks} blocks known, ${silentBlocks} silent${direction}${looked}`;
}

function splitRows({ splitBrain }: VerdictDocument): readonly (readonly [string, string])[] {
  if (splitBrain === undefined) return [];
  if (splitBrain === null) return [["split brain", "none"]];
  const { fromMs, isResolved, sides, bothBlocks } = splitBrain;
  const said = sides.map(({ host, acknowledged, readBack, blocks }) => {
    const changed = blocks === null ? "" : `, ${blocks} blocks changed`;
    return `${host} alone holds ${acknowledged} acknowledged writes (${readBack} read back there)${changed}`;
  });
  const both = bothBlocks === null ? "" : `; ${bothBlocks} blocks changed on both`;
  const end = isResolved ? ", resolved since" : "";
  return [["split brain", `from ${ms(fromMs)}${end}: ${said.join("; ")}${both}`]];
}

function describeAvailability({ availability }: VerdictDocument): string {
  if (availability === null) return "unknown";
  return `${(availability * 100).toFixed(2)} % of the probe's writes since the fault answered in 2 s`;
}

function unproven(check: CheckResult | undefined): string {
  return check === undefined ? "unknown: not checked" : `unknown: ${check.why}`;
}

function ofVerdict(
  checks: readonly CheckResult[],
  wanted: CheckResult["verdict"],
): readonly CheckResult[] {
  return checks.filter(({ verdict }) => verdict === wanted);
}

function row(
  label: string,
  text: string,
  screen: Screen,
  paint: Paint,
  colour: Parameters<Paint>[0] = "dim",
): readonly string[] {
  const gap = label.length < LABEL_WIDTH ? " ".repeat(LABEL_WIDTH - label.length) : "  ";
  const lines = wrap(text, screen.width - INDENT.length - LABEL_WIDTH);
  const [first = "", ...rest] = lines;
  const margin = INDENT + " ".repeat(LABEL_WIDTH);
  return [`${INDENT}${paint(colour, label)}${gap}${first}`, ...rest.map((line) => margin + line)];
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
