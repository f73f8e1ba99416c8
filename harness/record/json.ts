import type { HistoryLine, RunEvent } from "./types.ts";

/**
 * Order in which known keys are written, over all files of a run folder; any other key follows in the order of its text. Equal values so
 * give equal bytes, whatever order their fields were set in.
 */
const KEY_ORDER = [
  "schema",
  "type",
  "at",
  "source",
  "what",
  "verdict",
  "scenario",
  "name",
  "why",
  "seed",
  "bed",
  "level",
  "proxy",
  "commit",
  "fault",
  "target",
  "state",
  "interruptionMs",
  "measuredMs",
  "resolutionMs",
  "stages",
  "detectMs",
  "arbitrateMs",
  "startMs",
  "serveMs",
  "redundantMs",
  "otherGaps",
  "checks",
  "recovery",
  "operations",
  "ok",
  "fail",
  "info",
  "lost",
  "divergence",
  "availability",
  "replay",
  "broken",
] as const;

const RANK: ReadonlyMap<string, number> = new Map(KEY_ORDER.map((key, rank) => [key, rank]));

/** JSON with keys in a fixed order, at every depth. `indent` 0: one line. */
export function canonicalJson(value: unknown, indent = 0): string {
  return JSON.stringify(ordered(value), null, indent);
}

/** One line of `history.ndjson`, without the line end. */
export function encodeHistoryLine(line: HistoryLine): string {
  switch (line.type) {
    case "header": {
      const { type, schema, scenario, seed } = line;
      return JSON.stringify({ type, schema, scenario, seed });
    }
    case "phase": {
      const { type, at, phase } = line;
      return JSON.stringify({ type, at, phase });
    }
    case "lag": {
      const { type, at, lagUs } = line;
      return JSON.stringify({ type, at, lagUs });
    }
    case "invoke": {
      // An absent field stays absent.
      const { type, at, process, op, f, key, value, expected, role, site } = line;
      return JSON.stringify({ type, at, process, op, f, key, value, expected, role, site });
    }
    case "ok": {
      const { type, at, process, op, value } = line;
      return JSON.stringify({ type, at, process, op, value });
    }
    case "fail":
    case "info": {
      const { type, at, process, op, error } = line;
      return JSON.stringify({ type, at, process, op, error });
    }
    default:
      return unreachable(line);
  }
}

/** One line of `events.ndjson`, without the line end. */
export function encodeEvent(event: RunEvent): string {
  return canonicalJson(event);
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([left], [right]) => compareKeys(left, right));
  return Object.fromEntries(entries.map(([key, field]) => [key, ordered(field)]));
}

function compareKeys(left: string, right: string): number {
  const byRank = rankOf(left) - rankOf(right);
  if (byRank !== 0) return byRank;
  return left < right ? -1 : 1;
}

function rankOf(key: string): number {
  return RANK.get(key) ?? KEY_ORDER.length;
}

function unreachable(value: never): never {
  throw new TypeError(`no such history line: ${JSON.stringify(value)}`);
}
