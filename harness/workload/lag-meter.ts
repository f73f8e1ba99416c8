/** Measures how late this process is: what it saw as silence of the guest may have been its own. */
import type { Micros } from "../record/types.ts";

export interface LagMeter {
  /** Something came so much later than its timetable says. Unit: microseconds. */
  observe(lateUs: number): void;
  /** Reports what is left and stops. */
  stop(): void;
}

const PERIOD_MS = 10;
const REPORT_EVERY_US = 100_000;

/** @param report gets the worst since the last report; called every 100 ms, or after the stall that was longer */
export function startLagMeter(now: () => Micros, report: (lagUs: number) => void): LagMeter {
  let tickedAt = now();
  let reportedAt = tickedAt;
  let worst = 0;
  const observe = (lateUs: number): void => {
    worst = Math.max(worst, lateUs);
  };
  const flush = (): void => {
    report(worst);
    worst = 0;
  };
  const timer = setInterval(() => {
    const at = now();
    observe(at - tickedAt - PERIOD_MS * 1_000);
    tickedAt = at;
    if (at - reportedAt < REPORT_EVERY_US) return;
    reportedAt = at;
    flush();
  }, PERIOD_MS);
  return {
    observe,
    stop() {
      clearInterval(timer);
      flush();
    },
  };
}
