/**
 * Goal: every scenario passes in every bed that it names.
 * Method: some seeds each in `sim`, in this process; short runs of each family in `local` by the built command. The counts that a release is held to are
 * `npm run bench -- --full`.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import t from "tap";
import { loadScenario } from "../../chaos/plan/catalogue.ts";
import { planRun } from "../../chaos/plan/plan.ts";
import { runScenario } from "../../chaos/run.ts";
import { bedStarter } from "../../harness/cli/beds.ts";
import type { VerdictDocument } from "../../harness/record/types.ts";

const ROOT = process.cwd();
const out = mkdtempSync(join(tmpdir(), "faultline-scenarios-"));
t.teardown(() => rmSync(out, { recursive: true, force: true }));
t.setTimeout(1_200_000);

const SEEDS = 8;
const GOOD = { verdict: "pass", why: [] };

async function batch(args: readonly string[], proxy: "as found" | "embedded") {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  const asked = proxy === "embedded" ? { FAULTLINE_TOXIPROXY: proxy } : {};
  const { exitCode, stdout } = await execa(
    process.execPath,
    [join(ROOT, "harness/cli/bin.js"), "run", ...args, "--out", out, "--json"],
    {
      env: { ...env, ...asked },
      extendEnv: false,
      reject: false,
      stdin: "ignore",
      timeout: 240_000,
    },
  );
  const summary: unknown = JSON.parse(stdout);
  return { exitCode, summary };
}

const scenarios = readdirSync(join(ROOT, "chaos/scenarios"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => file.slice(0, -".yaml".length))
  .sort();

/** What the two releases so far have promised; further ones may come. */
const PROMISED = [
  "boot/old-image",
  "boot/old-image-of-a-former-start",
  "level2/blackhole-active",
  "level2/blackhole-alink",
  "level2/cascade",
  "level2/drain",
  "level2/hang-active",
  "level2/hang-standby",
  "level2/isolate-active",
  "level2/kill-active",
  "level2/kill-quorum",
  "level2/kill-standby",
  "level2/return-and-kill-other",
  "level2/switch-over",
  "power/both-at-once",
  "power/both-staggered-current-first",
  "power/both-staggered-stale-first",
  "resync/blank-disk",
  "resync/crash-source",
  "resync/crash-target",
  "split/quorum-lost-first",
  "split/quorum-returns-to-one",
  "split/resolved",
  "split/with-quorum",
  "split/without-quorum",
];

await t.test("the folder holds the scenarios that are promised", async (t) => {
  t.same(
    PROMISED.filter((name) => !scenarios.includes(name)),
    [],
  );
  t.end();
});

/** Seeds that once failed, and why that was possible. */
const ONCE_FAILED: Readonly<Record<string, readonly number[]>> = {
  // The rule on epochs took the newest write with a block's content for the one that is there; in a split brain both sides wrote the same bytes.
  "split/without-quorum": [1_276, 1_429],
};

for (const name of scenarios) {
  await t.test(`${name} passes ${SEEDS} seeds in simulated time`, async (t) => {
    const scenario = loadScenario(name);
    const fresh = Array.from({ length: SEEDS }, (_, index) => index + 1);
    for (const seed of [...fresh, ...(ONCE_FAILED[name] ?? [])]) {
      const { verdict, folder } = await runScenario(planRun(scenario, { seed, bed: "sim" }), {
        startBed: bedStarter("sim", { env: {} }),
        runRoot: out,
        startedAt: new Date(0),
        commit: "test",
        environment: {},
        replayOf: () => "",
        onProgress: () => undefined,
      });
      rmSync(folder, { recursive: true });
      t.match({ verdict: verdict.verdict, why: whyNot(verdict) }, GOOD, `seed ${seed}`);
    }
  });
}

function whyNot({ checks }: VerdictDocument): readonly string[] {
  return checks.flatMap(({ name, verdict, why }) =>
    verdict === "pass" ? [] : [`${name}: ${why}`],
  );
}

/** One of each family: a run takes seconds, and the counts that a release is held to are the bench's. */
const LOCAL = [
  ["level2/kill-active", "as found"],
  ["level2/return-and-kill-other", "as found"],
  ["level2/hang-active", "as found"],
  ["split/resolved", "embedded"],
  ["power/both-at-once", "as found"],
  ["resync/blank-disk", "embedded"],
] as const;

for (const [scenario, proxy] of LOCAL) {
  await t.test(`${scenario} passes in real processes`, async (t) => {
    const seeds = ["--seeds", "1..1", "--workload", "short"];
    const { exitCode, summary } = await batch([scenario, "--bed", "local", ...seeds], proxy);
    t.match(summary, { n: 1, counts: { pass: 1 }, lost: 0, silentBlocks: 0 });
    const name = proxy === "embedded" ? /^embedded/ : /^toxiproxy/;
    t.match(summary, { proxy: name }, `proxy ${proxy}`);
    t.equal(exitCode, 0, "status");
    t.end();
  });
}
