/**
 * Goal: the main job runs for real from the command line, and Ctrl-C ends it at once with all that was recorded.
 * Method: the built command with real processes behind Toxiproxy, under the short workload; what is left is looked for by the run's address range.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { execa } from "execa";
import t from "tap";
import { listeningIn } from "../../harness/local/leftovers.ts";
import { readDocument, readEvents } from "../../harness/record/reader.ts";

const BIN = join(process.cwd(), "harness/cli/bin.js");
const cwd = realpathSync(mkdtempSync(join(tmpdir(), "faultline-main-job-")));
t.teardown(() => rmSync(cwd, { recursive: true, force: true }));

function start(args: readonly string[]) {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  return execa(process.execPath, [BIN, ...args], {
    cwd,
    env,
    extendEnv: false,
    reject: false,
    // Its end is no wish to stop.
    stdin: "ignore",
    timeout: 120_000,
  });
}

const latest = (): string => realpathSync(join(cwd, ".faultline/runs/latest"));

/** For a failure's title: TAP has one line for it. */
function lastWords(text: string): string {
  return text.replace(/\s+/g, " ").slice(0, 300);
}

/** From the harness's own words: `cluster 54: starting`. */
function clusterIn(progress: string): number {
  const number = Number(/cluster (\d+): starting/.exec(progress)?.[1]);
  if (Number.isNaN(number)) throw new Error(`no cluster is named in: ${progress}`);
  return number;
}

/** Processes of the run: their command lines name its folder. */
function processesOf(folder: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(folder));
}

/** Empty for a process that has just ended. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** Looks again and again until nothing is found; what is still found after `withinMs`. Nobody tells when somebody else's child has ended. */
async function untilNone<T>(look: () => readonly T[], withinMs: number): Promise<readonly T[]> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = look();
    if (found.length === 0 || performance.now() > deadline) return found;
    await setImmediate();
  }
}

await t.test("real hosts survive the kill of the active one, by one command", async (t) => {
  const args = ["run", "level2/kill-active", "--seed", "7", "--workload", "short"];
  const { exitCode, stdout, stderr } = await start(args);
  t.equal(exitCode, 0, `status; ${lastWords(stdout)}`);
  t.match(stdout, /^PASS /);
  t.match(stdout, /proxy +toxiproxy /);
  const verdict = readDocument(join(latest(), "verdict.json"));
  t.match(verdict, { verdict: "pass", lost: { acknowledged: 0 }, divergence: { silentBlocks: 0 } });
  for (const name of ["a.log", "b.log", "q1.log", "s1.log", "toxiproxy.log"]) {
    t.ok(existsSync(join(latest(), name)), name);
  }
  t.same(listeningIn(clusterIn(stderr)), [], "no port of the run is left");
  t.end();
});

await t.test(
  "SIGKILL of the harness under load leaves no process and no port after 2 s",
  async (t) => {
    const run = start(["run", "level2/kill-active", "--seed", "8"]);
    let progress = "";
    let before: readonly string[] = [];
    let ports: readonly string[] = [];
    for await (const line of run.iterable({ from: "stderr" })) {
      progress += `${line}\n`;
      if (!line.includes("load:")) continue;
      before = processesOf(latest());
      ports = listeningIn(clusterIn(progress));
      run.kill("SIGKILL");
    }
    const cluster = clusterIn(progress);
    const folder = latest();
    t.ok(before.length >= 5, "hosts, quorum service, switch and workload ran");
    t.not(ports.length, 0, "their ports were open");
    const left = await untilNone(() => [...processesOf(folder), ...listeningIn(cluster)], 2_000);
    t.same(left, [], "nothing is left");
    t.notOk(existsSync(join(folder, ".private")), "the secret is gone");
    t.end();
  },
);

await t.test("Ctrl-C ends a run with 130, a partial record and nothing left", async (t) => {
  const run = start(["run", "level2/kill-active", "--seed", "7"]);
  for await (const line of run.iterable({ from: "stderr" })) {
    if (line.includes("load:")) run.kill("SIGINT");
  }
  const { exitCode, stderr, stdout } = await run;
  t.equal(exitCode, 130, `status; ${lastWords(stdout)}`);
  t.equal(stdout.split("\n").at(-1), `.faultline/runs/${latest().split("/").at(-1)}`);
  t.match(readDocument(join(latest(), "verdict.json")), { verdict: "unknown" });
  t.ok(readEvents(join(latest(), "events.ndjson")).lines.length > 10, "events");
  t.match(readFileSync(join(latest(), "history.ndjson"), "utf8"), /"type":"header"/);
  t.same(listeningIn(clusterIn(stderr)), [], "no port of the run is left");
  t.end();
});
