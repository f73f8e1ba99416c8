/** What the package gives to somebody's own suites: docs/writing-a-suite.md. */
import { type Cluster, openCluster } from "./cluster.ts";
import type { ClusterOptions } from "./options.ts";

export { HarnessError, type HarnessErrorCode } from "../../harness/errors.ts";
export type { CheckResult, Recovery, RunEvent } from "../../harness/record/types.ts";
export type { HostView } from "../../harness/rig/rig.ts";
export type { Proof } from "../faults/fault.ts";
export type { HandFault, HandOperator } from "../plan/steps.ts";
export type { Cluster, Injected, Verdict } from "./cluster.ts";
export type { ClusterOptions } from "./options.ts";

/**
 * Brings up a cluster and returns when it is redundant and serves.
 *
 * @throws HarnessError with the code of what failed (docs/errors.md); then nothing is left running
 */
export function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  return openCluster(options, process.env);
}
