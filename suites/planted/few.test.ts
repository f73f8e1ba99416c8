/**
 * Goal: the checkers and invariants see a real mistake; the whole list is the business of planted.test.ts.
 * Method: three of the mutations, each in a copy of the built program, which runs seeds of two scenarios and of one profile until one fails.
 */
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import t from "tap";
import { MUTATIONS } from "./mutations.ts";
import { hunt, plant } from "./plant.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const RUNS_MAX = 200;
const FINDERS = [
  ["run", "level2/kill-active", "--bed", "sim"],
  ["run", "level2/isolate-active", "--bed", "sim"],
  ["sim", "--profile", "everything"],
];
const FEW = [
  "a write completes without the peer's wrote",
  "an open host becomes sole without a grant",
  "input is taken in after the lease ended",
];

t.setTimeout(300_000);

for (const name of FEW) {
  await t.test(`found within ${RUNS_MAX} runs: ${name}`, async (t) => {
    const mutation = MUTATIONS.find((one) => one.name === name);
    if (mutation === undefined) throw new Error(`there is no mutation "${name}"`);
    const folder = plant(ROOT, mutation);
    t.teardown(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    const found = await hunt(folder, { finders: FINDERS, firstSeed: 1, runsMax: RUNS_MAX });
    t.not(found.runs, null, "some seed fails");
    t.comment(
      `run ${found.runs}, seed ${found.seed} of ${found.finder.join(" ")}: ${found.why[0]}`,
    );
  });
}
