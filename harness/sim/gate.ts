/** Where that waits which happens to a process while it stands still: its kernel, its disk and its clock go on without it. */
import type { Draws } from "./draws.ts";

/** Why a host stands still, or takes nothing from its clients. */
export type Standing =
  /** Stopped by a fault. */
  | "paused"
  /** For the audit: nothing of it is under way. */
  | "frozen"
  /** Clients' data waits. */
  | "quiesced";

/** The ways in which a host can be held; each ends on its own. */
export interface Standstill {
  hold(as: Standing): void;
  /** What waits happens now, unless another hold is on it. */
  end(as: Standing): void;
  is(as: Standing): boolean;
  /** It does nothing at all. */
  isComplete(): boolean;
  pass(act: () => void): void;
  passTimer(act: () => void): void;
  passClient(act: () => void): void;
  /** The process died: what waits is never done. */
  reset(): void;
}

export function createStandstill(draws: Draws): Standstill {
  const holds = new Set<Standing>();
  const all = createGate(draws);
  const clients = createGate(draws);
  const setGates = (): void => {
    if (holds.has("paused") || holds.has("frozen")) all.close();
    else all.open();
    if (holds.has("quiesced")) clients.close();
    else clients.open();
  };
  return {
    hold(as) {
      holds.add(as);
      setGates();
    },
    end(as) {
      if (holds.delete(as)) setGates();
    },
    is: (as) => holds.has(as),
    isComplete: () => all.isClosed(),
    pass: (act) => all.pass(act),
    passTimer: (act) => all.passTimer(act),
    passClient: (act) => clients.pass(act),
    reset() {
      holds.clear();
      all.reset();
      clients.reset();
    },
  };
}

interface Gate {
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

function createGate(draws: Draws): Gate {
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
