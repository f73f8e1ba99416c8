/** The measurements as docs/measurements.md. */
import type { Row } from "./row.ts";

export interface MeasuredGroup {
  readonly name: string;
  readonly title: string;
  readonly rows: readonly Row[];
  readonly seconds: number;
  /** Load average over a minute. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

export function render(
  groups: readonly MeasuredGroup[],
  of: {
    readonly command: string;
    readonly conditions: readonly (readonly [string, string])[];
  },
): string {
  const missed = groups.flatMap(({ rows }) => rows.filter((row) => row.missed.length > 0)).length;
  const aimed = groups.flatMap(({ rows }) => rows.filter((row) => row.target !== "")).length;
  const lines = [
    "# Measurements",
    "",
    `Written by \`${of.command}\`. Percentiles are nearest-rank. Interruption, resolution and stages are defined in`,
    "[record.md](record.md). Every figure belongs to the machine and the load that stand beside it; two that are compared were measured in turns",
    "within one run, and their ratio is what counts. A target that was missed says by how much.",
    "",
    "| condition | |",
    "|---|---|",
    ...of.conditions.map(([name, value]) => `| ${name} | ${value} |`),
    `| targets | ${aimed - missed} of ${aimed} met |`,
    ...groups.flatMap(renderGroup),
    "",
  ];
  return lines.join("\n");
}

function renderGroup(group: MeasuredGroup): readonly string[] {
  const { title, name, seconds, loadBefore, loadAfter, rows } = group;
  const load = `${loadBefore.toFixed(2)} before, ${loadAfter.toFixed(2)} after`;
  return [
    "",
    `## ${title}`,
    "",
    `Group \`${name}\`: ${seconds.toFixed(0)} s; load average of the whole machine ${load}.`,
    "",
    "| what | found | target | |",
    "|---|---|---|---|",
    ...rows.map(renderRow),
  ];
}

function renderRow({ what, found, target, missed }: Row): string {
  const isAimed = target !== "";
  const verdict = missed.length > 0 ? `**missed**: ${missed.join(", ")}` : isAimed ? "met" : "";
  const cells = [what, found, isAimed ? target : "–", verdict];
  return `| ${cells.map((cell) => cell.replaceAll("|", "/").replaceAll("\n", " ")).join(" | ")} |`;
}
