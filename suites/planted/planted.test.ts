/**
 * Goal: the checkers and invariants see a real mistake.
 * Method: each mutation is applied to a copy of the built program, which then runs seeds of both scenarios in `sim` until one fails.
 */
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import t from "tap";
import { MUTATIONS, type Mutation } from "./mutations.ts";
import { hunt, mutate, plant } from "./plant.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const SCENARIOS = ["level2/kill-active", "level2/isolate-active"];
const SEEDS_MAX = 500;

t.setTimeout(600_000);

await t.test("a mutation that no longer applies is an error", async (t) => {
  const gone: Mutation = { name: "gone", file: "x.ts", find: "not there", replace: "", rule: "" };
  t.throws(() => mutate("some source", gone), { message: /no longer applies/ });
});

for (const mutation of MUTATIONS) {
  await t.test(
    `found within ${SEEDS_MAX} seeds: ${mutation.name} (${mutation.rule})`,
    async (t) => {
      const folder = plant(ROOT, mutation);
      t.teardown(() => {
        rmSync(folder, { recursive: true, force: true });
      });
      const { seeds, scenario, why } = await hunt(folder, SCENARIOS, SEEDS_MAX);
      t.not(seeds, null, "some seed fails");
      const found = why.find((line) => line.startsWith("invariants")) ?? why[0] ?? "";
      t.comment(`planted "${mutation.name}": seed ${String(seeds)}, ${scenario}: ${found}`);
    },
  );
}
