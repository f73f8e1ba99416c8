/** Interruptions as rows: the span, how fine it is, and where its time went. */
import type { Recovery, Stages } from "../../harness/record/types.ts";
import { type Bound, figure, type Row } from "./row.ts";

const STAGES: Readonly<Record<keyof Stages, string>> = {
  detectMs: "detect",
  arbitrateMs: "arbitrate",
  startMs: "guest boot (this guest)",
  serveMs: "serve",
};

/** The interruption, and where its time went. A coarse span counts as itself plus its resolution. */
export function interruptionRows(
  what: string,
  recovery: readonly Recovery[],
  bounds: readonly Bound[],
): readonly Row[] {
  const unknown = recovery.filter(({ measuredMs }) => measuredMs === null).length;
  const note = `${resolutionOf(recovery)}; ${unknown} without an end`;
  return [
    figure(`interruption, ${what}`, spansOf(recovery), { unit: "ms", bounds, note }),
    ...Object.entries(STAGES).map(([stage, name]) =>
      figure(
        `… stage ${name}`,
        recovery.flatMap(({ stages }) => stages[stage as keyof Stages] ?? []),
        { unit: "ms" },
      ),
    ),
  ];
}

/** A coarse span counts as itself plus its resolution. Unit: milliseconds. */
export function spansOf(recovery: readonly Recovery[]): readonly number[] {
  return recovery.flatMap(({ interruptionMs, measuredMs, resolutionMs }) => {
    if (interruptionMs !== null) return [interruptionMs];
    return measuredMs === null ? [] : [measuredMs + (resolutionMs ?? 0)];
  });
}

export function resolutionOf(recovery: readonly Recovery[]): string {
  const found = recovery.flatMap(({ resolutionMs }) => resolutionMs ?? []);
  const coarse = recovery.filter(
    ({ interruptionMs, measuredMs }) => interruptionMs === null && measuredMs !== null,
  ).length;
  const worst = Math.max(0, ...found);
  return `resolution 2 ms, at worst ${worst.toFixed(1)} ms; ${coarse} above 25 ms, counted as span + resolution`;
}
