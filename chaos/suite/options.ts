/** What a suite may say of its cluster, as a plan without steps. */
import { randomInt } from "node:crypto";
import type { ClusterSpec } from "../../harness/rig/rig.ts";
import type { Plan } from "../plan/plan.ts";
import { type BedName, CHECKS, type WorkloadName } from "../plan/scenario.ts";
import { workloadFor } from "../plan/workloads.ts";

export interface ClusterOptions {
  /** For the record; words of a-z, 0-9 and -, divided by /. Default `suite`. */
  readonly name?: string;
  /** `local`: real processes behind proxies. `sim`: the same hosts in simulated time. Default `local`. */
  readonly bed?: BedName;
  /** Draws what is not said: choices of clients, `random` targets. Default: drawn; it stands in the record. */
  readonly seed?: number;
  /** Quorum services. Default `one`. */
  readonly quorum?: ClusterSpec["quorum"];
  /** Switches, one a site. Default `one`. */
  readonly sites?: ClusterSpec["switches"];
  /** Host that runs the VM first. Default `a`. */
  readonly preferred?: "a" | "b";
  /** What a host does that has lost its peer and no service. Default `preferred`. */
  readonly peerLoss?: ClusterSpec["peerLoss"];
  /** One-way delay of every link. Unit: milliseconds, whole. Default 0. */
  readonly linkDelayMs?: number;
  /** Models a guest that boots so much longer. Unit: milliseconds. Default 0. */
  readonly bootDelayMs?: number;
  /** Program in place of the built host, `["node", "my-host.js"]`; `--file <path>` is appended. Bed `local` alone. */
  readonly hostCommand?: readonly string[];
  /** Run folders go to `<out>/runs/`. Default `.faultline`. */
  readonly out?: string;
  /** One line for people. Default: dropped. */
  readonly onProgress?: (line: string) => void;
}

const SEEDS = 1_000_000;
const DEADLINE_MS = 20_000;
export function planOf(options: ClusterOptions): Plan {
  const { bed = "local", seed = randomInt(SEEDS) } = options;
  const topology: ClusterSpec = {
    seed,
    quorum: options.quorum ?? "one",
    switches: options.sites ?? "one",
    confirmAfterRestart: false,
    preferred: options.preferred ?? "a",
    memoryPages: 64,
    volumeBlocks: 16_384,
    peerLoss: options.peerLoss ?? "preferred",
    bootDelayMs: options.bootDelayMs ?? 0,
    linkDelayMs: options.linkDelayMs ?? 0,
  };
  return {
    schema: 1,
    scenario: options.name ?? "suite",
    level: 2,
    seed,
    bed,
    topology,
    workload: loadOf("short", { bed, seed }),
    steps: [],
    converge: "duplex",
    budget: "inside",
    deadlineMs: DEADLINE_MS,
    // Two hosts alone at once are no suite's aim.
    checks: CHECKS.filter((name) => name !== "split-brain"),
    expect: {},
    swarm: false,
  };
}

export function loadOf(
  name: WorkloadName,
  by: { readonly bed: BedName; readonly seed: number },
): Plan["workload"] {
  const clients = { sites: ["a"], keys: "shared" } as const;
  const { spec, ...times } = workloadFor(name, { ...by, clients });
  return { name, ...times, spec: { ...spec, sites: [...spec.sites] } };
}
