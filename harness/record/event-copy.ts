/** Events go to their file while a bed runs, so that whatever ends it, what was said can be read. */
import type { RunEvent } from "./types.ts";
import type { LineWriter } from "./writer.ts";

/** How often new ones go to the file. Unit: milliseconds. */
const COPY_EVERY = 50;

export interface EventCopy {
  /** From here on new events of the source are copied. The source only ever grows. */
  follow(events: () => readonly RunEvent[]): void;
  /** Adds one that the source does not have. */
  add(event: RunEvent): void;
  /**
   * Everything copied so far.
   *
   * @throws HarnessError RUN_FOLDER when this or an earlier event could not be written; the other calls too
   */
  events(): readonly RunEvent[];
  /** Copies what is left. */
  close(): void;
}

export function copyEvents(writer: LineWriter<RunEvent>): EventCopy {
  const written: RunEvent[] = [];
  let source: () => readonly RunEvent[] = () => [];
  let taken = 0;
  const add = (event: RunEvent): void => {
    written.push(event);
    writer.write(event);
  };
  const copy = (): void => {
    const events = source();
    for (; taken < events.length; taken += 1) {
      const event = events[taken];
      if (event !== undefined) add(event);
    }
  };
  const timer = setInterval(() => {
    try {
      copy();
    } catch {
      // Nobody awaits the timer. The file has its failure: the next call from outside throws it.
      clearInterval(timer);
    }
  }, COPY_EVERY);
  timer.unref();
  return {
    follow(events) {
      source = events;
    },
    add(event) {
      copy();
      add(event);
    },
    events() {
      copy();
      return written;
    },
    close() {
      clearInterval(timer);
      copy();
    },
  };
}
