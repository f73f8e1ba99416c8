/**
 * Goal: the workload's process keeps its contract with the bed: file, stdin, stdout, exit status, and a complete history.
 * Method: start the built process against a fake guest and speak to it as a bed does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { operationsOf } from "../../harness/check/operations.ts";
import { parseHistoryLine } from "../../harness/record/parse.ts";
import type { HistoryLine } from "../../harness/record/types.ts";
import { type FakeGuest, startFakeGuest } from "./fake-guest.ts";
import { brokenRules } from "./kept-history.ts";

const MAIN = fileURLToPath(new URL("../../dist/harness/workload/main.js", import.meta.url));
const PATIENCE_MS = 10_000;

interface Child {
  readonly process: ChildProcess;
  readonly historyFile: string;
  /** Resolves with the first line of stdout, from the start, that fits. */
  line(fits: (line: string) => boolean): Promise<string>;
  say(command: string): void;
  readonly exited: Promise<number | NodeJS.Signals>;
  stderr(): string;
  runNow(): number;
}

async function guestOf(t: Test): Promise<FakeGuest> {
  const guest = await startFakeGuest();
  t.teardown(() => guest.close());
  return guest;
}

function start(t: Test, port: number, changes: Record<string, unknown> = {}): Child {
  const folder = t.testdir();
  const file = join(folder, "workload.json");
  const historyFile = join(folder, "history.ndjson");
  const runStartUs = Number(process.hrtime.bigint() / 1_000n);
  const spec = { kind: "reference", clients: 4, thinkMs: 1, warmUpMs: 0, calmMs: 0, seed: 3 };
  writeFileSync(
    file,
    JSON.stringify({
      schema: 1,
      spec,
      targets: [{ site: "s1", target: { address: "127.0.0.1", port } }],
      historyFile,
      runStartUs,
      scenario: "level2/kill-active",
      seed: 7,
      ...changes,
    }),
  );
  const child = spawn(process.execPath, [MAIN, "--file", file], { stdio: "pipe" });
  t.teardown(() => child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += String(chunk);
  });
  const said: string[] = [];
  const looks = new Set<(line: string) => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    said.push(line);
    for (const look of [...looks]) look(line);
  });
  return {
    process: child,
    historyFile,
    line: (fits) =>
      within("a line of stdout", (resolve) => {
        const found = said.find(fits);
        if (found === undefined) looks.add((line) => fits(line) && resolve(line));
        else resolve(found);
      }),
    say: (command) => child.stdin.write(`${command}\n`),
    exited: within("the exit", (resolve) => {
      child.once("close", (status, signal) => resolve(status ?? signal ?? "SIGKILL"));
    }),
    stderr: () => stderr,
    runNow: () => Number(process.hrtime.bigint() / 1_000n) - runStartUs,
  };
}

function within<T>(what: string, begin: (resolve: (value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`waited for ${what}`)), PATIENCE_MS);
    begin((value) => {
      clearTimeout(late);
      resolve(value);
    });
  });
}

function historyIn(path: string): readonly HistoryLine[] {
  const text = readFileSync(path, "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const parsed = parseHistoryLine(JSON.parse(line));
      if (!parsed.ok) throw new Error(`${parsed.why}: ${line}`);
      return parsed.value;
    });
}

const isReady = (line: string): boolean => line === '{"ready":true}';
const isInFlight = (line: string): boolean => /^\{"inFlightWrites":\d+\}$/.test(line);

