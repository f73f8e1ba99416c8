/** Where that waits which happens to a process while it stands still: its kernel, its disk and its clock go on without it. */
import type { Draws } from "./draws.ts";

export interface Gate {
  /** Does it now, or when the process goes on; what waits keeps its order. */
  pass(act: () => void): void;
  /** A timer of the process that is due. When the process goes on it may fire before what waits, or after all of it. */
  passTimer(act: () => void): void;
  isClosed(): boolean;
  close(): void;
  /** Does everything that waits. */
  open(): void;
  /** The process died: what waits is never done. */
  reset(): void;
}

export function createGate(draws: Draws): Gate {
  let waiting: (() => void)[] = [];
  let timers: (() => void)[] = [];
  let isClosed = false;
  /** Grows with each death: what was to be done is not meant any more. */
  let life = 0;
  return {
    pass(act) {
      if (isClosed) waiting.push(act);
      else act();
    },
    passTimer(act) {
      if (isClosed) timers.push(act);
      else act();
    },
    isClosed: () => isClosed,
    close() {
      isClosed = true;
    },
    open() {
      if (!isClosed) return;
      isClosed = false;
      const acts = draws.chance(500) ? [...timers, ...waiting] : [...waiting, ...timers];
      waiting = [];
      timers = [];
      const own = life;
      for (const act of acts) if (own === life) act();
    },
    reset() {
      life += 1;
      isClosed = false;
      waiting = [];
      timers = [];
    },
  };
}
