import * as v from "valibot";
import { HarnessError } from "../../harness/errors.ts";
import type { Rig } from "../../harness/rig/rig.ts";

/** A word of `TargetWord`, or the name of a process; the rig resolves it at the fault instant. */
export const targetSchema = v.pipe(
  v.string(),
  v.minLength(1, "name a host, or say active, standby, random"),
);

/** @throws HarnessError BAD_SCENARIO when the word stands for something else than a host */
export function resolveHost(on: string, rig: Rig): string {
  return resolveAmong(rig.topology.hosts, { on, what: "host" }, rig);
}

/** @throws HarnessError BAD_SCENARIO when the word stands for something else than a quorum service */
export function resolveService(on: string, rig: Rig): string {
  return resolveAmong(rig.topology.services, { on, what: "quorum service" }, rig);
}

function resolveAmong(
  names: readonly string[],
  { on, what }: { readonly on: string; readonly what: string },
  rig: Rig,
): string {
  const target = rig.resolve(on);
  if (names.includes(target)) return target;
  const known = names.length === 0 ? "this topology has none" : `use ${names.join(", ")}`;
  throw new HarnessError("BAD_SCENARIO", `"${on}" is no ${what}: ${known}`, {
    hint: "Compare the step with docs/scenarios.md.",
  });
}