await t.test("a run from ready to done leaves a complete history and exit status 0", async (t) => {
  const guest = await guestOf(t);
  const child = start(t, guest.port);
  await child.line(isReady);
  child.say("phase calm");
  await child.line(isInFlight);
  child.say("phase fault");
  guest.silence();
  await child.line((line) => isInFlight(line) && !line.includes(":0}"));
  guest.wake();
  child.say(`finish ${child.runNow() + 10_000_000}`);
  const done = await child.line((line) => line.includes("done"));
  t.equal(await child.exited, 0);
  t.equal(child.stderr(), "");
  const lines = historyIn(child.historyFile);
  t.same(lines[0], { type: "header", schema: 1, scenario: "level2/kill-active", seed: 7 });
  const phases = lines.flatMap((line) => (line.type === "phase" ? [line.phase] : []));
  t.same(phases, ["warm-up", "calm", "fault", "final-reads", "end"]);
  t.ok(lines.some(({ type }) => type === "lag"));
  t.same(brokenRules(lines), []);
  const counts = { ok: 0, fail: 0, info: 0 };
  const operations = operationsOf(lines);
  for (const { end } of operations) counts[end.kind] += 1;
  t.same(JSON.parse(done), { done: true, operations: counts });
  const read = new Set(operations.filter(({ role }) => role === "readback").map(({ key }) => key));
  t.same(
    [...guest.keys.keys()].filter((key) => !read.has(key)),
    [],
  );
});

await t.test("the process begins when the guest answers, not before", async (t) => {
  const guest = await guestOf(t);
  guest.refuseKeys("");
  guest.silence();
  const child = start(t, guest.port, {
    spec: { kind: "none", clients: 0, thinkMs: 0, warmUpMs: 0, calmMs: 0, seed: 0 },
  });
  await within("a PING", (resolve: (value: boolean) => void) => {
    const look = setInterval(() => {
      if (guest.held() === 0) return;
      clearInterval(look);
      resolve(true);
    }, 5);
  });
  guest.reset();
  guest.wake();
  await child.line(isReady);
  child.say(`finish ${child.runNow() + 1_000_000}`);
  t.same(JSON.parse(await child.line((line) => line.includes("done"))), {
    done: true,
    operations: { ok: 0, fail: 0, info: 0 },
  });
  t.equal(await child.exited, 0);
});

await t.test(
  "the end of stdin ends the process at once, before the guest answered too",
  async (t) => {
    const guest = await guestOf(t);
    guest.silence();
    const waiting = start(t, guest.port);
    waiting.process.stdin?.end();
    t.equal(await waiting.exited, 0);
  },
);

await t.test(
  "after SIGTERM and after the end of stdin the history has what happened until then",
  async (t) => {
    const guest = await guestOf(t);
    const ends: Record<string, (child: Child) => void> = {
      SIGTERM: (child) => child.process.kill("SIGTERM"),
      stdin: (child) => child.process.stdin?.end(),
    };
    for (const [name, end] of Object.entries(ends)) {
      await t.test(name, async (t) => {
        const child = start(t, guest.port);
        await child.line(isReady);
        const from = guest.commands.length;
        await child.line((line) => isInFlight(line) && guest.commands.length > from + 100);
        end(child);
        t.equal(await child.exited, 0);
        t.ok(operationsOf(historyIn(child.historyFile)).length > 100);
      });
    }
  },
);

await t.test(
  "a bad file, a missing one and a bad command end it with status 4 and the reason",
  async (t) => {
    const guest = await guestOf(t);
    const target = { address: "nowhere", port: 0 };
    const wrong = start(t, guest.port, { targets: [{ site: "s1", target }], schema: 2 });
    t.equal(await wrong.exited, 4);
    t.match(wrong.stderr(), /no workload file: schema: .*0\.target\.address: .*0\.target\.port: /);
    const missing = spawn(process.execPath, [MAIN, "--file", "/nowhere.json"], { stdio: "ignore" });
    const status = await within("the exit", (resolve) => missing.once("close", resolve));
    t.equal(status, 4);
    await t.test("command", async (t) => {
      const child = start(t, guest.port);
      await child.line(isReady);
      child.say("phase end");
      t.equal(await child.exited, 4);
      t.match(child.stderr(), /no such command: "phase end"/);
    });
  },
);

await t.test("a history that cannot be written ends it with status 3 and the reason", async (t) => {
  const guest = await guestOf(t);
  const child = start(t, guest.port, { historyFile: "/nowhere/history.ndjson" });
  t.equal(await child.exited, 3);
  t.match(child.stderr(), /cannot write \/nowhere\/history\.ndjson/);
});
