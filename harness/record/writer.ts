import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { HarnessError } from "../errors.ts";
import { canonicalJson, encodeEvent, encodeHistoryLine } from "./json.ts";
import type { HistoryLine, RunEvent } from "./types.ts";

/** A line reaches the kernel at most so long after it was written: what a killed process can lose of its record. Unit: milliseconds. */
const FLUSH_EVERY = 100;
/** Text held back at most; more is flushed at once. Unit: UTF-16 units. */
const BUFFER_MAX = 64 * 1024;

/** Appends lines to one file, in order. */
export interface LineWriter<Line> {
  /** @throws HarnessError RUN_FOLDER when this or an earlier line could not be written */
  write(line: Line): void;
  /** Hands everything written so far to the kernel. */
  flush(): void;
  /** Flushes and closes. A second call does nothing. */
  close(): void;
}

/** @throws HarnessError RUN_FOLDER when the file exists or cannot be made */
export function openHistory(path: string): LineWriter<HistoryLine> {
  return openLines(path, encodeHistoryLine);
}

/** @throws HarnessError RUN_FOLDER when the file exists or cannot be made */
export function openEvents(path: string): LineWriter<RunEvent> {
  return openLines(path, encodeEvent);
}

/**
 * Writes a whole JSON document (`plan.json`, `verdict.json`, `environment.json`): readers see the old file or the new one, never a part.
 *
 * @param isLasting it survives a power failure of this machine; what can be run again in a moment need not
 * @throws HarnessError RUN_FOLDER when it could not be written
 */
export function writeDocument(path: string, document: unknown, isLasting = true): void {
  const draft = `${path}.draft`;
  guarded(path, () => {
    const file = openSync(draft, "w");
    try {
      writeAll(file, `${canonicalJson(document, 2)}\n`);
      if (isLasting) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  });
}

function openLines<Line>(path: string, encode: (line: Line) => string): LineWriter<Line> {
  const file = guarded(path, () => openSync(path, "ax"));
  let held = "";
  let failure: Error | null = null;
  let isOpen = true;
  const flush = (): void => {
    if (failure !== null) throw failure;
    if (held === "") return;
    const text = held;
    held = "";
    guarded(path, () => writeAll(file, text));
  };
  const timer = setInterval(() => {
    try {
      flush();
    } catch (error: unknown) {
      // Nobody awaits the timer: the next write or the close reports it.
      failure = error instanceof Error ? error : new Error(String(error));
    }
  }, FLUSH_EVERY);
  timer.unref();
  return {
    write(line) {
      if (!isOpen) throw folderError(path, "a line was written after the close", null);
      held += `${encode(line)}\n`;
      if (held.length >= BUFFER_MAX || failure !== null) flush();
    },
    flush,
    close() {
      if (!isOpen) return;
      isOpen = false;
      clearInterval(timer);
      try {
        flush();
      } finally {
        closeSync(file);
      }
    },
  };
}

/** A single call may write less than it was given. */
function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text, "utf8");
  let done = 0;
  while (done < bytes.length) done += writeSync(file, bytes, done);
}

function guarded<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause: unknown) {
    throw folderError(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function folderError(path: string, why: string, cause: unknown): HarnessError {
  return new HarnessError("RUN_FOLDER", `cannot write ${path}: ${why}`, {
    hint: "Check that the folder exists, is writable and has space left; --out names another one.",
    cause,
  });
}
