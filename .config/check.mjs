/**
 * Runs every static gate at once and prints one line for each. A gate that looked at nothing has failed, whatever it says.
 * Usage: node .config/check.mjs [name of a gate ...]
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";

const FOLDERS = ["node", "harness", "chaos", "suites", "reports"].filter((it) => existsSync(it));

/** `looked` finds in a gate's output how many files it read; a gate without it fails by itself when there are none. */
const GATES = [
  { name: "types", tool: "tsc", flags: ["-p", "."] },
  {
    name: "lint",
    tool: "biome",
    flags: ["lint", "--colors=off", "."],
    looked: /Checked (\d+) files?/,
  },
  {
    name: "promises",
    tool: "oxlint",
    flags: ["--format=default", ...FOLDERS],
    looked: /on (\d+) files?/,
  },
  {
    name: "format",
    tool: "biome",
    flags: ["check", "--linter-enabled=false", "--colors=off", "."],
    looked: /Checked (\d+) files?/,
  },
  {
    name: "imports",
    tool: "depcruise",
    flags: ["--output-type", "err-long", "--no-progress", ...FOLDERS],
    looked: /\((\d+) modules/,
  },
  { name: "dead-code", tool: "knip", flags: ["--no-progress"] },
];

/** oxlint colours its output wherever `CI` is set, whatever `NO_COLOR` says. */
const withoutColours = ({ CI: _ci, FORCE_COLOR: _force, ...env }) => ({ ...env, NO_COLOR: "1" });

function run({ name, tool, flags, looked }) {
  const start = performance.now();
  const child = spawn(`node_modules/.bin/${tool}`, flags, {
    stdio: ["ignore", "pipe", "pipe"],
    env: withoutColours(process.env),
  });
  let output = "";
  const collect = (chunk) => {
    output += chunk;
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  return new Promise((resolve) => {
    const end = (why) =>
      resolve({ name, why, output, seconds: (performance.now() - start) / 1000 });
    child.on("error", (error) => end(`${tool} did not start: ${error.message}`));
    child.on("close", (status, signal) => {
      if (status !== 0) return end(`${tool} ended with ${status ?? signal}`);
      if (looked === undefined) return end();
      const count = Number(looked.exec(output)?.[1] ?? 0);
      return end(count > 0 ? undefined : `${tool} looked at nothing`);
    });
  });
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !GATES.some((gate) => gate.name === name));
if (unknown.length > 0) {
  const names = GATES.map((gate) => gate.name).join(", ");
  console.error(`no gate is named ${unknown.join(", ")}; there are ${names}`);
  process.exit(2);
}
const chosen = wanted.length === 0 ? GATES : GATES.filter((gate) => wanted.includes(gate.name));
const results = await Promise.all(chosen.map(run));
for (const { name, why, output } of results) {
  if (why !== undefined) console.log(`\n--- ${name}: ${why}\n${output.trim()}\n`);
}
for (const { name, why, seconds } of results) {
  const state = why === undefined ? "ok    " : "FAILED";
  console.log(`${state}  ${name.padEnd(10)}  ${seconds.toFixed(1).padStart(5)} s`);
}
if (results.some(({ why }) => why !== undefined)) process.exitCode = 1;
