/** A step in which an operator asks something of a host. */
import { HarnessError } from "../harness/errors.ts";
import type { Micros, RunEvent } from "../harness/record/types.ts";
import type { OperatorCommand, Rig } from "../harness/rig/rig.ts";
import type { ActiveFault, Proof } from "./faults/fault.ts";
import { resolveHost } from "./faults/target.ts";
import type { OperatorStep } from "./plan/steps.ts";

/**
 * Gives the command to the host `on`. It has bitten when the host says that it was done.
 *
 * @throws HarnessError BAD_SCENARIO for a target that does not exist, or a dead host
 */
export async function commandHost(step: OperatorStep, rig: Rig): Promise<ActiveFault> {
  const target = resolveHost(step.on, rig);
  const at = await rig.operator(target, commandOf(step, rig));
  const answer = (): RunEvent | undefined => lastAnswer(step.operator, { target, at }, rig);
  return {
    target,
    at,
    isSettled: () => ["done", "refused"].includes(String(answer()?.["state"])),
    heal: () => Promise.resolve(),
    proof: () => proofOf(step.operator, target, answer()),
  };
}

function commandOf({ operator, keep, damaged }: OperatorStep, rig: Rig): OperatorCommand {
  switch (operator) {
    case "resolve":
      return { op: "resolve", keep: resolveHost(keep ?? "", rig), damaged };
    case "force-boot":
      return { op: "force-boot", damaged };
    case "switch-over":
    case "drain":
      return { op: operator };
    default:
      return unreachable(operator);
  }
}

function lastAnswer(
  op: string,
  { target, at }: { readonly target: string; readonly at: Micros },
  rig: Rig,
): RunEvent | undefined {
  return rig
    .events()
    .findLast(
      (event) =>
        event.at >= at &&
        event.source === `host ${target}` &&
        event.what === "operator" &&
        event["op"] === op,
    );
}

function proofOf(op: string, target: string, last: RunEvent | undefined): Proof {
  if (last === undefined) return { hasBitten: false, why: `${target} never answered ${op}` };
  const why = `${target} says of ${op}: ${String(last["state"])} (${String(last["why"])})`;
  return { hasBitten: last["state"] === "done", why };
}

function unreachable(value: never): never {
  throw new HarnessError("BAD_SCENARIO", `no such command: ${JSON.stringify(value)}`, {
    hint: "Compare the step with docs/scenarios.md.",
  });
}
