/**
 * What a fault is: plain data, a way to inject it, a way to undo it, and a proof that it bit. A fault speaks to `harness/rig` alone, so
 * it works in every bed that has the thing it breaks.
 */
import type { Micros } from "../../harness/record/types.ts";
import type { Rig, SavedDisk } from "../../harness/rig/rig.ts";

/** Every fault there is; names of the record. */
export type FaultKind =
  | "kill-host"
  | "restart-host"
  | "pause-host"
  | "cut-power"
  | "kill-quorum"
  | "isolate-host"
  | "refuse-link"
  | "blackhole-link"
  | "jam-link"
  | "delay-link"
  | "blank-disk"
  | "break-disk"
  | "old-disk";

/** What was seen of a fault's effect. A fault that did not bite makes the run `unknown`. */
export interface Proof {
  readonly hasBitten: boolean;
  /** What was looked at and found, with n. */
  readonly why: string;
}

/** An injected fault. */
export interface ActiveFault {
  /** Name that the plan's target word stood for; of several, in one text. */
  readonly target: string;
  /** Run clock immediately before the injecting call: the fault instant. */
  readonly at: Micros;
  /** What of the heal comes before the whole of it, in order. */
  readonly parts?: readonly HealPart[];
  /** From the fault instant to the heal, where the fault knows better than the step's `forMs`. Unit: milliseconds. */
  readonly healAfterMs?: number;
  /** It has come to its end by itself, well or badly. Absent: it has none, or had it at once. */
  isSettled?(): boolean;
  /** Undoes what can be undone. Idempotent, also after parts of it. */
  heal(): Promise<void>;
  /** Asked before `heal`, when the effect has had its time. */
  proof(): Proof;
}

export interface HealPart {
  /** Counted from the fault instant. Unit: milliseconds. */
  readonly afterMs: number;
  heal(): Promise<void>;
}

/** What a fault is given beside its own data. */
export interface FaultContext {
  /** Images of the hosts' disks that the plan had taken for this fault; empty: none. */
  readonly images: readonly SavedDisk[];
}

export interface Fault<Spec> {
  /** One sentence for `list`. */
  readonly summary: string;
  /** How it is done in each bed. */
  readonly effect: { readonly local: string; readonly sim: string };
  /** What must be seen before it counts as a fault that bit. */
  readonly proves: string;
  /**
   * Resolves the target now and breaks it. When it throws, nothing stays broken that can be mended.
   *
   * @throws HarnessError BAD_SCENARIO for a target that does not exist
   */
  inject(spec: Spec, rig: Rig, context: FaultContext): Promise<ActiveFault>;
}
