import { join } from "node:path";
import { copyEvents } from "../harness/record/event-copy.ts";
import { createRunFolder, RUN_FILES } from "../harness/record/run-folder.ts";
import type { RunEvent, VerdictDocument } from "../harness/record/types.ts";
import { openEvents, writeDocument } from "../harness/record/writer.ts";
import type { Plan } from "./plan/plan.ts";

/** The folder of one run, filled as the run goes on: whatever ends it, what is there can be read. */
export interface RunRecord {
  /** Empty: nothing is written. */
  readonly folder: string;
  readonly historyPath: string;
  /** From here on new events of the source reach `events.ndjson` by themselves. The source only ever grows. */
  follow(events: () => readonly RunEvent[]): void;
  /** Adds an event that no rig reports. */
  add(event: RunEvent): void;
  /** Everything written so far. */
  events(): readonly RunEvent[];
  /** Writes what is left of the events, and the verdict. */
  close(verdict: VerdictDocument, facts: Readonly<Record<string, unknown>>): void;
}

/**
 * Makes the folder with `plan.json` and `environment.json` in it.
 *
 * @throws HarnessError RUN_FOLDER
 */
export function openRunRecord(options: {
  readonly root: string;
  readonly startedAt: Date;
  readonly plan: Plan;
  /** Facts of the machine, which `environment.json` alone holds. */
  readonly environment: Readonly<Record<string, unknown>>;
}): RunRecord {
  const { root, startedAt, plan, environment } = options;
  const { scenario, seed } = plan;
  const { path: folder } = createRunFolder({ root, startedAt, scenario, seed });
  const facts = { schema: plan.schema, startedAt: startedAt.toISOString(), ...environment };
  const write = (name: string, document: unknown): void =>
    writeDocument(join(folder, name), document, plan.bed !== "sim");
  write(RUN_FILES.plan, plan);
  write(RUN_FILES.environment, facts);
  const writer = openEvents(join(folder, RUN_FILES.events));
  const copied = copyEvents(writer);
  return {
    folder,
    historyPath: join(folder, RUN_FILES.history),
    follow: (events) => copied.follow(events),
    add: (event) => copied.add(event),
    events: () => copied.events(),
    close(verdict, more) {
      copied.close();
      writer.close();
      write(RUN_FILES.environment, { ...facts, ...more });
      write(RUN_FILES.verdict, verdict);
    },
  };
}

/** Nothing of the run reaches a file: its rig holds all that a verdict needs. Only for beds that keep their history themselves. */
export function unwrittenRecord(): RunRecord {
  let source: () => readonly RunEvent[] = () => [];
  const added: RunEvent[] = [];
  return {
    folder: "",
    historyPath: "",
    follow(events) {
      source = events;
    },
    add(event) {
      added.push(event);
    },
    events: () => (added.length === 0 ? source() : [...source(), ...added]),
    close: () => undefined,
  };
}
