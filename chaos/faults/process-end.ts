/** Processes that a fault ends by SIGKILL, and the proof that it was the fault that ended them. */
import type { Micros } from "../../harness/record/types.ts";
import type { Rig } from "../../harness/rig/rig.ts";
import type { Proof } from "./fault.ts";

export interface KilledProcesses {
  /** Run clock immediately before the first kill. */
  readonly at: Micros;
  /** Each of them ended by SIGKILL, and had not ended before. */
  readonly proof: () => Proof;
}

/** Kills them at one instant. */
export async function killProcesses(
  targets: readonly string[],
  rig: Rig,
): Promise<KilledProcesses> {
  // A process may have ended before, in another life.
  const before = new Map(targets.map((target) => [target, endsOf(target, rig).length]));
  const at = await rig.kill(...targets);
  return {
    at,
    proof() {
      const looks = targets.map((target) => {
        return proofOf(target, endsOf(target, rig)[before.get(target) ?? 0], rig);
      });
      return {
        hasBitten: looks.length > 0 && looks.every(({ hasBitten }) => hasBitten),
        why: looks.map(({ why }) => why).join(", "),
      };
    },
  };
}

function endsOf(target: string, rig: Rig) {
  return rig.exits().filter(({ process }) => process === target);
}

function proofOf(
  target: string,
  end: ReturnType<typeof endsOf>[number] | undefined,
  rig: Rig,
): Proof {
  if (end === undefined) {
    const why = rig.alive(target)
      ? `${target} is alive after its kill`
      : `${target} was dead before its kill`;
    return { hasBitten: false, why };
  }
  if (end.signal !== "SIGKILL") {
    const how = end.signal ?? `status ${end.status}`;
    return { hasBitten: false, why: `${target} had ended by itself with ${how}` };
  }
  return { hasBitten: true, why: `${target} ended by SIGKILL` };
}
