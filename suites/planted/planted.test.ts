/**
 * Goal: the checkers and invariants see a real mistake.
 * Method: each mutation is applied to a copy of the built program, which then runs seeds of every simulated scenario until one fails.
 */
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import t from "tap";
import { loadScenario, scenarioNames } from "../../chaos/plan/catalogue.ts";
import { MUTATIONS } from "./mutations.ts";
import { type Finder, hunt, plant } from "./plant.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const RUNS_MAX = 500;

const FINDERS: readonly Finder[] = scenarioNames()
  .filter((name) => loadScenario(name).beds.includes("sim"))
  .map((name) => ["run", name, "--bed", "sim"]);

t.setTimeout(3_600_000);

for (const mutation of MUTATIONS) {
  const { name, rule } = mutation;
  await t.test(`found within ${RUNS_MAX} runs: ${name} (${rule})`, async (t) => {
    const folder = plant(ROOT, mutation);
    t.teardown(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    const found = await hunt(folder, { finders: FINDERS, firstSeed: 1, runsMax: RUNS_MAX });
    t.not(found.seeds, null, "some seed fails");
    const why = found.why.find((line) => line.startsWith("invariants")) ?? found.why[0] ?? "";
    const run = `run ${String(found.seeds)}, seed ${found.seed} of ${found.finder.join(" ")}`;
    t.comment(`planted "${name}": ${run}: ${why}`);
  });
}
