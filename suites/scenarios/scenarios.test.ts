/**
 * Goal: every scenario passes in every bed that it names.
 * Method: the built command, some dozens of seeds each in `sim`, a few short runs in `local`; the counts that a release is held to are `npm run bench -- --full`.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import t from "tap";

const ROOT = process.cwd();
const out = mkdtempSync(join(tmpdir(), "faultline-scenarios-"));
t.teardown(() => rmSync(out, { recursive: true, force: true }));
t.setTimeout(280_000);

async function batch(args: readonly string[]) {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  const { exitCode, stdout } = await execa(
    process.execPath,
    [join(ROOT, "harness/cli/bin.js"), "run", ...args, "--out", out, "--json"],
    { env, extendEnv: false, reject: false, stdin: "ignore", timeout: 240_000 },
  );
  const summary: unknown = JSON.parse(stdout);
  return { exitCode, summary };
}

const scenarios = readdirSync(join(ROOT, "chaos/scenarios"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => file.slice(0, -".yaml".length))
  .sort();

await t.test("the folder holds the scenarios that are promised", async (t) => {
  t.same(scenarios, ["level2/isolate-active", "level2/kill-active"]);
  t.end();
});

for (const scenario of scenarios) {
  await t.test(`${scenario} passes 30 seeds in simulated time`, async (t) => {
    const { exitCode, summary } = await batch([scenario, "--bed", "sim", "--seeds", "1..30"]);
    t.match(summary, { n: 30, counts: { pass: 30 }, lost: 0, silentBlocks: 0 });
    t.equal(exitCode, 0, "status");
    t.end();
  });
}

await t.test("level2/kill-active passes in real processes, whichever host is active", async (t) => {
  const args = ["level2/kill-active", "--bed", "local", "--seeds", "1..3", "--workload", "short"];
  const { exitCode, summary } = await batch(args);
  t.match(summary, { n: 3, counts: { pass: 3 }, lost: 0, silentBlocks: 0 });
  t.match(summary, { proxy: /toxiproxy/ }, "through the real proxy");
  t.equal(exitCode, 0, "status");
  t.end();
});
