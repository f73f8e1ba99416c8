/**
 * Goal: the local bed comes up, breaks what it is told to, proves that it bit, names every way in which a process can fail to start, and
 * leaves nothing behind, however it ends.
 * Method: programs that stand in for hosts, quorum service and switch (fixtures/fake-process.js) behind the real Toxiproxy.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { listeningIn } from "../../harness/local/leftovers.ts";
import { startLocal } from "../../harness/local/start-local.ts";
import { type Child, spawnChild } from "../../harness/process/child.ts";
import { readLines } from "../../harness/process/lines.ts";
import { findProxy } from "../../harness/proxy/find-proxy.ts";
import type { Rig, WorkloadSpec } from "../../harness/rig/rig.ts";
import { eventually } from "./echo.ts";
import {
  clusterOf,
  FIXTURES,
  LINKS,
  optionsFor,
  optionsOf,
  processesWith,
  SECOND,
  SPEC,
  start,
} from "./fake-bed.ts";

// The first run ever builds the proxy.
t.setTimeout(240_000);
await findProxy({ env: process.env, onProgress: (line) => t.comment(line) });

/** With a workload that stands in for the clients. */
async function startWithWorkload(t: Test, mode: string): Promise<{ rig: Rig; runDir: string }> {
  const options = optionsFor(t);
  const workload = [process.execPath, join(FIXTURES, "fake-workload.js"), mode];
  const commands = { ...options.commands, workload };
  const rig = await startLocal(SPEC, { ...options, commands });
  t.teardown(() => rig.teardown());
  return { rig, runDir: options.runDir };
}

await t.test("a bed comes up, tells what its hosts said, and leaves nothing", async (t) => {
  const options = optionsFor(t);
  const rig = await startLocal(SPEC, options);
  const cluster = clusterOf(options.runDir);
  t.match(rig.proxy, /^toxiproxy 2\.12\.0$/);
  const isHeard = (): boolean => rig.hosts().every(({ derived }) => derived === "duplex");
  t.ok(await rig.waitFor(isHeard, rig.now() + SECOND), "both hosts are heard");
  t.same(rig.hosts(), [
    { host: "a", alive: true, derived: "duplex", right: "open", runs: true },
    { host: "b", alive: true, derived: "duplex", right: "open", runs: false },
  ]);
  t.same(
    ["active", "standby", "quorum", "site-b", "s1"].map((it) => rig.resolve(it)),
    [...["a", "b", "q1", "b", "s1"]],
  );
  t.throws(() => rig.resolve("nobody"), { code: "BAD_SCENARIO" });
  const page = rig.events().find(({ source, what }) => source === "host a" && what === "page");
  t.match(page, { right: "open", gen: "g1" });
  t.ok((page?.at ?? -1) >= 0, "on the run's clock");
  await rig.quiesce();
  const hold = rig.now() + 20_000;
  await rig.until(hold);
  t.ok(rig.now() >= hold, "until waits for the run's clock");
  t.equal(await rig.waitFor(() => false, rig.now() + 10_000), false, "a wait has its deadline");
  const secretFile = join(options.runDir, ".private", "secret");
  const secret = readFileSync(secretFile, "utf8");
  t.match(secret, /^[0-9a-f]{32}$/);
  t.equal(statSync(secretFile).mode & 0o777, 0o600);
  t.same(await rig.teardown(), [], "nothing is left");
  t.same(await rig.teardown(), [], "twice is once");
  t.same(listeningIn(cluster), [], "no port");
  t.same(processesWith(options.runDir), [], "no process");
  const expected = ["a", "b", "q1", "s1"];
  t.same(
    rig
      .exits()
      .map(({ process }) => process)
      .sort((left, right) => left.localeCompare(right)),
    expected,
  );
  t.ok(
    rig.exits().every((exit) => exit.expected),
    "the harness ended them all",
  );
  const kept = readdirSync(options.runDir, { recursive: true, encoding: "utf8" });
  t.notOk(
    kept.some((name) => name.startsWith(".private")),
    "the secret's folder is gone",
  );
  for (const name of kept) {
    const path = join(options.runDir, name);
    if (!statSync(path).isFile()) continue;
    t.notOk(readFileSync(path, "utf8").includes(secret), `${name} does not hold the secret`);
  }
});

