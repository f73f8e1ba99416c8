/**
 * Goal: every scenario passes in every bed to be had.
 * Method: the built command; a run each with real processes, through the proxy as found and the embedded one in turn, and ten seeds each in simulated time
 * with all its threads.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import t from "tap";
import { loadScenario, scenarioNames } from "../../chaos/plan/catalogue.ts";

const BIN = join(process.cwd(), "harness/cli/bin.js");
const out = mkdtempSync(join(tmpdir(), "faultline-beds-"));
t.teardown(() => rmSync(out, { recursive: true, force: true }));
t.setTimeout(1_500_000);

async function run(args: readonly string[], proxy = "") {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  const { exitCode, stdout, stderr } = await execa(
    process.execPath,
    [BIN, "run", ...args, "--out", out],
    {
      env: { ...env, ...(proxy === "" ? {} : { FAULTLINE_TOXIPROXY: proxy }) },
      extendEnv: false,
      reject: false,
      stdin: "ignore",
      timeout: 300_000,
    },
  );
  return { exitCode, said: `${stdout.slice(0, 1_500)}\n${stderr.slice(-500)}` };
}

for (const [index, name] of scenarioNames().entries()) {
  const { beds } = loadScenario(name);
  if (beds.includes("sim")) {
    await t.test(`${name} in sim`, async (t) => {
      const { exitCode, said } = await run([name, "--bed", "sim", "--seeds", "1..10"]);
      t.equal(exitCode, 0, said);
    });
  }
  if (!beds.includes("local")) continue;
  const proxy = index % 2 === 0 ? "" : "embedded";
  await t.test(`${name} in local, ${proxy === "" ? "proxy as found" : proxy}`, async (t) => {
    const { exitCode, said } = await run([name, "--bed", "local", "--workload", "short"], proxy);
    t.equal(exitCode, 0, said);
  });
}
