/**
 * Goal: what surrounds a run neither bends its verdict nor outlives it: a file system that fills up, and four other runs at the same time.
 * Method: the built command with real processes; the full file system is one of this test's own, in a mount namespace that ends with it.
 */
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import t from "tap";
import { listeningIn } from "../../harness/local/leftovers.ts";

const BIN = join(process.cwd(), "harness/cli/bin.js");
const out = realpathSync(mkdtempSync(join(tmpdir(), "faultline-surroundings-")));
t.teardown(() => rmSync(out, { recursive: true, force: true }));
t.setTimeout(300_000);

const ARGS = ["run", "level2/kill-active", "--workload", "short", "--bed", "local"];
const { NODE_OPTIONS: _hooks, ...env } = process.env;
const OPTIONS = {
  env,
  extendEnv: false,
  reject: false,
  stdin: "ignore",
  timeout: 120_000,
} as const;

/** Processes whose command line names the folder. */
function processesIn(folder: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
    } catch {
      return false;
    }
  });
}

// With the first only the start fits; with the others the load, or what is written after it, fills it.
for (const kib of [100, 300, 700, 1_000]) {
  const isRoot = process.platform === "linux" && process.getuid?.() === 0;
  await t.test(`a file system of ${kib} KiB fills up`, { skip: !isRoot }, async (t) => {
    const script = `mount -t tmpfs -o size=${kib}k tmpfs "$0" && exec "$@"`;
    const command = [process.execPath, BIN, ...ARGS, "--out", out];
    const run = await execa("unshare", ["-m", "sh", "-c", script, out, ...command], OPTIONS);
    const said = `${run.stdout}\n${run.stderr}`;
    t.equal(run.exitCode, 3, said.slice(-1_500));
    t.match(said, /RUN_FOLDER/, "its code");
    t.match(said, /--out/, "a way out");
    t.same(processesIn(out), [], "no process is left");
  });
}

await t.test("five runs at once do not meet", async (t) => {
  const runs = [1, 2, 3, 4, 5].map((seed) =>
    execa(process.execPath, [BIN, ...ARGS, "--seed", String(seed), "--out", out], OPTIONS),
  );
  const clusters: number[] = [];
  for (const run of runs) {
    const { exitCode, stdout, stderr } = await run;
    // Five clusters on a small machine may leave a figure unproven: `unknown`. None may fail or break.
    t.ok(exitCode === 0 || exitCode === 2, `${stdout.slice(0, 1_500)}\n${stderr.slice(-500)}`);
    clusters.push(Number(/cluster (\d+): starting/.exec(stderr)?.[1]));
  }
  t.equal(new Set(clusters).size, runs.length, `addresses of their own: ${clusters.join(", ")}`);
  for (const cluster of clusters) t.same(listeningIn(cluster), [], "no port is left");
  t.same(processesIn(out), [], "no process is left");
});
