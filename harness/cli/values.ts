/** Values of options, from text. */
import { InvalidArgumentError } from "@commander-js/extra-typings";

const SEED_MAX = 2_147_483_647;
const SEEDS_MAX = 1_000_000;
const JOBS_MAX = 256;
const LINES_MAX = 1_000_000;

/** Seeds from the first to the last, both included. */
export interface SeedRange {
  readonly first: number;
  readonly last: number;
}

export function parseSeed(text: string): number {
  return wholeNumber(text, 0, SEED_MAX);
}

export function parseSeeds(text: string): SeedRange {
  const found = /^(\d+)\.\.(\d+)$/.exec(text);
  if (found === null) throw new InvalidArgumentError("Write a range of seeds as 1..200.");
  const first = wholeNumber(found[1] ?? "", 0, SEED_MAX);
  const last = wholeNumber(found[2] ?? "", 0, SEED_MAX);
  if (last < first) throw new InvalidArgumentError("The first seed must not be above the last.");
  if (last - first >= SEEDS_MAX) {
    throw new InvalidArgumentError(`At most ${SEEDS_MAX} seeds in one go.`);
  }
  return { first, last };
}

export function parseJobs(text: string): number {
  return wholeNumber(text, 1, JOBS_MAX);
}

/** Runs of one plan. */
export function parseTimes(text: string): number {
  return wholeNumber(text, 1, 10_000);
}

export function parseSeconds(text: string): number {
  return wholeNumber(text, 1, 86_400);
}

export function parseMinutes(text: string): number {
  return wholeNumber(text, 1, 10_000);
}

/** Rows before and after one. */
export function parseLines(text: string): number {
  return wholeNumber(text, 0, LINES_MAX);
}

/** Unit: milliseconds. */
export function parseSpan(text: string): number {
  return wholeNumber(text, 0, 3_600_000);
}

/** `500ms`, `3s`, `2m`; a bare number is milliseconds. Unit of the result: milliseconds. */
export function parseDuration(text: string): number {
  const found = /^(\d+)(ms|s|m)?$/.exec(text);
  if (found === null) throw new InvalidArgumentError("Write a time as 500ms, 3s or 2m.");
  const factor = { ms: 1, s: 1_000, m: 60_000 }[found[2] ?? "ms"] ?? 1;
  return parseSpan(String(Number(found[1]) * factor));
}

function wholeNumber(text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new InvalidArgumentError(`Write a whole number from ${min} to ${max}.`);
}
