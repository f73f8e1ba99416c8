/**
 * Goal: the command keeps its promises to scripts: exit status, pure JSON, plain errors with a hint, the folder as the last line.
 * Method: the built command as a process of its own, in a folder of its own; runs in bed `sim`, which needs nothing but Node.
 */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import t from "tap";

const BIN = join(process.cwd(), "harness/cli/bin.js");
const cwd = realpathSync(mkdtempSync(join(tmpdir(), "faultline-cli-")));
t.teardown(() => rmSync(cwd, { recursive: true, force: true }));

interface Ended {
  readonly status: number | undefined;
  readonly out: string;
  readonly err: string;
}

/** Test tools hook themselves into every Node by NODE_OPTIONS; the command is to be as people start it. */
async function faultline(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const { NODE_OPTIONS: _hooks, ...inherited } = process.env;
  const { exitCode, stdout, stderr } = await execa(process.execPath, [BIN, ...args], {
    cwd,
    env: { ...inherited, ...env },
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: 60_000,
    stripFinalNewline: false,
  });
  return { status: exitCode, out: stdout, err: stderr };
}

const parsed = (text: string): Record<string, unknown> => {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error("expected an object");
  return { ...value };
};

await t.test("a run in sim passes, and its last line is the folder", async (t) => {
  const { status, out } = await faultline([
    "run",
    "level2/kill-active",
    "--bed",
    "sim",
    "--seed",
    "7",
  ]);
  t.equal(status, 0, `status; ${out.replace(/\s+/g, " ").slice(0, 300)}`);
  t.match(out, /^PASS {2}level2\/kill-active {2}seed 7, bed sim/);
  const folder = out.trimEnd().split("\n").at(-1) ?? "";
  t.match(folder, /^\.faultline\/runs\/[^/]+-level2-kill-active-7$/);
  for (const name of [
    "plan.json",
    "history.ndjson",
    "events.ndjson",
    "verdict.json",
    "environment.json",
  ]) {
    t.ok(existsSync(join(cwd, folder, name)), name);
  }
  t.equal(
    realpathSync(join(cwd, ".faultline/runs/latest")),
    realpathSync(join(cwd, folder)),
    "latest names it",
  );
  t.end();
});

await t.test("with --json stdout is the verdict document and nothing else", async (t) => {
  const args = ["run", "level2/kill-active", "--bed", "sim", "--seed", "8", "--workload", "short"];
  const { status, out, err } = await faultline([...args, "--json"]);
  t.equal(status, 0);
  t.equal(err, "");
  const verdict = parsed(out);
  t.match(verdict, { schema: 1, verdict: "pass", seed: 8, bed: "sim", broken: null });
  const stored = readFileSync(join(cwd, ".faultline/runs/latest/verdict.json"), "utf8");
  t.same(parsed(stored), verdict, "it is what the folder holds");
  t.end();
});

await t.test("one seed gives byte-identical history and events", async (t) => {
  const read = async (): Promise<readonly string[]> => {
    await faultline([
      "run",
      "level2/kill-active",
      "--bed",
      "sim",
      "--seed",
      "9",
      "--workload",
      "short",
    ]);
    const folder = realpathSync(join(cwd, ".faultline/runs/latest"));
    return ["history.ndjson", "events.ndjson"].map((name) =>
      readFileSync(join(folder, name), "utf8"),
    );
  };
  const [one, two] = [await read(), await read()];
  t.ok((one[0]?.length ?? 0) > 10_000, "there is a history");
  t.ok(one[0] === two[0], "history");
  t.ok(one[1] === two[1], "events");
  t.end();
});

await t.test("a batch of seeds ends with its numbers, as text and as JSON", async (t) => {
  const args = [
    "run",
    "level2/kill-active",
    "--bed",
    "sim",
    "--seeds",
    "1..3",
    "--workload",
    "short",
  ];
  const text = await faultline(args);
  t.equal(text.status, 0, text.out);
  t.match(text.out, /n = 3: 0 fail, 0 broken, 0 unknown, 3 pass/);
  const { status, out, err } = await faultline([...args, "--json"]);
  t.equal(status, 0);
  t.equal(err, "");
  t.match(parsed(out), { n: 3, verdict: "pass", interruptionMs: { n: 3 } });
  t.end();
});

await t.test("a batch comes to the same however many threads run it", async (t) => {
  const run = async (jobs: string): Promise<string> => {
    const args = ["level2/kill-active", "--bed", "sim", "--seeds", "4..9", "--workload", "short"];
    const ended = await faultline(["run", ...args, "--jobs", jobs, "--json", "--out", `j${jobs}`]);
    t.equal(ended.status, 0, ended.err);
    return ended.out.replaceAll(/"[^"]*\/runs\/[^"]*-(\d+)"/g, '"$1"');
  };
  const one = await run("1");
  t.match(parsed(one), { n: 6, results: [{ seed: 4 }, { seed: 5 }, { seed: 6 }] });
  t.equal(await run("3"), one);
  t.end();
});

await t.test("Ctrl-C ends every thread of a batch, and every run that was begun", async (t) => {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  const args = ["run", "level2/kill-active", "--bed", "sim", "--seeds", "1..100000"];
  const batch = execa(process.execPath, [BIN, ...args, "--jobs", "2", "--out", "cut"], {
    ...{ cwd, env, extendEnv: false, reject: false, stdin: "ignore", timeout: 60_000 },
  });
  let said = "";
  await new Promise<void>((resolve) => {
    batch.stderr.on("data", (text: Buffer) => {
      said += text.toString();
      if (said.includes("seed 3: pass")) resolve();
    });
  });
  batch.kill("SIGINT");
  const { exitCode } = await batch;
  t.equal(exitCode, 130);
  const runs = join(cwd, "cut", "runs");
  const folders = readdirSync(runs).filter((name) => name !== "latest");
  t.ok(folders.length >= 3, "some were begun");
  for (const name of folders) t.ok(existsSync(join(runs, name, "verdict.json")), name);
  t.end();
});

