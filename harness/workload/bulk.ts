/** Performs many operations as fast as the guest answers: pipelined over several connections, to one site or more. */
import type { Choice } from "./choice.ts";
import { type Connection, createConnection, type Target } from "./connection.ts";
import { createSlotPool, type Recorder, type Slot } from "./recorder.ts";

export interface Batch {
  /** Choices that ended `ok`, in the order of their ends. Resolves when nothing of the batch is left or under way. */
  readonly served: Promise<readonly Choice[]>;
  /** Drops what was not invoked yet; nothing is tried again. */
  abandon(): void;
}

export interface Bulk {
  /** One batch at a time. @param isRetried each choice that does not end `ok` is invoked again, as a new operation, until abandoned */
  start(choices: readonly Choice[], isRetried: boolean): Batch;
  /** What is under way is lost at once. */
  close(): void;
}

/** Commands under way on one connection. */
const WINDOW = 64;
/** Pause before a refused choice is tried again. */
const RETRY_MS = 5;

interface Lane {
  readonly connection: Connection;
  readonly slots: Slot;
  inFlight: number;
}

/** @param connections to each place. What one place does not answer is tried again at any */
export function createBulk(
  places: readonly { readonly target: Target; readonly recorder: Recorder }[],
  connections: number,
): Bulk {
  let pump: () => void = () => undefined;
  const lanes = places.flatMap(({ target, recorder }): readonly Lane[] => {
    const slots = createSlotPool(recorder);
    return Array.from({ length: connections }, () => ({
      connection: createConnection(target, { opened: () => pump() }),
      slots,
      inFlight: 0,
    }));
  });
  return {
    start(choices, isRetried) {
      const batch = createBatch(choices, { isRetried, lanes });
      pump = () => batch.pump();
      batch.pump();
      return batch;
    },
    close() {
      for (const lane of lanes) lane.connection.close();
    },
  };
}

function createBatch(
  choices: readonly Choice[],
  by: { readonly isRetried: boolean; readonly lanes: readonly Lane[] },
): Batch & { pump(): void } {
  const served: Choice[] = [];
  let left: Choice[] = [...choices].reverse();
  let unsettled = left.length;
  let isAbandoned = false;
  let isPumpSet = false;
  let resolve: (served: readonly Choice[]) => void = () => undefined;
  const whenServed = new Promise<readonly Choice[]>((settle) => {
    resolve = settle;
  });

  function pump(): void {
    isPumpSet = false;
    for (const lane of by.lanes) {
      while (lane.connection.isOpen() && lane.inFlight < WINDOW) {
        const choice = left.pop();
        if (choice === undefined) break;
        invoke(choice, lane);
      }
    }
    if (unsettled === 0) resolve(served);
  }

  /** Once for all answers of one turn, so that they are followed by one write. */
  function pumpSoon(): void {
    if (isPumpSet) return;
    isPumpSet = true;
    setImmediate(pump);
  }

  function invoke(choice: Choice, lane: Lane): void {
    lane.inFlight += 1;
    lane.slots.start(choice, lane.connection, (ending) => {
      lane.inFlight -= 1;
      if (ending.kind === "ok") served.push(choice);
      if (ending.kind === "ok" || !by.isRetried || isAbandoned) settleOne();
      else setTimeout(() => retryUnlessAbandoned(choice), RETRY_MS);
    });
  }

  function settleOne(): void {
    unsettled -= 1;
    pumpSoon();
  }

  function retryUnlessAbandoned(choice: Choice): void {
    if (isAbandoned) {
      settleOne();
      return;
    }
    left.push(choice);
    pumpSoon();
  }

  return {
    served: whenServed,
    abandon() {
      isAbandoned = true;
      unsettled -= left.length;
      left = [];
      pumpSoon();
    },
    pump,
  };
}
