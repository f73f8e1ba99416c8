import type { RunEvent } from "../record/types.ts";

/** What processes and the harness reported, and who waits for more. */
export interface EventLog {
  readonly events: readonly RunEvent[];
  add(event: RunEvent): void;
  /** Something happened that is no event: those who wait look again. */
  wake(): void;
  /** Resolves at the next event or wake, at the latest after `withinMs`. */
  next(withinMs: number): Promise<void>;
}

export function createEventLog(): EventLog {
  const events: RunEvent[] = [];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const resume of waiting) resume();
  };
  return {
    events,
    add(event) {
      events.push(event);
      wake();
    },
    wake,
    next(withinMs) {
      return new Promise((resolve) => {
        const resume = (): void => {
          clearTimeout(timer);
          waiting.delete(resume);
          resolve();
        };
        const timer = setTimeout(resume, withinMs);
        waiting.add(resume);
      });
    },
  };
}
