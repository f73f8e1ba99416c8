/**
 * Goal: a cluster is kept, broken by hand, mended, looked at and ended by commands that find it; nobody else can touch it, and nothing of it is left.
 * Method: the built command with real processes; each command in a process of its own.
 */
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import t, { type Test } from "tap";
import {
  type ClusterFile,
  clusterFolder,
  findCluster,
} from "../../harness/cluster/cluster-file.ts";
import { SECRET_HEADER } from "../../harness/cluster/control.ts";
import { listeningIn } from "../../harness/local/leftovers.ts";
import { eventually, openClient } from "../local/echo.ts";

const BIN = join(process.cwd(), "harness/cli/bin.js");
const cwd = realpathSync(mkdtempSync(join(tmpdir(), "faultline-by-hand-")));
t.teardown(() => rmSync(cwd, { recursive: true, force: true }));
t.setTimeout(120_000);

const FOLDER = clusterFolder(join(cwd, ".faultline"));

function start(...args: readonly string[]) {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  return execa(process.execPath, [BIN, ...args], {
    cwd,
    env,
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: 60_000,
  });
}

function isThere(name: string): boolean {
  return existsSync(join(FOLDER, `${name}.json`));
}

/** Ended with the test, if it is not by then. */
async function up(t: Test, name: string, ...args: readonly string[]) {
  const running = start("up", "--name", name, ...args);
  t.teardown(async () => {
    running.kill("SIGINT");
    await running;
  });
  const isUp = await eventually(() => isThere(name), 20_000);
  if (!isUp) throw new Error(`it is not up: ${(await running).stderr}`);
  return { running, cluster: findCluster(FOLDER, name) };
}

