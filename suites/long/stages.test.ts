/**
 * Goal: however and whenever a run is ended, within 2 s no process, port or proxy of it is left, and its record can be read.
 * Method: the built command, ended by each signal at each stage that its progress names; what is left is looked for by the run's folder and address range.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import t from "tap";
import { listeningIn } from "../../harness/local/leftovers.ts";
import { readEvents } from "../../harness/record/reader.ts";
import { eventually } from "../local/echo.ts";

const BIN = join(process.cwd(), "harness/cli/bin.js");
const GONE_WITHIN_MS = 2_000;
const cwd = realpathSync(mkdtempSync(join(tmpdir(), "faultline-stages-")));
t.teardown(() => rmSync(cwd, { recursive: true, force: true }));
t.setTimeout(600_000);

/** Words of the progress after which the signal is sent. */
const STAGES = [
  /: starting/,
  /: up in/,
  /redundant after/,
  /load: /,
  /kill-host of/,
  /converged/,
  /reading back/,
  /comparing the disks/,
];
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const;

interface Ended {
  readonly exitCode: number | undefined;
  readonly number: number;
  readonly folder: string | null;
  readonly pid: number;
}

async function endAt(stage: RegExp, signal: (typeof SIGNALS)[number]): Promise<Ended> {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  const args = [BIN, "run", "level2/kill-active", "--workload", "short", "--bed", "local"];
  const run = execa(process.execPath, args, {
    cwd,
    env,
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: 60_000,
  });
  let number = 0;
  for await (const line of createInterface({ input: run.stderr })) {
    number ||= Number(/cluster (\d+):/.exec(line)?.[1] ?? 0);
    if (stage.test(line)) run.kill(signal);
  }
  const { exitCode } = await run;
  const runs = join(cwd, ".faultline/runs");
  const last = existsSync(runs)
    ? readdirSync(runs)
        .filter((name) => name !== "latest")
        .at(-1)
    : undefined;
  return {
    exitCode,
    number,
    folder: last === undefined ? null : join(runs, last),
    pid: run.pid ?? 0,
  };
}

function processesOf(text: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      // It has just ended.
      return false;
    }
  });
}

for (const signal of SIGNALS) {
  await t.test(`${signal} at each stage leaves nothing`, async (t) => {
    for (const stage of STAGES) {
      const { exitCode, number, folder } = await endAt(stage, signal);
      const what = `${signal} after ${stage.source}`;
      const isGone = (): boolean =>
        processesOf(cwd).length === 0 && (number === 0 || listeningIn(number).length === 0);
      t.ok(await eventually(isGone, GONE_WITHIN_MS), `${what}: nothing is left`);
      if (signal !== "SIGKILL") t.equal(exitCode, 130, what);
      if (folder === null) continue;
      t.notOk(existsSync(join(folder, ".private")), `${what}: no secret is left`);
      t.doesNotThrow(
        () => readEvents(join(folder, "events.ndjson")),
        `${what}: the record is readable`,
      );
    }
  });
}