await t.test("killing ends exactly one process at a known instant", async (t) => {
  const rig = await start(t);
  // Last of what a host says here: its page and its VM are known by then.
  const isHeard = (): boolean => rig.hosts().every(({ derived }) => derived === "duplex");
  t.ok(await rig.waitFor(isHeard, rig.now() + SECOND), "both hosts are heard");
  const before = rig.now();
  const at = await rig.kill(rig.resolve("active"));
  t.ok(at >= before && at <= rig.now(), "the instant lies around the call");
  t.equal(rig.alive("a"), false);
  t.same(
    ["b", "q1", "s1"].map((name) => rig.alive(name)),
    [true, true, true],
  );
  t.same(rig.exits(), [{ process: "a", status: null, signal: "SIGKILL", expected: true }]);
  t.match(rig.events().at(-1), { source: "harness", what: "exit", process: "a", expected: true });
  t.match(rig.hosts()[0], { alive: false, derived: null, right: null, runs: false });
  t.throws(() => rig.resolve("active"), { code: "BAD_SCENARIO" }, "b does not run it");
  await rig.quiesce();
});

for (const kind of ["refuse", "blackhole", "jam"] as const) {
  await t.test(`a cut by ${kind} proves that it bit, and only while it does`, async (t) => {
    const rig = await start(t);
    t.same(
      LINKS.map((link) => rig.stopped(link)),
      [0, 0, 0],
    );
    const at = await rig.cut(LINKS, kind, "both");
    t.ok(at <= rig.now());
    const isProven = (): boolean => LINKS.every((link) => rig.stopped(link) > 0);
    t.ok(await rig.waitFor(isProven, rig.now() + SECOND), "every cut link stopped a probe");
    t.equal(rig.stopped("a>q1/quorum"), 0, "the others none");
    await rig.mend(LINKS);
    await rig.mend(LINKS);
    const proven = LINKS.map((link) => rig.stopped(link));
    await rig.cut(["a>q1/quorum"], "refuse", "both");
    const hasBit = (): boolean => rig.stopped("a>q1/quorum") > 0;
    t.ok(await rig.waitFor(hasBit, rig.now() + SECOND), "the one cut now stopped a probe");
    t.same(
      LINKS.map((link) => rig.stopped(link)),
      proven,
      "mended links stop nothing more",
    );
  });
}

await t.test("a one-way cut is proven too; a cut towards a dead host is not", async (t) => {
  const rig = await start(t);
  await rig.cut(["a>b/alink0"], "blackhole", "backward");
  await rig.cut(["a>b/alink1"], "jam", "forward");
  const isProven = (): boolean => rig.stopped("a>b/alink0") > 0 && rig.stopped("a>b/alink1") > 0;
  t.ok(await rig.waitFor(isProven, rig.now() + SECOND), "both stopped a probe");
  await rig.kill("a");
  await rig.cut(["b>a/mgmt"], "blackhole", "both");
  const hasBit = await rig.waitFor(() => rig.stopped("b>a/mgmt") > 0, rig.now() + SECOND / 2);
  t.notOk(hasBit, "nothing passed there anyway");
  await t.rejects(rig.cut(["a>b/alink0"], "refuse", "forward"), { code: "BAD_SCENARIO" });
  await t.rejects(rig.cut(["a>b/none"], "refuse", "both"), { code: "BAD_SCENARIO" });
});

