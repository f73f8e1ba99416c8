/**
 * Goal: the checkers and invariants see a real mistake.
 * Method: each mutation is applied to a copy of the built program, which then runs random plans of each profile with faults, and split brains by policy, until
 * a seed fails.
 */
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import t from "tap";
import { PROFILES } from "../../chaos/swarm/profiles.ts";
import { MUTATIONS } from "./mutations.ts";
import { type Finder, hunt, plant } from "./plant.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const RUNS_MAX = 1_000;

const FINDERS: readonly Finder[] = [
  ...PROFILES.filter((profile) => profile !== "calm").map((profile) => [
    "sim",
    "--profile",
    profile,
    "--keep-going",
  ]),
  // Random plans do not ask whether a split brain was told: there is nothing that they could owe.
  ["run", "split/without-quorum", "--bed", "sim"],
];

t.setTimeout(3_600_000);

for (const mutation of MUTATIONS) {
  const { name, rule } = mutation;
  await t.test(`found within ${RUNS_MAX} runs: ${name} (${rule})`, async (t) => {
    const folder = plant(ROOT, mutation);
    t.teardown(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    const found = await hunt(folder, { finders: FINDERS, firstSeed: 1, runsMax: RUNS_MAX });
    t.not(found.runs, null, "some seed fails");
    const why = found.why.find((line) => line.startsWith("invariants")) ?? found.why[0] ?? "";
    const run = `run ${String(found.runs)}, seed ${found.seed} of ${found.finder.join(" ")}`;
    t.comment(`planted "${name}": ${run}: ${why}`);
  });
}
