/**
 * What a fault is: plain data, a way to inject it, a way to undo it, and a proof that it bit. A fault speaks to `harness/rig` alone, so
 * it works in every bed that has the thing it breaks.
 */
import type { Micros } from "../../harness/record/types.ts";
import type { Rig } from "../../harness/rig/rig.ts";

/** Every fault there is; names of the record. */
export type FaultKind = "kill-host" | "isolate-host";

/** What was seen of a fault's effect. A fault that did not bite makes the run `unknown`. */
export interface Proof {
  readonly hasBitten: boolean;
  /** What was looked at and found, with n. */
  readonly why: string;
}

/** An injected fault. */
export interface ActiveFault {
  /** Name that the plan's target word stood for. */
  readonly target: string;
  /** Run clock immediately before the injecting call: the fault instant. */
  readonly at: Micros;
  /** Undoes what can be undone. Idempotent. */
  heal(): Promise<void>;
  /** Asked before `heal`, when the effect has had its time. */
  proof(): Proof;
}

export interface Fault<Spec> {
  /** One sentence for `list`. */
  readonly summary: string;
  /**
   * Resolves the target now and breaks it. When it throws, nothing stays broken.
   *
   * @throws HarnessError BAD_SCENARIO for a target that does not exist
   */
  inject(spec: Spec, rig: Rig): Promise<ActiveFault>;
}
