/** Resident memory of host processes, looked at from outside. */
import { readFileSync } from "node:fs";
import { percentile } from "../../harness/check/stats.ts";
import type { RunEvent } from "../../harness/record/types.ts";
import { fact, type Row } from "./row.ts";

const KIB_PER_MIB = 1_024;
/** Growth that still counts as flat. */
const GROWTH_MAX = 0.1;

/** Number of the host's process in its present life; null: it never started. */
export function pidOf(host: string, events: readonly RunEvent[]): number | null {
  const started = events.findLast(
    ({ source, what }) => source === `host ${host}` && what === "started",
  );
  const pid = started?.["pid"];
  return typeof pid === "number" ? pid : null;
}

/** Unit: MiB. Null where the process is gone, or the system has no such table. */
export function residentMib(pid: number | null): number | null {
  if (pid === null) return null;
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return kib === undefined ? null : Number(kib) / KIB_PER_MIB;
  } catch {
    // No such process, or no such table.
    return null;
  }
}

/** Samples in the order of time. Flat: the median of the last quarter is at most a tenth above that of the first. */
export function memoryRow(what: string, samples: readonly number[], per: string): Row {
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  const first = percentile(samples.slice(0, quarter), 0.5);
  const last = percentile(samples.slice(-quarter), 0.5);
  const target = "last quarter ≤ 1.1 × first quarter";
  if (first === null || last === null) {
    return fact(what, "no sample", { target, isMet: false, by: "no sample" });
  }
  const growth = last / first - 1;
  const slope = slopeOf(samples) * KIB_PER_MIB;
  const found = `n = ${samples.length}: first ${samples[0]?.toFixed(1)} MiB, last ${samples.at(-1)?.toFixed(1)} MiB, slope ${slope.toFixed(1)} KiB a ${per}; medians of the first and last quarter ${first.toFixed(1)} and ${last.toFixed(1)} MiB`;
  const by = `by ${(100 * (growth - GROWTH_MAX)).toFixed(1)} % of the first`;
  return fact(what, found, { target, isMet: growth <= GROWTH_MAX, by });
}

/** Least squares over the samples' numbers. */
function slopeOf(samples: readonly number[]): number {
  const meanX = (samples.length - 1) / 2;
  const meanY = samples.reduce((sum, value) => sum + value, 0) / samples.length;
  let above = 0;
  let below = 0;
  for (const [x, y] of samples.entries()) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
