import type { WorkloadSpec } from "../../harness/rig/rig.ts";
import type { BedName, WorkloadName } from "./scenario.ts";

interface Shape {
  readonly kind: "reference" | "probe";
  readonly warmUpMs: number;
  readonly calmMs: number;
  /** How long the fault phase goes on after the service is back. Unit: milliseconds. */
  readonly afterServiceMs: number;
}

const SHAPES = {
  reference: { kind: "reference", warmUpMs: 1_000, calmMs: 2_000, afterServiceMs: 3_000 },
  probe: { kind: "probe", warmUpMs: 1_000, calmMs: 2_000, afterServiceMs: 3_000 },
  /** For tests that only ask whether the path holds. */
  short: { kind: "reference", warmUpMs: 300, calmMs: 700, afterServiceMs: 1_000 },
} as const satisfies Record<WorkloadName, Shape>;

/** Simulated clients are few and slow: every operation is a dozen steps of the core, and seeds matter more than load. */
const CLIENTS = {
  local: { clients: 8, thinkMs: 5, probePeriodMs: 2 },
  sim: { clients: 4, thinkMs: 100, probePeriodMs: 10 },
} as const satisfies Record<BedName, object>;

/**
 * What the word of a scenario means in this bed. `afterServiceMs`: how long the fault phase goes on after the service is back;
 * `probePeriodMs`: between two writes of the probe.
 */
export function workloadFor(
  name: WorkloadName,
  of: {
    readonly bed: BedName;
    readonly seed: number;
    readonly clients: Required<Pick<WorkloadSpec, "sites" | "keys">>;
  },
): {
  readonly spec: Required<WorkloadSpec>;
  readonly afterServiceMs: number;
  readonly probePeriodMs: number;
} {
  const { kind, warmUpMs, calmMs, afterServiceMs } = SHAPES[name];
  const { clients, thinkMs, probePeriodMs } = CLIENTS[of.bed];
  const spec = { kind, clients, thinkMs, warmUpMs, calmMs, seed: of.seed, ...of.clients };
  return { spec, afterServiceMs, probePeriodMs };
}