await t.test("wrong usage ends with 4, a reason and a hint, and starts nothing", async (t) => {
  const table: readonly (readonly [string, readonly string[], RegExp])[] = [
    ["no command", [], /Usage: faultline/],
    ["unknown command", ["ran"], /unknown command 'ran'/],
    ["no scenario", ["run"], /missing required argument 'scenario'/],
    ["unknown option", ["run", "level2/kill-active", "--sede", "7"], /unknown option '--sede'/],
    ["a seed that is none", ["run", "level2/kill-active", "--seed", "x"], /whole number/],
    ["a range turned round", ["run", "level2/kill-active", "--seeds", "5..1"], /must not be above/],
    [
      "an unknown bed",
      ["run", "level2/kill-active", "--bed", "cloud"],
      /Allowed choices are sim, local/,
    ],
    ["an unknown scenario", ["run", "level2/nope"], /\[BAD_SCENARIO\].*\nhint: Name one of/],
    [
      "a bed that is not its",
      ["run", "level2/isolate-active", "--bed", "local"],
      /hint: Use --bed sim/,
    ],
    [
      "threads for one run",
      ["run", "level2/kill-active", "--bed", "sim", "--seed", "1", "--jobs", "2"],
      /hint: /,
    ],
    [
      "two kinds of seeds",
      ["run", "level2/kill-active", "--seed", "1", "--seeds", "1..2"],
      /hint: /,
    ],
    ["a scenario file with a mistake", ["run", "bad.yaml"], /bad\.yaml:2:1: /],
  ];
  writeFileSync(join(cwd, "bad.yaml"), "name: [\n");
  const ended = table.map(async ([what, args, expected]) => {
    const { status, out, err } = await faultline(args);
    t.equal(status, 4, what);
    t.match(err, expected, what);
    t.equal(out, "", `${what}: stdout`);
  });
  await Promise.all(ended);
  t.end();
});

await t.test("a rig that fails ends with 3, code and hint, and leaves a record", async (t) => {
  const args = ["run", "level2/kill-active", "--bed", "local", "--seed", "7", "--json"];
  const { status, out } = await faultline(args, { FAULTLINE_TOXIPROXY: "/nowhere/toxiproxy" });
  t.equal(status, 3);
  t.match(parsed(out), { verdict: "broken", broken: { code: "PROXY_NOT_FOUND" } });
  t.ok(existsSync(join(cwd, ".faultline/runs/latest/plan.json")), "plan.json");
  t.end();
});

await t.test("a folder that cannot be made ends with 3 and names it", async (t) => {
  writeFileSync(join(cwd, "file"), "");
  const { status, err } = await faultline([
    "run",
    "level2/kill-active",
    "--bed",
    "sim",
    "--out",
    "file",
  ]);
  t.equal(status, 3);
  t.match(err, /\[RUN_FOLDER\]: .*\nhint: .*--out/);
  t.end();
});

await t.test("a plan of an earlier run is run as it is", async (t) => {
  await faultline([
    "run",
    "level2/kill-active",
    "--bed",
    "sim",
    "--seed",
    "7",
    "--workload",
    "short",
  ]);
  const first = realpathSync(join(cwd, ".faultline/runs/latest"));
  const plan = join(first, "plan.json");
  const { status } = await faultline(["run", "level2/kill-active", "--plan", plan]);
  t.equal(status, 0);
  const second = realpathSync(join(cwd, ".faultline/runs/latest"));
  t.not(first, second);
  for (const name of ["plan.json", "history.ndjson"]) {
    t.ok(
      readFileSync(join(first, name), "utf8") === readFileSync(join(second, name), "utf8"),
      name,
    );
  }
  const refused = await faultline(["run", "level2/isolate-active", "--plan", plan]);
  t.equal(refused.status, 4);
  t.match(refused.err, /is a plan of level2\/kill-active/);
  t.end();
});

await t.test("list and doctor print text and JSON", async (t) => {
  const list = await faultline(["list"]);
  t.equal(list.status, 0);
  t.match(list.out, /level2\/kill-active.*\n[\s\S]*kill-host/);
  const listed = parsed((await faultline(["list", "--json"])).out);
  t.match(listed, { schema: 1, faults: [{}, {}] });
  t.match(JSON.stringify(listed["scenarios"]), /"level2\/isolate-active"/);
  const doctor = await faultline(["doctor"], { FAULTLINE_TOXIPROXY: process.execPath });
  t.equal(doctor.status, 0, doctor.out);
  t.match(doctor.out, /ok +node/);
  const sick = await faultline(["doctor", "--json"], { FAULTLINE_TOXIPROXY: "/nowhere" });
  t.equal(sick.status, 3);
  t.match(parsed(sick.out), { isReady: false });
  t.end();
});

await t.test("every command has a help with its options and defaults", async (t) => {
  const commands = ["run", "list", "doctor", "check", "audit", "trace"];
  for (const args of [["--help"], ...commands.map((command) => [command, "--help"])]) {
    const { status, out, err } = await faultline(args);
    t.equal(status, 0, args.join(" "));
    t.match(out, /Usage: faultline/);
    t.equal(err, "");
    t.ok(
      out.split("\n").every((line) => line.length <= 80),
      "80 columns",
    );
  }
  const { status, out } = await faultline(["--version"]);
  t.equal(status, 0);
  t.match(out, /^\d+\.\d+\.\d+\n$/);
  t.end();
});
