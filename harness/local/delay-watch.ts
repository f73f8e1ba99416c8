import type { Endpoint } from "../../node/ports/process-file.ts";
import { probeLink } from "./link-probe.ts";

/** Between two probes of a link that stays slow. */
const PROBE_EVERY_MS = 1_000;

/** Keeps probing one slowed link, from now on. */
export interface DelayWatch {
  /** Probes that took as long as the added delay, question and answer together. */
  held(): number;
  /** Drops the probe under way, which then counts for nothing. Idempotent. */
  stop(): void;
}

export function watchDelay(
  link: Endpoint,
  options: {
    /** What the added delays of both ways surely take. Unit: milliseconds. */
    readonly leastMs: number;
    readonly silentAfterMs: number;
    readonly onHeld: () => void;
  },
): DelayWatch {
  let held = 0;
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const probe = (): void => {
    const begin = performance.now();
    void probeLink(link, options.silentAfterMs).then((result) => {
      if (isOver) return;
      timer = setTimeout(probe, PROBE_EVERY_MS);
      if (result !== "answered" || performance.now() - begin < options.leastMs) return;
      held += 1;
      options.onHeld();
    });
  };
  probe();
  return {
    held: () => held,
    stop() {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
