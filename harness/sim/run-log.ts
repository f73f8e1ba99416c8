/** What the run reports, in virtual time, and what a bed tells of its hosts. */
import { createHostViews, type HostViews } from "../local/host-views.ts";
import type { HistoryLine, RunEvent } from "../record/types.ts";
import type { SimClock } from "./clock.ts";

export interface RunLog {
  readonly events: readonly RunEvent[];
  readonly history: readonly HistoryLine[];
  readonly views: HostViews;
  /** Rare branches of the core, by name: how often. */
  readonly marks: ReadonlyMap<string, number>;
  /** `fields` may name what it is once more. */
  report(source: string, what: string, fields: object): void;
  record(line: HistoryLine): void;
  mark(name: string): void;
}

export function createRunLog(clock: SimClock, hosts: readonly string[]): RunLog {
  const events: RunEvent[] = [];
  const history: HistoryLine[] = [];
  const marks = new Map<string, number>();
  const views = createHostViews(hosts);
  return {
    events,
    history,
    views,
    marks,
    report(source, what, fields) {
      const event: RunEvent = { ...fields, at: clock.now(), source, what };
      events.push(event);
      views.take(event);
    },
    record: (line) => {
      history.push(line);
    },
    mark: (name) => {
      marks.set(name, (marks.get(name) ?? 0) + 1);
    },
  };
}
