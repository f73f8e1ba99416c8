/** A scenario: what is set up, what goes wrong, and what must hold then. Plain data; docs/scenarios.md describes the file. */
import * as v from "valibot";
import { parseDataFile } from "./data-file.ts";
import { expectationsSchema } from "./expectations-schema.ts";
import { countSchema, scenarioStepsSchema, spanSchema } from "./steps.ts";

export const BEDS = ["local", "sim"] as const;
export type BedName = (typeof BEDS)[number];

/** Checkers that a scenario may ask for. */
export const CHECKS = [
  "linearizability",
  "durability",
  "divergence",
  "one-runner",
  "invariants",
  "recovery",
  "split-brain",
] as const;
export type CheckName = (typeof CHECKS)[number];

export const WORKLOADS = ["reference", "probe", "short"] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

/** Quorum services, and sites' switches. */
export const QUORUMS = ["one", "two", "none"] as const;
export const SWITCHES = ["one", "two"] as const;

export const topologySchema = v.strictObject({
  quorum: v.picklist(QUORUMS),
  /** `two`: host a at site a with switch s1, host b at site b with s2, and a trunk between them. */
  switches: v.optional(v.picklist(SWITCHES), "one"),
  /** A quorum service that started anew grants nothing until both hosts confirmed. */
  confirmAfterRestart: v.optional(v.boolean(), false),
  /** Host that runs the VM first; `any`: the seed draws it. */
  preferred: v.optional(v.picklist(["a", "b", "any"]), "any"),
  /** Unit: pages of 64 KiB. */
  memoryPages: v.optional(v.pipe(countSchema, v.minValue(1)), 64),
  /** Unit: blocks of 4 KiB. */
  volumeBlocks: v.optional(v.pipe(countSchema, v.minValue(1)), 16_384),
  peerLoss: v.optional(v.picklist(["preferred", "continue"]), "preferred"),
  /** One-way delay of every link. Unit: milliseconds. */
  linkDelayMs: v.optional(v.pipe(countSchema, v.maxValue(1_000)), 0),
});

/** Where the clients are, and whether the sites use the same keys. */
export const clientsEntries = {
  sites: v.optional(
    v.pipe(
      v.array(v.picklist(["a", "b"])),
      v.minLength(1),
      v.check((sites) => new Set(sites).size === sites.length, "a site stands twice"),
    ),
    ["a"],
  ),
  keys: v.optional(v.picklist(["shared", "disjoint"]), "shared"),
};
const clientsSchema = v.strictObject({
  ...clientsEntries,
  /** Closed-loop clients beside the probes. Absent: as many as the bed bears. */
  count: v.optional(v.pipe(countSchema, v.minValue(1), v.maxValue(256))),
});

/** What ends the fault phase, and what is owed then. */
const CONVERGENCES = ["service", "duplex", "pre-elected", "safety-only"] as const;
export const convergeSchema = v.picklist(CONVERGENCES);
export const budgetSchema = v.picklist(["inside", "outside"]);
export const checksSchema = v.pipe(v.array(v.picklist(CHECKS)), v.minLength(1));
export const deadlineSchema = v.pipe(spanSchema, v.minValue(1));
export const nameSchema = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9-]+(\/[a-z0-9-]+)*$/, "must be words of a-z, 0-9 and -, divided by /"),
);

const scenarioSchema = v.pipe(
  v.strictObject({
    name: nameSchema,
    /** One sentence for `list`. */
    title: v.pipe(v.string(), v.minLength(1)),
    level: v.picklist([1, 2, 3]),
    /** Where it runs; the first one is taken unless another is asked for. */
    beds: v.pipe(v.array(v.picklist(BEDS)), v.minLength(1)),
    topology: topologySchema,
    workload: v.picklist(WORKLOADS),
    clients: v.optional(clientsSchema, {}),
    /** Length of the calm phase, in place of the workload's own. Unit: milliseconds. */
    calmMs: v.optional(spanSchema),
    /** As a random plan's: a step that finds nothing to hit is passed over, and a fault that did not bite says nothing about the run. */
    swarm: v.optional(v.boolean(), false),
    steps: scenarioStepsSchema,
    converge: convergeSchema,
    /** `inside`: the system must tolerate this, so the service is owed. `outside`: only safety is, and what `converge` says with the operator's help. */
    budget: budgetSchema,
    /** From the last fault to convergence at most. Unit: milliseconds. */
    deadlineMs: v.optional(deadlineSchema, 20_000),
    checks: checksSchema,
    expect: v.optional(expectationsSchema, {}),
  }),
  v.forward(
    v.check(
      ({ converge, budget, steps }) =>
        budget === "inside"
          ? converge !== "safety-only"
          : converge === "safety-only" || steps.some((step) => "operator" in step),
      "`safety-only` is for what lies outside the budget, and nothing more is owed there without an operator",
    ),
    ["budget"],
  ),
  v.forward(
    v.check(({ steps, swarm }) => swarm || steps.length > 0, "name at least one step"),
    ["steps"],
  ),
  v.forward(
    v.check(
      ({ topology, clients }) => topology.switches === "two" || !clients.sites.includes("b"),
      "clients at site b need `switches: two`",
    ),
    ["clients"],
  ),
);

export type Scenario = v.InferOutput<typeof scenarioSchema>;

/**
 * @param path for messages
 * @throws HarnessError BAD_SCENARIO naming file, line and column of each mistake
 */
export function parseScenario(text: string, path: string): Scenario {
  return parseDataFile(text, path, scenarioSchema);
}
