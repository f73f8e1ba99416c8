/**
 * Goal: `trace` prints a run's record whatever state it is in, refuses what is none with a code and a hint, and changes nothing.
 * Method: the built command on a simulated run; the command's function, for a start costs more than a trace, on that run torn and forged.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import t from "tap";
import { reportFailure } from "../../harness/cli/failure.ts";
import { type TraceCommandOptions, traceCommand } from "../../harness/cli/trace-command.ts";
import { encodeEvent, encodeHistoryLine } from "../../harness/record/json.ts";
import { EVENTS, HISTORY, PLAN, VERDICT } from "../reports/traced-record.ts";

const BIN = join(process.cwd(), "harness/cli/bin.js");
const cwd = realpathSync(mkdtempSync(join(tmpdir(), "faultline-trace-")));
t.teardown(() => rmSync(cwd, { recursive: true, force: true }));

interface Ended {
  readonly status: number | undefined;
  readonly out: string;
  readonly err: string;
}

async function faultline(...args: readonly string[]): Promise<Ended> {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  const options = { cwd, env, extendEnv: false, reject: false, stdin: "ignore" } as const;
  const limits = { timeout: 60_000, stripFinalNewline: false } as const;
  const run = await execa(process.execPath, [BIN, ...args], { ...options, ...limits });
  return { status: run.exitCode, out: run.stdout, err: run.stderr };
}

const DEFAULTS: TraceCommandOptions = {
  ...{ lines: 10, history: false, all: false, wide: false, json: false },
};

function here(run: string, options: Partial<TraceCommandOptions> = {}): Ended {
  const screen = { width: 80, colour: false, isTty: false };
  const [out, err]: [string[], string[]] = [[], []];
  const shell = {
    ...{ env: {}, cwd, packageRoot: process.cwd(), signal: new AbortController().signal },
    ...{ outScreen: screen, errScreen: screen },
    out: (text: string) => out.push(text),
    err: (text: string) => err.push(text),
  };
  let status: number;
  try {
    status = traceCommand(run, { ...DEFAULTS, ...options }, shell);
  } catch (error: unknown) {
    status = reportFailure(error, shell);
  }
  return { status, out: out.join(""), err: err.join("") };
}

/** A run's folder of these files; a text in place of a file's own. */
function forge(name: string, files: Readonly<Record<string, string | null>> = {}): string {
  const own = {
    "events.ndjson": `${EVENTS.map(encodeEvent).join("\n")}\n`,
    "history.ndjson": `${HISTORY.map(encodeHistoryLine).join("\n")}\n`,
    "plan.json": JSON.stringify(PLAN),
    "verdict.json": JSON.stringify(VERDICT),
  };
  mkdirSync(join(cwd, name), { recursive: true });
  const all: Readonly<Record<string, string | null>> = { ...own, ...files };
  for (const [file, text] of Object.entries(all)) {
    if (text !== null) writeFileSync(join(cwd, name, file), text);
  }
  return name;
}

const stateOf = (folder: string): unknown =>
  readdirSync(join(cwd, folder)).map((name) => {
    const { mtimeNs, size } = statSync(join(cwd, folder, name), { bigint: true });
    return [name, mtimeNs, size];
  });

await t.test("a run that was just made is traced, from its scenario to its replay", async (t) => {
  const args = ["level2/kill-active", "--bed", "sim", "--seed", "3", "--workload", "short"];
  await faultline("run", ...args);
  cpSync(realpathSync(join(cwd, ".faultline/runs/latest")), join(cwd, "run"), { recursive: true });
  const before = stateOf("run");
  const { status, out, err } = await faultline("trace", "run", "--history");
  t.same([status, err], [0, ""]);
  t.match(out, /^PASS {2}level2\/kill-active {2}seed 3, bed sim, level 2\n {2}commit +\S+\n/);
  t.match(out, /\n +\d+ +\d+\.\d{3} +\+0\.0 {2}d D - {2}b {3}> +FAULT 1 kill-host of b\n/);
  t.match(out, / w x a {2}- {3}\| q1 grants gen 4-\w+ to a after gen 3-\w+\n/);
  t.match(out, / S x a {2}a {3}\| s1 follows a by lan, gen 4-/);
  t.match(out, /! +probe: last ok, none for \d+\.\d{3} ms\n/);
  t.match(out, /left out: \d+ outputs/);
  t.match(
    out,
    /\n {2}replay +npx faultline run level2\/kill-active --seed 3 --bed sim --workload short\n$/,
  );

  const all = here("run", { all: true, json: true });
  const document: unknown = JSON.parse(all.out);
  const lines = readFileSync(join(cwd, "run/events.ndjson"), "utf8").trimEnd().split("\n").length;
  t.match(document, { schema: 1, verdict: "pass", total: lines, kept: lines, leftOut: {} });
  t.match(await faultline("trace", "run", "--around", "kill-host", "--lines", "0"), {
    ...{ status: 0, out: /\n +shown +1 of \d+ events \(--around kill-host\)/ },
  });
  t.same(stateOf("run"), before, "nothing is written");
  t.end();
});