await t.test("a process that does not start is named with what it said", async (t) => {
  const cases = [
    ["never-ready", "PROCESS_NOT_READY", /no ready line within 400 ms/],
    ["exits", "PROCESS_EXITED", /status 12 \(badFile\) before it was ready: the process file/],
    ["floods", "PROCESS_NOT_READY", /wrote a line above 65536 bytes/],
    ["deaf", "CONTROL_LOST", /control channel of [ab]: .*ECONNREFUSED/],
  ] as const;
  for (const [mode, code, message] of cases) {
    const options = { ...optionsFor(t, mode), readyMs: mode === "never-ready" ? 400 : 5_000 };
    const begin = performance.now();
    await t.rejects(startLocal(SPEC, options), { code, message, hint: /./ }, mode);
    t.ok(performance.now() - begin < 3_000, `${mode} is named in time`);
    t.same(processesWith(options.runDir), [], `${mode} leaves no process`);
    t.notOk(existsSync(join(options.runDir, ".private")), `${mode} leaves no secret`);
  }
});

await t.test("output beyond the ready line is reported once and hurts nobody", async (t) => {
  const rig = await start(t, {}, "chatty");
  const strays = () => rig.events().filter(({ what }) => what === "stray-output");
  t.ok(await rig.waitFor(() => strays().length === 2, rig.now() + SECOND), "one a host");
  t.match(strays()[0], { source: "harness", text: "a line too much" });
  await rig.quiesce();
});

const LOAD: WorkloadSpec = {
  kind: "probe",
  clients: 0,
  thinkMs: 0,
  warmUpMs: 0,
  calmMs: 0,
  seed: 1,
};

await t.test("a workload hears its phases and tells of writes under way", async (t) => {
  const { rig, runDir } = await startWithWorkload(t, "works");
  const workload = await rig.startWorkload(LOAD);
  const isLoaded = (): boolean => workload.inFlightWrites() === 3;
  t.ok(await rig.waitFor(isLoaded, rig.now() + SECOND), "three writes are under way");
  await workload.phase("calm");
  await workload.phase("fault");
  const deadline = rig.now() + SECOND;
  await workload.finish(deadline);
  const commands = readFileSync(join(runDir, "commands"), "utf8");
  t.equal(commands, `phase calm\nphase fault\nfinish ${deadline}\n`);
  const hasEnded = (): boolean => rig.exits().length === 1;
  t.ok(await rig.waitFor(hasEnded, rig.now() + SECOND), "it ends when it is done");
  t.match(rig.exits()[0], { process: "workload", status: 0, expected: true });
});

await t.test("a workload that fails is named with what it said", async (t) => {
  const babbling = await startWithWorkload(t, "babbles");
  const started = babbling.rig.startWorkload(LOAD);
  await t.rejects(started, { code: "WORKLOAD_FAILED", message: /said "hello"/ });
  await babbling.rig.teardown();
  const dying = await startWithWorkload(t, "dies");
  const workload = await dying.rig.startWorkload(LOAD);
  const finished = workload.finish(dying.rig.now() + SECOND);
  const message = /ended with status 7: the client has a bug/;
  await t.rejects(finished, { code: "WORKLOAD_FAILED", message });
});

await t.test("a proxy that ends breaks the run", async (t) => {
  const options = optionsFor(t);
  const rig = await startLocal(SPEC, options);
  t.teardown(() => rig.teardown());
  const cluster = clusterOf(options.runDir);
  // Its watcher has the same words in its command line, and the script.
  const watchers = processesWith("read -r word");
  const servers = processesWith(`127.${cluster}.0.1`).filter((it) => !watchers.includes(it));
  t.equal(servers.length, 1, "one server");
  const [pid = ""] = servers;
  process.kill(Number(pid), "SIGKILL");
  const wait = rig.waitFor(() => false, rig.now() + 2 * SECOND);
  await t.rejects(wait, { code: "PROXY_FAILED", message: /toxiproxy ended with SIGKILL/ });
  t.same(await rig.teardown(), [], "and everything still ends");
});

