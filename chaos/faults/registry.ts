import type { Rig } from "../../harness/rig/rig.ts";
import type { ActiveFault, Fault, FaultKind } from "./fault.ts";
import { type IsolateHostSpec, isolateHost, isolateHostEntries } from "./isolate-host.ts";
import { type KillHostSpec, killHost, killHostEntries } from "./kill-host.ts";

/** Fault and its plain data, by kind. */
export type FaultSpec =
  | ({ readonly fault: "kill-host" } & KillHostSpec)
  | ({ readonly fault: "isolate-host" } & IsolateHostSpec);

/** Schema entries by kind: what a plan's step may say of each fault. */
export const FAULT_ENTRIES = {
  "kill-host": killHostEntries,
  "isolate-host": isolateHostEntries,
} as const satisfies Record<FaultKind, object>;

const FAULTS = {
  "kill-host": killHost,
  "isolate-host": isolateHost,
} as const satisfies { [Kind in FaultKind]: Fault<Extract<FaultSpec, { fault: Kind }>> };

/** Kinds with their summaries, in the order of their names. */
export function describeFaults(): readonly { readonly fault: string; readonly summary: string }[] {
  return Object.entries(FAULTS)
    .map(([fault, { summary }]) => ({ fault, summary }))
    .sort((left, right) => (left.fault < right.fault ? -1 : 1));
}

/** @throws HarnessError BAD_SCENARIO for a target that does not exist */
export function inject(spec: FaultSpec, rig: Rig): Promise<ActiveFault> {
  switch (spec.fault) {
    case "kill-host":
      return FAULTS["kill-host"].inject(spec, rig);
    case "isolate-host":
      return FAULTS["isolate-host"].inject(spec, rig);
    default:
      return unreachable(spec);
  }
}

function unreachable(value: never): never {
  throw new TypeError(`no such fault: ${JSON.stringify(value)}`);
}
