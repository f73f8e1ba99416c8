import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { HarnessError } from "../errors.ts";
import { isFields, type Parsed, parseEvent, parseHistoryLine } from "./parse.ts";
import { type HistoryLine, RECORD_SCHEMA, type RunEvent } from "./types.ts";

/** Longest line accepted. Unit: bytes. A list of 64 elements of 100 bytes has 7 KiB. */
const LINE_MAX = 16 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** A last line without its line end that does not parse: the writer was killed inside it. Null: the file is whole. */
export interface Truncation {
  readonly line: number;
  readonly text: string;
}

export interface RecordFile<Line> {
  readonly lines: readonly Line[];
  readonly truncated: Truncation | null;
}

/**
 * Lines of a history one by one, the header first; memory holds one line and one chunk.
 *
 * @throws HarnessError BAD_RECORD naming file and line
 */
export function* historyLines(path: string): Generator<HistoryLine, Truncation | null> {
  const source = parsedLines(path, parseHistoryLine);
  for (let line = 1; ; line += 1) {
    const step = source.next();
    if (step.done === true) {
      if (line === 1) throw badRecord(path, 1, "expected a header line, found an empty file");
      return step.value;
    }
    if ((step.value.type === "header") !== (line === 1)) {
      throw badRecord(
        path,
        line,
        line === 1 ? "the first line must be the header" : "a second header",
      );
    }
    yield step.value;
  }
}

/** @throws HarnessError BAD_RECORD naming file and line */
export function* eventLines(path: string): Generator<RunEvent, Truncation | null> {
  return yield* parsedLines(path, parseEvent);
}

/** @throws HarnessError BAD_RECORD naming file and line */
export function readHistory(path: string): RecordFile<HistoryLine> {
  return collect(historyLines(path));
}

/** @throws HarnessError BAD_RECORD naming file and line */
export function readEvents(path: string): RecordFile<RunEvent> {
  return collect(eventLines(path));
}

/**
 * A JSON document of a run folder.
 *
 * @throws HarnessError BAD_RECORD when it is missing, not an object, or of another schema
 */
export function readDocument(path: string): Readonly<Record<string, unknown>> {
  const text = reading(path, () => readFileSync(path, "utf8"));
  const parsed = parseJson(text);
  if (!parsed.ok) throw badRecord(path, null, parsed.why);
  if (!isFields(parsed.value)) throw badRecord(path, null, "expected an object");
  const schema = parsed.value["schema"];
  if (schema !== RECORD_SCHEMA) {
    const why = `"schema" is ${JSON.stringify(schema)}, this reader knows ${RECORD_SCHEMA}`;
    throw badRecord(path, null, why);
  }
  return parsed.value;
}

function collect<Line>(source: Generator<Line, Truncation | null>): RecordFile<Line> {
  const lines: Line[] = [];
  for (;;) {
    const step = source.next();
    if (step.done === true) return { lines, truncated: step.value };
    lines.push(step.value);
  }
}

function* parsedLines<Line>(
  path: string,
  parse: (value: unknown) => Parsed<Line>,
): Generator<Line, Truncation | null> {
  for (const { text, line, isWhole } of rawLines(path)) {
    const json = parseJson(text);
    if (!json.ok && !isWhole) return { line, text };
    const parsed = json.ok ? parse(json.value) : json;
    if (!parsed.ok) throw badRecord(path, line, parsed.why);
    yield parsed.value;
  }
  return null;
}

interface RawLine {
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
  /** Its line end was there. */
  readonly isWhole: boolean;
}

function* rawLines(path: string): Generator<RawLine> {
  const file = reading(path, () => openSync(path, "r"));
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let rest = Buffer.alloc(0);
    let line = 0;
    for (;;) {
      const count = reading(path, () => readSync(file, chunk, 0, CHUNK_BYTES, null));
      if (count === 0) break;
      const bytes = Buffer.concat([rest, chunk.subarray(0, count)]);
      let start = 0;
      for (let end = bytes.indexOf(10, start); end >= 0; end = bytes.indexOf(10, start)) {
        line += 1;
        yield { text: bytes.toString("utf8", start, end), line, isWhole: true };
        start = end + 1;
      }
      rest = bytes.subarray(start);
      if (rest.length > LINE_MAX) {
        throw badRecord(path, line + 1, `the line is longer than ${LINE_MAX} bytes`);
      }
    }
    if (rest.length > 0) yield { text: rest.toString("utf8"), line: line + 1, isWhole: false };
  } finally {
    closeSync(file);
  }
}

function parseJson(text: string): Parsed<unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return { ok: true, value };
  } catch (error: unknown) {
    return { ok: false, why: error instanceof Error ? error.message : "not JSON" };
  }
}

function reading<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HarnessError("BAD_RECORD", `cannot read ${path}: ${why}`, {
      hint: "Name a run folder or a file in it; docs/record.md lists them.",
      cause,
    });
  }
}

function badRecord(path: string, line: number | null, why: string): HarnessError {
  const place = line === null ? path : `${path}:${line}`;
  return new HarnessError("BAD_RECORD", `${place}: ${why}`, {
    hint: "Compare the line with docs/record.md.",
  });
}
