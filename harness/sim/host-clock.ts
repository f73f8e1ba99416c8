import type { ToSwitch } from "../../node/core/switch/frames.ts";
import type { Instant } from "../../node/core/units.ts";
import type { Micros } from "../record/types.ts";
import type { Draws } from "./draws.ts";

/** A host's own clock: another zero than the run's, and another speed. */
export interface HostClock {
  /** Unit: milliseconds on this clock. */
  read(at: Micros): Instant;
  /** Run time at which this clock reads `instant`. Unit: microseconds, not whole. */
  when(instant: Instant): number;
}

/** Speeds differ from the true one by at most `rateBound`; half of all clocks run at that bound, where the relations of the table are tight. */
export function drawHostClock(draws: Draws, rateBound: number): HostClock {
  const steps = 1_000;
  const extreme = draws.chance(500)
    ? draws.below(2) * 2 * steps - steps
    : draws.between(-steps, steps);
  const rate = 1 + (rateBound * extreme) / steps;
  const offset = draws.below(1_000_000);
  return {
    read: (at) => offset + (at / 1_000) * rate,
    when: (instant) => ((instant - offset) / rate) * 1_000,
  };
}

/** A frame to a switch as the bed judges it: the host's clock is not the run's. */
export function onRunClock(clock: HostClock, frame: ToSwitch): ToSwitch {
  if (frame.kind !== "data") return frame;
  return { ...frame, intakeAtUs: Math.round(clock.when(frame.intakeAtUs / 1_000)) };
}
