/** The longest time that the event loop kept a timer waiting: above a few milliseconds, this process's own times mean little. */
export interface LagMeter {
  /** Call it on every tick of a timer with period `periodMs`. */
  tick(nowMs: number): void;
  /** Worst lag since the start, and since the last call. Unit: milliseconds. */
  take(): { readonly worstMs: number; readonly lastWorstMs: number };
}

export function createLagMeter(periodMs: number): LagMeter {
  let tickedAt: number | null = null;
  let worstMs = 0;
  let lastWorstMs = 0;
  return {
    tick(nowMs) {
      const lag = tickedAt === null ? 0 : Math.max(0, nowMs - tickedAt - periodMs);
      tickedAt = nowMs;
      worstMs = Math.max(worstMs, lag);
      lastWorstMs = Math.max(lastWorstMs, lag);
    },
    take() {
      const taken = { worstMs, lastWorstMs };
      lastWorstMs = 0;
      return taken;
    },
  };
}
