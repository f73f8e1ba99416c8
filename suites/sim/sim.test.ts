/**
 * Goal: one seed is one run, to the byte, and the pair survives what the two scenarios do to it. Method: whole runs through the same path
 * as the command, in a temporary folder.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { loadScenario } from "../../chaos/plan/catalogue.ts";
import { planRun } from "../../chaos/plan/plan.ts";
import { type RunOutcome, runScenario } from "../../chaos/run.ts";
import type { SimRigMore } from "../../harness/sim/sim-rig.ts";
import { type SimOptions, startSim } from "../../harness/sim/start-sim.ts";

const root = mkdtempSync(join(tmpdir(), "faultline-sim-"));
t.teardown(() => rmSync(root, { recursive: true, force: true }));

interface Ran extends RunOutcome {
  readonly rig: SimRigMore;
}

async function run(
  scenario: string,
  seed: number,
  options: Partial<SimOptions> = {},
): Promise<Ran> {
  const rigs: SimRigMore[] = [];
  const plan = planRun(loadScenario(scenario), { seed, bed: "sim" });
  const outcome = await runScenario(plan, {
    async startBed(spec, { runDir }) {
      const rig = await startSim(spec, { scenario, runDir, ...options });
      rigs.push(rig);
      return rig;
    },
    runRoot: root,
    startedAt: new Date(0),
    commit: "c0ffee",
    environment: {},
    replayOf: (folder) => folder,
    onProgress: () => undefined,
  });
  const [rig] = rigs;
  if (rig === undefined)
    throw new Error(`the bed did not start: ${outcome.verdict.broken?.message}`);
  return { ...outcome, rig };
}

const filesOf = ({ folder }: Ran): readonly string[] =>
  ["history.ndjson", "events.ndjson"].map((name) => readFileSync(join(folder, name), "utf8"));

for (const scenario of ["level2/kill-active", "level2/isolate-active"]) {
  await t.test(`${scenario} passes`, async (t) => {
    for (const seed of [1, 2, 3]) {
      const { verdict } = await run(scenario, seed);
      t.equal(verdict.verdict, "pass", `seed ${seed}: ${JSON.stringify(verdict.checks)}`);
    }
    t.end();
  });

  await t.test(`${scenario}: equal seeds give equal bytes, other seeds others`, async (t) => {
    const [one, again, other] = [
      await run(scenario, 7),
      await run(scenario, 7),
      await run(scenario, 8),
    ];
    const [history, events] = filesOf(one);
    t.ok(
      (history ?? "").length > 10_000 && (events ?? "").length > 1_000,
      "the record is not empty",
    );
    t.same(filesOf(again), filesOf(one));
    t.not(filesOf(other)[0], history);
    t.end();
  });
}

await t.test(
  "frames that pass through their codecs and frames that do not give one run",
  async (t) => {
    for (const [scenario, seed] of [
      ["level2/kill-active", 5],
      ["level2/cascade", 1],
      ["resync/blank-disk", 2],
    ] as const) {
      const encoded = await run(scenario, seed, { isEncoded: true });
      const plain = await run(scenario, seed, { isEncoded: false });
      t.equal(encoded.verdict.verdict, "pass", `${scenario}, seed ${seed}`);
      t.same(filesOf(plain), filesOf(encoded), `${scenario}, seed ${seed}`);
    }
    t.end();
  },
);

await t.test("a core that breaks one of its own rules ends its host with status 10", async (t) => {
  const { makeCore } = await import("../../harness/sim/core.ts");
  const { rig, verdict } = await run("level2/kill-active", 1, {
    makeCore(config) {
      const core = makeCore(config);
      let ticks = 0;
      return {
        peek: () => core.peek(),
        step(event) {
          if (event.kind === "tick") ticks += 1;
          if (ticks === 100) throw new RangeError("the planted throw");
          return core.step(event);
        },
      };
    },
  });
  const [exit] = rig.exits();
  t.match(exit, { status: 10, expected: false });
  t.equal(verdict.verdict, "fail");
  t.end();
});