/** A command that succeeds, its one JSON document read. */
async function json(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await start(...args, "--json");
  if (exitCode !== 0) throw new Error(`${args.join(" ")}: ${exitCode}: ${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function until(t: Test, what: string, looks: RegExp): Promise<void> {
  let said = "";
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; ) {
    said = JSON.stringify((await json("status"))["hosts"]);
    if (looks.test(said)) break;
  }
  t.match(said, looks, what);
}

const BOTH_DUPLEX = /"duplex".*"duplex"/;

await t.test("without a cluster every command says how to start one", async (t) => {
  for (const args of [["status"], ["heal"], ["down"], ["fault", "kill-host"], ["audit"]]) {
    const { exitCode, stderr } = await start(...args);
    t.equal(exitCode, 3, args.join(" "));
    t.match(stderr, /\[NO_CLUSTER\]: no cluster runs\nhint: .*faultline up/);
  }
  t.match((await start("fault", "list")).stdout, /blackhole-link/, "the list needs none");
});

await t.test("a cluster is broken by hand, mended, audited and ended", async (t) => {
  const { running, cluster } = await up(t, "demo");
  t.equal(statSync(join(FOLDER, "demo.json")).mode & 0o777, 0o600);
  const [at] = cluster.clients;
  const client = await openClient({ address: at?.address ?? "", port: at?.port ?? 0 });
  t.teardown(() => client.close());
  client.send("SET by hand\r\n");
  t.ok(await eventually(() => client.received() === "+OK\r\n"), "the VM serves clients");

  const cut = await json("fault", "blackhole-link", "--on", "a>b/alink0", "--for", "300ms");
  t.match(cut, { id: 1, state: "active", forMs: 300 });
  t.match(await json("fault", "kill-host", "--on", "active"), { id: 2, target: "a" });
  await until(t, "the other host goes on", /"sole"/);
  const healed = await json("heal");
  t.match(healed, { healed: [{ id: 2, state: "healed", proof: { hasBitten: true } }] });
  await until(t, "the killed one is back", BOTH_DUPLEX);
  t.match(await json("status"), {
    faults: [{ id: 1, state: "healed", proof: { hasBitten: true } }, {}],
  });
  t.match(await json("audit"), { verdict: "pass" });
  await until(t, "it goes on after the audit", BOTH_DUPLEX);
  const refused = await start("resolve", "--keep", "a");
  t.equal(refused.exitCode, 1, "there is no split brain to resolve");
  t.match(refused.stdout, /refused/);
  t.match((await start("logs", "a")).stdout, /"derived":"duplex"/);

  for (const [args, why] of [
    [["fault", "nonsense"], /there is no fault "nonsense"/],
    [["fault", "kill-host"], /kill-host: "on" is missing/],
    [["fault", "kill-host", "--on", "z"], /there is no process "z"/],
    [["fault", "kill-host", "--on", "a", "--way", "out"], /kill-host: way/],
    [["heal", "99"], /no fault has the number 99/],
  ] as const) {
    const { exitCode, stderr } = await start(...args);
    t.equal(exitCode, 4, args.join(" "));
    t.match(stderr, why);
  }
  const again = await start("up", "--name", "demo");
  t.equal(again.exitCode, 3);
  t.match(again.stderr, /\[CLUSTER_EXISTS\]/);

  await refusesStrangers(t, cluster);
  t.match((await start("down")).stdout, /has ended/);
  const { exitCode, stdout } = await running;
  t.equal(exitCode, 0);
  t.match(stdout, /break it +npx faultline fault kill-host --on active/);
  t.notOk(stdout.includes("\u001b"), "no escape without a terminal");
  isGone(t, cluster);
  for (const name of ["a.log", "events.ndjson"]) {
    t.notMatch(
      readFileSync(join(cluster.runDir, name), "utf8"),
      cluster.secret,
      `${name}: no secret`,
    );
  }
});

async function refusesStrangers(t: Test, { control, secret }: ClusterFile): Promise<void> {
  const url = `http://${control.address}:${control.port}/`;
  const body = JSON.stringify({ op: "down" });
  const statusOf = async (headers: Record<string, string>, text = body): Promise<number> =>
    (await fetch(url, { method: "POST", headers, body: text })).status;
  t.equal(await statusOf({}), 403, "no secret");
  t.equal(await statusOf({ [SECRET_HEADER]: "0".repeat(32) }), 403, "a wrong one");
  t.equal(await statusOf({ [SECRET_HEADER]: secret, origin: "http://evil" }), 403, "a page");
  t.equal(await statusOf({ [SECRET_HEADER]: secret }, "x".repeat(50_000)), 413, "too long");
  const silent = await openClient(control);
  t.ok(await eventually(() => silent.state() !== "open", 5_000), "a silent one is let go");
  await until(t, "none of it did anything", BOTH_DUPLEX);
}

function isGone(t: Test, { name, number }: ClusterFile): void {
  t.notOk(isThere(name), "its file is gone");
  t.same(listeningIn(number), [], "no port is left");
}

await t.test("two clusters stand side by side, and Ctrl-C ends one of them", async (t) => {
  const [one, two] = await Promise.all([
    up(t, "one", "--quorum", "none"),
    up(t, "two", "--sites", "two"),
  ]);
  t.equal(two.cluster.clients.length, 2, "a VM is reached at both sites");
  const { exitCode, stderr } = await start("status");
  t.equal(exitCode, 3);
  t.match(stderr, /several clusters run: one, two\nhint: .*--cluster/);
  t.match((await start("status", "--cluster", "one")).stdout, /host a +pre-elected +elected/);
  one.running.kill("SIGINT");
  t.equal((await one.running).exitCode, 130);
  isGone(t, one.cluster);
  t.match((await start("status")).stdout, /cluster two/, "the other one goes on");
  two.running.kill("SIGKILL");
  await two.running;
  t.ok(
    await eventually(() => listeningIn(two.cluster.number).length === 0),
    "nothing survives a kill",
  );
  t.match((await start("status")).stderr, /NO_CLUSTER/, "its file counts for nothing");
});
