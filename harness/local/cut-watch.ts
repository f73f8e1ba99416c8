import type { Endpoint } from "../../node/ports/process-file.ts";
import type { CutKind, Direction } from "../rig/rig.ts";
import { type ProbeResult, probeLink } from "./link-probe.ts";

/** Between two probes of a link that stays cut. */
const PROBE_EVERY_MS = 1_000;

/** What a probe must meet. The link answered before its cut, so a listener that closes has heard us, and its answer is gone. */
function proofs(kind: CutKind, direction: Direction): readonly ProbeResult[] {
  if (kind === "refuse") return ["refused"];
  return direction === "backward" ? ["silent", "closed"] : ["silent"];
}

/** Keeps probing one cut link, from now on. */
export interface CutWatch {
  /** Probes that the cut has stopped so far. */
  stopped(): number;
  /** Drops the probe under way, which then counts for nothing. Idempotent. */
  stop(): void;
}

export function watchCut(
  link: Endpoint,
  cut: { readonly kind: CutKind; readonly direction: Direction },
  options: { readonly silentAfterMs: number; readonly onStopped: () => void },
): CutWatch {
  const expected = proofs(cut.kind, cut.direction);
  let stopped = 0;
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const probe = (): void => {
    void probeLink(link, options.silentAfterMs).then((result) => {
      if (isOver) return;
      timer = setTimeout(probe, PROBE_EVERY_MS);
      if (!expected.includes(result)) return;
      stopped += 1;
      options.onStopped();
    });
  };
  probe();
  return {
    stopped: () => stopped,
    stop() {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
