/** Writes operations into the history and keeps its rule: a process has one operation under way and is not used again after an `info`. */
import { invariant } from "../../node/core/invariant.ts";
import type { HistoryLine, HistoryPhase, Micros } from "../record/types.ts";
import { type Choice, commandOf, type Ending, endingOf } from "./choice.ts";
import type { Answer, Connection } from "./connection.ts";

/** A client that has at most one operation under way. */
export interface Slot {
  /**
   * Invokes an operation. Without a connection it fails at once, since it certainly did not happen.
   *
   * @param ended called once, after the end stands in the history
   */
  start(choice: Choice, connection: Connection | null, ended: (ending: Ending) => void): void;
}

export interface Recorder {
  slot(): Slot;
  /** The same history and counts; operations carry the site. */
  at(site: string): Recorder;
  phase(name: HistoryPhase["phase"]): void;
  lag(lagUs: number): void;
  /** Writes, appends and deletes invoked and not yet ended. */
  inFlightWrites(): number;
  /** Resolves when no operation is under way. */
  idle(): Promise<void>;
  /** Operations ended so far, by how. */
  counts(): { readonly ok: number; readonly fail: number; readonly info: number };
}

export function createRecorder(write: (line: HistoryLine) => void, now: () => Micros): Recorder {
  const book: Book = {
    ...{ write, now, processes: 0, operations: 0, inFlight: 0, inFlightWrites: 0 },
    counts: { ok: 0, fail: 0, info: 0 },
    idleWaiters: [],
  };
  const recorderAt = (site: string | null): Recorder => ({
    slot: () => new RecordedSlot(book, site),
    at: recorderAt,
    phase: (phase) => write({ type: "phase", at: now(), phase }),
    lag: (lagUs) => write({ type: "lag", at: now(), lagUs }),
    inFlightWrites: () => book.inFlightWrites,
    idle: () =>
      new Promise((resolve) => {
        book.idleWaiters.push(resolve);
        tellIfIdle(book);
      }),
    counts: () => ({ ...book.counts }),
  });
  return recorderAt(null);
}

/** What all slots of a recorder share. */
interface Book {
  readonly write: (line: HistoryLine) => void;
  readonly now: () => Micros;
  processes: number;
  operations: number;
  inFlight: number;
  inFlightWrites: number;
  readonly counts: Record<Ending["kind"], number>;
  idleWaiters: (() => void)[];
}

function tellIfIdle(book: Book): void {
  if (book.inFlight > 0) return;
  const waiters = book.idleWaiters;
  book.idleWaiters = [];
  for (const tell of waiters) tell();
}

interface UnderWay {
  readonly op: number;
  readonly f: Choice["f"];
  readonly ended: (ending: Ending) => void;
}

class RecordedSlot implements Slot {
  readonly #book: Book;
  readonly #place: { readonly site?: string };
  #process: number | null = null;
  #underWay: UnderWay | null = null;

  constructor(book: Book, site: string | null) {
    this.#book = book;
    this.#place = site === null ? {} : { site };
  }

  start(choice: Choice, connection: Connection | null, ended: (ending: Ending) => void): void {
    invariant(this.#underWay === null, "a process has one operation under way");
    const book = this.#book;
    this.#process ??= newProcess(book);
    book.operations += 1;
    const { f, key, value, role } = choice;
    const op = book.operations;
    this.#underWay = { op, f, ended };
    book.inFlight += 1;
    if (isWrite(f)) book.inFlightWrites += 1;
    const process = this.#process;
    const at = book.now();
    book.write({ type: "invoke", at, process, op, f, key, value, role, ...this.#place });
    if (connection === null) this.#end({ kind: "fail", error: "NOT_CONNECTED" });
    else connection.send(commandOf(choice), this.#answered);
  }

  readonly #answered = (answer: Answer): void => {
    const f = this.#underWay?.f;
    invariant(f !== undefined, "an operation is answered once");
    const isLost = answer.kind === "lost";
    this.#end(isLost ? { kind: "info", error: answer.error } : endingOf(f, answer.reply));
  };

  #end(ending: Ending): void {
    const book = this.#book;
    const [underWay, process] = [this.#underWay, this.#process];
    invariant(underWay !== null && process !== null, "only what was begun ends");
    const { op, f, ended } = underWay;
    this.#underWay = null;
    if (ending.kind === "info") this.#process = null;
    book.write(endLine(ending, { at: book.now(), process, op }));
    book.counts[ending.kind] += 1;
    book.inFlight -= 1;
    if (isWrite(f)) book.inFlightWrites -= 1;
    ended(ending);
    tellIfIdle(book);
  }
}

function newProcess(book: Book): number {
  book.processes += 1;
  return book.processes;
}

function isWrite(f: Choice["f"]): boolean {
  return f === "write" || f === "append" || f === "delete";
}

function endLine(
  ending: Ending,
  common: { readonly at: Micros; readonly process: number; readonly op: number },
): HistoryLine {
  return ending.kind === "ok"
    ? { type: "ok", ...common, value: ending.value }
    : { type: ending.kind, ...common, error: ending.error };
}

/** Lends slots to operations that belong to no particular client; there are as many as were ever under way together. */
export function createSlotPool(recorder: Recorder): Slot {
  const free: Slot[] = [];
  return {
    start(choice, connection, ended) {
      const slot = free.pop() ?? recorder.slot();
      slot.start(choice, connection, (ending) => {
        free.push(slot);
        ended(ending);
      });
    },
  };
}
