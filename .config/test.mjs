/**
 * Builds, runs every static gate, then the suites. The last line is always one plain `N passed, N failed`: assertions, and one
 * failure for each stage that failed in another way, for a failed gate too, and for a run in which nothing was asserted.
 * Usage: node .config/test.mjs [suite file or option of tap ...]
 */
import { spawn, spawnSync } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { createTapCounter } from "./tap-counter.mjs";

const RAW_TAP = ".tap/last-run.tap";

const runNode = (script) =>
  spawnSync(process.execPath, [script], { stdio: ["ignore", "inherit", "inherit"] }).status === 0;

/** Prints one line for each file and everything about each failure; the whole stream goes to `RAW_TAP`. */
async function runSuites(flags) {
  mkdirSync(".tap", { recursive: true });
  const raw = createWriteStream(RAW_TAP);
  const tap = spawn("node_modules/.bin/tap", ["--reporter=tap", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => {
    tap.on("error", (error) => resolve(error.message));
    tap.on("close", (status, signal) => resolve(status ?? signal));
  });
  const counter = createTapCounter((line) => console.log(line));
  for await (const line of createInterface({ input: tap.stdout })) {
    raw.write(`${line}\n`);
    counter.read(line);
  }
  const status = await ended;
  raw.end();
  return { ...counter.end(), status };
}

let passed = 0;
let failed = 0;
function fail(why) {
  failed += 1;
  console.log(`FAILED  ${why}`);
}

const isBuilt = runNode(".config/build.mjs");
if (!isBuilt) fail("build");
if (!runNode(".config/check.mjs")) fail("check");
if (isBuilt) {
  const suites = await runSuites(process.argv.slice(2));
  passed += suites.passed;
  failed += suites.failed;
  if (suites.passed + suites.failed === 0) fail("the suites asserted nothing");
  else if (suites.status !== 0 && suites.failed === 0) fail(`tap ended with ${suites.status}`);
  console.log(`every assertion is in ${RAW_TAP}`);
}
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;
