/** Runs of ever smaller plans in simulated time, and whether they fail for the reason that is looked for. */
import { setImmediate } from "node:timers/promises";
import type { Plan } from "../../chaos/plan/plan.ts";
import type { StartBed } from "../../chaos/run.ts";
import { isSameReason, reasonOf } from "../../chaos/shrink/reason.ts";
import type { Failure } from "../../chaos/shrink/shrink-plan.ts";
import type { Micros } from "../record/types.ts";
import type { SimRigMore } from "../sim/sim-rig.ts";
import { startSim } from "../sim/start-sim.ts";
import type { RunPlan } from "./plan-runs.ts";

/**
 * A rule that was broken ends a run at once. A smaller plan, whose steps come no later, breaks it about then or not at all: nobody waits for a run that went on
 * so much longer. Unit: microseconds.
 */
const PATIENCE_US = 3_000_000;

/** Asks of one plan after the other; each failure shortens how long the next run may take. */
export function failsFor(
  reason: readonly string[],
  runPlan: RunPlan,
): (plan: Plan) => Promise<Failure | null> {
  const isRule = reason.some((word) => word.startsWith("invariants: "));
  let latestUs = Number.POSITIVE_INFINITY;
  return async (plan) => {
    const { probePeriodMs } = plan.workload;
    const started: { rig: SimRigMore | null } = { rig: null };
    const isOver = (_rig: SimRigMore, next: Micros): boolean => {
      if (next <= latestUs) return false;
      throw new TookTooLong("the rule would have been broken by now");
    };
    const startBed: StartBed = async (spec, { scenario }) => {
      const rig = await startSim(spec, { runDir: null, scenario, probePeriodMs, isOver });
      started.rig = rig;
      return rig;
    };
    const { verdict, covered } = await runPlan(plan, {
      startBed,
      isRecorded: false,
      replayOf: () => "",
      onProgress: () => undefined,
    });
    // A simulated run never waits for the machine: without this no Ctrl-C is heard.
    await setImmediate();
    if (verdict.verdict !== "fail" || !isSameReason(reasonOf(verdict.checks), reason)) return null;
    if (isRule) latestUs = covered.us + PATIENCE_US;
    return { takenAtMs: takenIn(started.rig, plan.steps.length) };
  };
}

class TookTooLong extends Error {
  override readonly name = "TookTooLong";
}

/** Time stands still once a rule was broken: what the plan did after that did not matter. */
function takenIn(rig: SimRigMore | null, steps: number): Failure["takenAtMs"] {
  const start = rig?.history
    .filter((line) => line.type === "phase")
    .find(({ phase }) => phase === "fault")?.at;
  const events = rig?.events() ?? [];
  const end = events.findIndex(({ source }) => source === "invariant");
  const taken = new Map(
    (end < 0 ? events : events.slice(0, end))
      .filter(({ what, ...event }) => what === "fault" && event["state"] === "injected")
      .map((event) => [event["step"], event["atInjectUs"]]),
  );
  return Array.from({ length: steps }, (_, place) => {
    const at = taken.get(place + 1);
    if (typeof at !== "number" || start === undefined) return null;
    return Math.max(0, Math.floor((at - start) / 1_000));
  });
}
