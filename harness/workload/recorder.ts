/** Writes operations into the history and keeps its rule: a process has one operation under way and is not used again after an `info`. */
import { invariant } from "../../node/core/invariant.ts";
import type { HistoryLine, HistoryPhase, Micros } from "../record/types.ts";
import { type Choice, commandOf, type Ending, endingOf } from "./choice.ts";
import type { Connection } from "./connection.ts";

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
  let processes = 0;
  let operations = 0;
  let inFlight = 0;
  let inFlightWrites = 0;
  const counts = { ok: 0, fail: 0, info: 0 };
  let idleWaiters: (() => void)[] = [];

  function newProcess(): number {
    processes += 1;
    return processes;
  }

  function settle(isWrite: boolean, ending: Ending): void {
    counts[ending.kind] += 1;
    inFlight -= 1;
    if (isWrite) inFlightWrites -= 1;
  }

  function tellIfIdle(): void {
    if (inFlight > 0) return;
    const waiters = idleWaiters;
    idleWaiters = [];
    for (const tell of waiters) tell();
  }

  function createSlot(site: string | null): Slot {
    const place = site === null ? {} : { site };
    let process: number | null = null;
    let isUnderWay = false;
    return {
      start(choice, connection, ended) {
        invariant(!isUnderWay, "a process has one operation under way");
        isUnderWay = true;
        process ??= newProcess();
        operations += 1;
        const common = { process, op: operations };
        const isWrite = choice.f === "write" || choice.f === "append" || choice.f === "delete";
        inFlight += 1;
        if (isWrite) inFlightWrites += 1;
        const { f, key, value, role } = choice;
        write({ type: "invoke", at: now(), ...common, f, key, value, role, ...place });
        const end = (ending: Ending): void => {
          isUnderWay = false;
          if (ending.kind === "info") process = null;
          write(endLine(ending, { at: now(), ...common }));
          settle(isWrite, ending);
          ended(ending);
          tellIfIdle();
        };
        if (connection === null) {
          end({ kind: "fail", error: "NOT_CONNECTED" });
          return;
        }
        connection.send(commandOf(choice), (answer) => {
          const isLost = answer.kind === "lost";
          end(isLost ? { kind: "info", error: answer.error } : endingOf(f, answer.reply));
        });
      },
    };
  }

  const recorderAt = (site: string | null): Recorder => ({
    slot: () => createSlot(site),
    at: recorderAt,
    phase: (phase) => write({ type: "phase", at: now(), phase }),
    lag: (lagUs) => write({ type: "lag", at: now(), lagUs }),
    inFlightWrites: () => inFlightWrites,
    idle: () =>
      new Promise((resolve) => {
        idleWaiters.push(resolve);
        tellIfIdle();
      }),
    counts: () => ({ ...counts }),
  });
  return recorderAt(null);
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
