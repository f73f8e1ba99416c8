import type * as v from "valibot";
import type { Rig } from "../../harness/rig/rig.ts";
import { blackholeLink, blackholeLinkEntries } from "./blackhole-link.ts";
import { type BlankDiskSpec, blankDisk, blankDiskEntries } from "./blank-disk.ts";
import { type BreakDiskSpec, breakDisk, breakDiskEntries } from "./break-disk.ts";
import { type CutPowerSpec, cutPower, cutPowerEntries } from "./cut-power.ts";
import { type DelayLinkSpec, delayLink, delayLinkEntries } from "./delay-link.ts";
import type { ActiveFault, Fault, FaultContext, FaultKind } from "./fault.ts";
import { type IsolateHostSpec, isolateHost, isolateHostEntries } from "./isolate-host.ts";
import { jamLink, jamLinkEntries } from "./jam-link.ts";
import { type KillHostSpec, killHost, killHostEntries } from "./kill-host.ts";
import { type KillQuorumSpec, killQuorum, killQuorumEntries } from "./kill-quorum.ts";
import type { LinkTargetSpec } from "./link-target.ts";
import { type OldDiskSpec, oldDisk, oldDiskEntries } from "./old-disk.ts";
import { type PauseHostSpec, pauseHost, pauseHostEntries } from "./pause-host.ts";
import { type RefuseLinkSpec, refuseLink, refuseLinkEntries } from "./refuse-link.ts";
import { type RestartHostSpec, restartHost, restartHostEntries } from "./restart-host.ts";

/** Plain data of each fault. */
interface Specs {
  readonly "kill-host": KillHostSpec;
  readonly "restart-host": RestartHostSpec;
  readonly "pause-host": PauseHostSpec;
  readonly "cut-power": CutPowerSpec;
  readonly "kill-quorum": KillQuorumSpec;
  readonly "isolate-host": IsolateHostSpec;
  readonly "refuse-link": RefuseLinkSpec;
  readonly "blackhole-link": LinkTargetSpec;
  readonly "jam-link": LinkTargetSpec;
  readonly "delay-link": DelayLinkSpec;
  readonly "blank-disk": BlankDiskSpec;
  readonly "break-disk": BreakDiskSpec;
  readonly "old-disk": OldDiskSpec;
}

/** Fault and its plain data, by kind. */
export type FaultSpec<Kind extends FaultKind = FaultKind> = {
  readonly [K in Kind]: { readonly fault: K } & Specs[K];
}[Kind];

/**
 * Schema entries by kind: what a step may say of each fault.
 *
 * @param span schema of a time span: a scenario may leave it to the seed, a plan may not
 */
export const faultEntries = <Span extends v.GenericSchema>(span: Span) =>
  ({
    "kill-host": killHostEntries,
    "restart-host": restartHostEntries(span),
    "pause-host": pauseHostEntries,
    "cut-power": cutPowerEntries(span),
    "kill-quorum": killQuorumEntries,
    "isolate-host": isolateHostEntries,
    "refuse-link": refuseLinkEntries,
    "blackhole-link": blackholeLinkEntries,
    "jam-link": jamLinkEntries,
    "delay-link": delayLinkEntries,
    "blank-disk": blankDiskEntries(span),
    "break-disk": breakDiskEntries,
    "old-disk": oldDiskEntries(span),
  }) as const satisfies Record<FaultKind, object>;

const FAULTS: { readonly [Kind in FaultKind]: Fault<Specs[Kind]> } = {
  "kill-host": killHost,
  "restart-host": restartHost,
  "pause-host": pauseHost,
  "cut-power": cutPower,
  "kill-quorum": killQuorum,
  "isolate-host": isolateHost,
  "refuse-link": refuseLink,
  "blackhole-link": blackholeLink,
  "jam-link": jamLink,
  "delay-link": delayLink,
  "blank-disk": blankDisk,
  "break-disk": breakDisk,
  "old-disk": oldDisk,
};

export type FaultDescription = Pick<Fault<unknown>, "summary" | "effect" | "proves"> & {
  readonly fault: string;
};

/** All kinds, in the order of their names. */
export function describeFaults(): readonly FaultDescription[] {
  return Object.entries(FAULTS)
    .map(([fault, { summary, effect, proves }]) => ({ fault, summary, effect, proves }))
    .sort((left, right) => (left.fault < right.fault ? -1 : 1));
}

/** @throws HarnessError BAD_SCENARIO for a target that does not exist */
export async function inject<Kind extends FaultKind>(
  spec: FaultSpec<Kind>,
  rig: Rig,
  context: FaultContext,
): Promise<ActiveFault> {
  const fault: Fault<FaultSpec<Kind>> = FAULTS[spec.fault];
  return fault.inject(spec, rig, context);
}