await t.test("what was cut off or is missing is said, and the rest is traced", (t) => {
  const events = `${EVENTS.slice(0, 11).map(encodeEvent).join("\n")}\n{"at":1005000,"sou`;
  const history = `${HISTORY.slice(0, 9).map(encodeHistoryLine).join("\n")}\n{"type":"o`;
  const table: readonly (readonly [string, Record<string, string | null>, RegExp])[] = [
    [
      "torn",
      { "events.ndjson": events },
      /record events\.ndjson is cut short: line 12, .* 11 1005/,
    ],
    ["torn-history", { "history.ndjson": history }, /history\.ndjson is cut short: line 10, /],
    [
      "no-verdict",
      { "verdict.json": null },
      /^NO VERDICT level2.* no verdict\.json: .* --plan no-verdict\/plan\.json $/,
    ],
    [
      "no-plan",
      { "plan.json": null, "verdict.json": null },
      /^NO VERDICT no-plan .* no plan\.json: /,
    ],
    ["no-history", { "history.ndjson": null }, /record no history\.ndjson/],
    ["no-events", { "events.ndjson": null }, /record no events\.ndjson/],
    ["empty", { "events.ndjson": "", "history.ndjson": null }, /no event of the record matches/],
  ];
  for (const [name, files, said] of table) {
    const { status, out, err } = here(forge(name, files), { history: true });
    t.same([status, err], [0, ""], name);
    t.match(out.replace(/\s+/g, " "), said, name);
  }
  symlinkSync("no-verdict", join(cwd, "latest"), "dir");
  t.match(here("latest").out, / --plan no-verdict\/plan\.json\n$/, "the run that it was");
  t.end();
});

await t.test("a record that is none is refused with code, place and hint", async (t) => {
  const lines = EVENTS.map(encodeEvent);
  const middle = [...lines.slice(0, 4), '{"at":"soon"}', ...lines.slice(4)].join("\n");
  const table: readonly (readonly [string, string, number, RegExp])[] = [
    [
      "bad line",
      forge("bad-line", { "events.ndjson": middle }),
      3,
      /\[BAD_RECORD\]: .*events\.ndjson:5: .*\nhint: /,
    ],
    [
      "bad verdict",
      forge("bad-verdict", { "verdict.json": "{" }),
      3,
      /\[BAD_RECORD\]: .*verdict\.json: .*\nhint: /,
    ],
    [
      "later schema",
      forge("later", { "plan.json": '{"schema":9}' }),
      3,
      /\[BAD_RECORD\]: .*"schema" is 9.*\nhint: /,
    ],
    [
      "bad history",
      forge("bad-history", { "history.ndjson": "{}\n" }),
      3,
      /\[BAD_RECORD\]: .*history\.ndjson:1: /,
    ],
    ["no folder", "none", 4, /\[USAGE\]: there is no none\nhint: /],
    ["a file", "torn/plan.json", 4, /\[USAGE\]: torn\/plan\.json is no folder\nhint: /],
    [
      "a folder of nothing",
      ".",
      4,
      /\[USAGE\]: \. has neither events\.ndjson nor plan\.json\nhint: /,
    ],
  ];
  for (const [what, run, expected, why] of table) {
    const refused = here(run, { history: true });
    t.equal(refused.status, expected, what);
    t.match(refused.err, why, what);
    t.equal(refused.out, "", what);
  }
  t.equal(here("bad-history").status, 0, "a history that nobody asked for is not read");
  t.match(here(forge("whole"), { host: "c" }), {
    status: 4,
    err: /no process "c"\nhint: Name one of/,
  });
  t.match(await faultline("trace", "whole", "--lines", "-1"), { status: 4, err: /whole number/ });
  t.match(await faultline("trace"), { status: 4, err: /missing required argument/ });
  t.match(await faultline("trace", "--help"), { status: 0, out: /\n {13}y split brain\n/ });
  t.end();
});
