/** The reference pair of every row that starts a cluster of its own, and what the rows wait for. */
import { isRedundant } from "../../chaos/converge.ts";
import { workloadFor } from "../../chaos/plan/workloads.ts";
import type { RunEvent } from "../../harness/record/types.ts";
import type { ClusterSpec, Rig, WorkloadSpec } from "../../harness/rig/rig.ts";

/** The reference volume: 64 MiB. */
export const VOLUME_BLOCKS = 16_384;

export const REFERENCE: ClusterSpec = {
  seed: 1,
  quorum: "one",
  switches: "one",
  confirmAfterRestart: false,
  preferred: "a",
  memoryPages: 64,
  volumeBlocks: VOLUME_BLOCKS,
  peerLoss: "preferred",
  bootDelayMs: 0,
  linkDelayMs: 0,
};

/** The reference workload of a bed; equal seeds give equal choices of the clients. */
export function referenceLoad(bed: "local" | "sim", seed: number): WorkloadSpec {
  return workloadFor("reference", { bed, seed, clients: { sites: ["a"], keys: "shared" } }).spec;
}

/** From a start or restart to a redundant pair. Unit: microseconds. */
const REDUNDANT_WITHIN_US = 30_000_000;

export function isPairRedundant(rig: Rig): boolean {
  return isRedundant(rig.hosts(), REFERENCE);
}

/** @throws Error naming `what` when it does not come about */
export async function until(rig: Rig, what: string, condition: () => boolean): Promise<void> {
  if (await rig.waitFor(condition, rig.now() + REDUNDANT_WITHIN_US)) return;
  const views = rig.hosts().map(({ host, derived }) => `${host} ${derived ?? "dead"}`);
  throw new Error(`not ${what} within ${REDUNDANT_WITHIN_US / 1e6} s: ${views.join(", ")}`);
}

export function untilRedundant(rig: Rig): Promise<void> {
  return until(rig, "redundant", () => isPairRedundant(rig));
}

/** Of the newest resync since this instant: its source's `started`, and its `done`. */
export function resyncSince(
  events: readonly RunEvent[],
  since: number,
): { readonly from: number; readonly to: number } {
  const said = events.filter(({ what, at }) => what === "resync" && at >= since);
  const from = said.findLast((event) => event["state"] === "started")?.at;
  const to = said.findLast((event) => event["state"] === "done")?.at;
  if (from === undefined || to === undefined) throw new Error("no resync went to its end");
  return { from, to };
}
