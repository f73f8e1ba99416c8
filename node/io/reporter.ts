/** What a process says of itself: events for whoever observes, the same as lines of its log, and counts of rare branches. */
import { destination, type Logger, pino } from "pino";
import type { ControlEvent } from "../wire/control.ts";
import { monotonicUs } from "./clock.ts";
import { codeOf, EndProcess } from "./end-process.ts";

/** Events kept for an observer that attaches late; the oldest go first, which `seq` shows. */
const EVENTS_MAX = 100_000;

export type Fields = Readonly<Record<string, unknown>>;
/** Different marks counted apart; a mark may name what a peer sent, so their number is bounded. */
const MARKS_MAX = 1_000;

type Listener = (event: ControlEvent) => void;

export interface Reporter {
  readonly log: Logger;
  /** Stamped with the machine's monotonic clock, in this call. */
  event(what: string, fields: Fields): void;
  /** Counts a rare branch; the first time it is an event too. */
  mark(mark: string): void;
  marks(): Readonly<Record<string, number>>;
  /** Calls `listener` for the kept events, then for each new one. */
  follow(listener: Listener): void;
  unfollow(listener: Listener): void;
}

/** @throws EndProcess badFile when the log file cannot be written */
export function createReporter(logFile: string): Reporter {
  const log = openLog(logFile);
  const events: ControlEvent[] = [];
  const listeners = new Set<Listener>();
  const marks = new Map<string, number>();
  let seq = 0;

  function event(what: string, fields: Fields): void {
    seq += 1;
    const reported: ControlEvent = { kind: "event", seq, atUs: monotonicUs(), what, fields };
    events.push(reported);
    if (events.length > EVENTS_MAX) events.splice(0, EVENTS_MAX / 10);
    log.info({ seq, ...fields }, what);
    for (const listener of listeners) listener(reported);
  }

  return {
    log,
    event,
    mark(name) {
      const mark = marks.size < MARKS_MAX || marks.has(name) ? name : "other";
      const count = (marks.get(mark) ?? 0) + 1;
      marks.set(mark, count);
      if (count === 1) event("mark", { mark });
    },
    marks: () => Object.fromEntries(marks),
    follow(listener) {
      for (const kept of events) listener(kept);
      listeners.add(listener);
    },
    unfollow(listener) {
      listeners.delete(listener);
    },
  };
}

/** Synchronous: a line that waits in memory is lost when the process is killed. */
function openLog(file: string): Logger {
  try {
    return pino(
      { base: null, timestamp: () => `,"atUs":${monotonicUs()}` },
      destination({ dest: file, sync: true, mode: 0o600 }),
    );
  } catch (error: unknown) {
    throw new EndProcess("badFile", `log file ${file}: ${codeOf(error)}`, error);
  }
}
