/**
 * Goal: a seed of a profile is a plan that can be written down, read and run, always the same one; what it draws for one step moves no other; and seeds that
 * once failed pass.
 * Method: plans of many seeds compared as data; the named seeds run in simulated time, in this process.
 */
import t from "tap";
import { parsePlan } from "../../chaos/plan/plan.ts";
import { isFaultStep } from "../../chaos/plan/steps.ts";
import { runScenario } from "../../chaos/run.ts";
import { planSwarm, profileNamed } from "../../chaos/swarm/draw-plan.ts";
import { PROFILES, type ProfileName } from "../../chaos/swarm/profiles.ts";
import { startSim } from "../../harness/sim/start-sim.ts";

const SEEDS = Array.from({ length: 300 }, (_, index) => index + 1);

/** Seeds that once failed, and why that was possible. */
const ONCE_FAILED: readonly (readonly [profile: ProfileName, seed: number, found: string])[] = [
  ["disk", 5, "an old image remembered the good copy's former disk, and had it quarantined"],
  ["disk", 6, "an image of a host that had been alone counted as a side of a split brain"],
  ["disk", 23, "a quarantined old image accused the good copy in the next session"],
  ["disk", 1_017, "so did the image of a disk that was being filled"],
  ["disk", 1_048, "an old image of an elected host had nothing in common with the good copy"],
  ["disk", 11, "a peer that was blank when it was heard had no generation that it could have left"],
  ["disk", 31, "and what a target remembered before it was filled was looked up by the wrong one"],
  ["disk", 40, "a generation older than a whole history was none of its past"],
  ["everything", 12, "an old image remembered the good copy's former disk, which was overwritten"],
  ["site", 31, "intent bits of one boot waited for write numbers of the next: no switch-over came"],
];

const plan = (profile: ProfileName, seed: number) => planSwarm(profile, { seed, bed: "sim" });

const kindOf = (step: ReturnType<typeof plan>["steps"][number]): string =>
  isFaultStep(step) ? step.fault : step.operator;

await t.test("a drawn plan is plain data, the same every time", (t) => {
  for (const profile of PROFILES) {
    for (const seed of SEEDS.slice(0, 50)) {
      const drawn = plan(profile, seed);
      t.same(plan(profile, seed), drawn);
      t.same(
        parsePlan(JSON.stringify(drawn), "plan.json"),
        drawn,
        `${profile} ${seed} is read back`,
      );
    }
  }
  t.equal(profileNamed("swarm/power"), "power");
  t.equal(profileNamed("swarm/none"), null);
  t.end();
});

await t.test("each profile draws its own families, and everything draws all", (t) => {
  const kindsOf = (profile: ProfileName): ReadonlySet<string> =>
    new Set(SEEDS.flatMap((seed) => plan(profile, seed).steps.map(kindOf)));
  t.equal(kindsOf("calm").size, 0);
  t.notOk(kindsOf("network").has("restart-host"));
  t.notOk(kindsOf("power").has("blackhole-link"));
  for (const kind of ["blank-disk", "old-disk"]) t.ok(kindsOf("disk").has(kind));
  const all = kindsOf("everything");
  for (const kind of [
    ...["restart-host", "pause-host", "cut-power", "kill-quorum", "isolate-host", "switch-over"],
    ...["refuse-link", "blackhole-link", "jam-link", "delay-link", "blank-disk", "old-disk"],
  ]) {
    t.ok(all.has(kind), kind);
  }
  const sizes = SEEDS.map((seed) => new Set(plan("everything", seed).steps.map(kindOf)).size);
  t.ok(Math.min(...sizes) < 4 && Math.max(...sizes) > 6, "seeds differ in what exists at all");
  t.end();
});

await t.test("seeds that once failed", async (t) => {
  for (const [profile, seed, found] of ONCE_FAILED) {
    const { verdict } = await runScenario(plan(profile, seed), {
      startBed: (spec, { scenario, plan: { workload } }) =>
        startSim(spec, { runDir: null, scenario, probePeriodMs: workload.probePeriodMs }),
      isRecorded: false,
      runRoot: "",
      startedAt: new Date(0),
      commit: "test",
      environment: {},
      replayOf: () => "",
      onProgress: () => undefined,
    });
    const bad = verdict.checks.filter((check) => check.verdict !== "pass");
    t.same(
      { verdict: verdict.verdict, bad },
      { verdict: "pass", bad: [] },
      `${profile} ${seed}: ${found}`,
    );
  }
});