await t.test("a run folder that cannot be written is named before anything starts", async (t) => {
  const runDir = t.testdir({ file: "" });
  const options = optionsOf(join(runDir, "file", "run"));
  await t.rejects(startLocal(SPEC, options), { code: "RUN_FOLDER" });
});

await t.test("two beds side by side are strangers", async (t) => {
  const folders = t.testdir({ one: {}, two: {} });
  const up = async (name: string): Promise<Rig> => {
    const rig = await startLocal(SPEC, optionsOf(join(folders, name)));
    t.teardown(() => rig.teardown());
    return rig;
  };
  const [one, two] = await Promise.all([up("one"), up("two")]);
  await one.kill("a");
  t.equal(two.alive("a"), true);
});

interface Killed {
  readonly runDir: string;
  readonly child: Child;
  readonly lines: readonly string[];
}

async function startHarness(t: Test, runDir: string, end: string): Promise<Killed> {
  const child = await spawnChild({
    name: "harness",
    command: [process.execPath, join(FIXTURES, "harness.js"), runDir, end],
    env: process.env,
    stderrFile: `${runDir}.stderr`,
    stdout: "pipe",
  });
  t.teardown(() => child.kill());
  const lines: string[] = [];
  if (child.stdout !== null)
    readLines(
      child.stdout,
      (it) => lines.push(it),
      () => undefined,
    );
  return { runDir, child, lines };
}

/** Waits until neither process nor port nor secret of the run is left. */
async function leavesNothing(runDir: string, cluster: number): Promise<boolean> {
  const isGone = (): boolean =>
    processesWith(runDir).length === 0 &&
    !existsSync(join(runDir, ".private")) &&
    (Number.isNaN(cluster) || listeningIn(cluster).length === 0) &&
    (Number.isNaN(cluster) || processesWith(`127.${cluster}.0.1`).length === 0);
  return eventually(isGone, 2_000);
}

for (const end of ["stay", "pause", "exit", "throw"]) {
  await t.test(
    `nothing is left 2 s after a harness ended without a teardown: ${end}`,
    async (t) => {
      const runDir = t.testdir({});
      // The exiting ones leave too early to be asked.
      const { child, lines } = await startHarness(t, runDir, end);
      t.ok(await eventually(() => existsSync(join(runDir, ".private", "s1.json")), 10_000));
      const cluster = clusterOf(runDir);
      if (end === "stay" || end === "pause") {
        t.ok(await eventually(() => lines.length > 0, 10_000), "it is up");
        t.ok(listeningIn(cluster).length > 10, "ports are open");
        // Four processes, the proxy's watcher, the harness.
        t.ok(processesWith(runDir).length >= 6, "processes run");
        child.kill();
      }
      await child.ended;
      t.match(lines[0], /toxiproxy 2\.12\.0/, "it was up");
      const begin = performance.now();
      t.ok(await leavesNothing(runDir, cluster), "no process, port or secret");
      t.comment(`gone after ${Math.round(performance.now() - begin)} ms`);
    },
  );
}

await t.test("nothing is left after a SIGKILL at any stage of the start", async (t) => {
  const marks = ["toxiproxy.log", ".private/secret", ".private/a.json", "a.stderr", "s1.stderr"];
  const folders = t.testdir(Object.fromEntries(marks.map((_, index) => [`run${index}`, {}])));
  for (const [index, mark] of marks.entries()) {
    const runDir = join(folders, `run${index}`);
    const { child } = await startHarness(t, runDir, "stay");
    t.ok(await eventually(() => existsSync(join(runDir, mark)), 10_000), `${mark} appears`);
    const isNumbered = existsSync(join(runDir, ".private", "s1.json"));
    const cluster = isNumbered ? clusterOf(runDir) : Number.NaN;
    child.kill();
    await child.ended;
    t.ok(await leavesNothing(runDir, cluster), `nothing is left after ${mark}`);
  }
});
