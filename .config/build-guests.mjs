/**
 * Compiles every guest, `<folder>/<name>/index.ts` to `<folder>/<name>.wasm`, and holds its text format to the rules that make a
 * guest deterministic and its memory the whole of its state.
 * Usage: node .config/build-guests.mjs [--check] [folder]
 * With --check nothing is written: what is committed must be what the sources give, byte for byte.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const ASC = join(ROOT, "node_modules/assemblyscript/bin/asc.js");
/** No names and no source map: both would put paths of the building machine into the file. */
const FLAGS = [
  "--runtime=stub",
  "--importMemory",
  "--noExportMemory",
  "--zeroFilledMemory",
  "--initialMemory=64",
  "--maximumMemory=1024",
  "-O3",
];
/** A guest's own data begins here (layout.ts); constants of the compiler stay below. */
const CONSTANTS_END = 0x10000;

const RULES = [
  {
    name: "imports only the guest ABI",
    breaks: (line) =>
      /\(import /.test(line) && !/\(import ("faultline" |"env" "(memory|abort)")/.test(line),
  },
  { name: "computes without floats", breaks: (line) => /\bf(32|64)\b/.test(line) },
  { name: "never grows its memory", breaks: (line) => /\bmemory\.grow\b/.test(line) },
  {
    name: "keeps no state outside linear memory",
    breaks: (line) =>
      /\(global \S+ \(mut /.test(line) && !/\(global \$~argumentsLength /.test(line),
  },
  {
    name: "has its constants below its own data",
    breaks: (line) => Number(/\(data \S+ \(i32\.const (\d+)\)/.exec(line)?.[1]) >= CONSTANTS_END,
  },
];

/** Sentences that a guest's text format breaks, with the first line that does. */
function broken(text) {
  // Text of constants may look like anything.
  const lines = text.split("\n").map((line) => line.replace(/(\(data [^"]*)".*$/, "$1"));
  if (!lines.some((line) => line.includes("(func "))) return ["has functions: none was found"];
  return RULES.flatMap(({ name, breaks }) => {
    const line = lines.find(breaks);
    return line === undefined ? [] : [`${name}: ${line.trim()}`];
  });
}

function compile(source, scratch) {
  const wasm = join(scratch, "guest.wasm");
  const text = join(scratch, "guest.wat");
  const out = [wasm, text].map((path) => relative(ROOT, path));
  const compiler = spawnSync(
    process.execPath,
    [ASC, relative(ROOT, source), ...FLAGS, "-o", out[0], "-t", out[1]],
    { cwd: ROOT, encoding: "utf8" },
  );
  if (compiler.status !== 0) {
    return { why: `does not compile\n${compiler.stdout}${compiler.stderr}` };
  }
  return { wasm: readFileSync(wasm), text: readFileSync(text, "utf8") };
}

function build({ source, target, isCheck, scratch }) {
  const { wasm, text, why } = compile(source, scratch);
  if (why !== undefined) return [why];
  const faults = broken(text);
  if (faults.length > 0) return faults.map((fault) => `breaks the rule: ${fault}`);
  if (!isCheck) writeFileSync(target, wasm);
  else if (!existsSync(target)) return ["is not built"];
  else if (!readFileSync(target).equals(wasm)) return ["differs from what its sources give"];
  return [];
}

const isCheck = process.argv.includes("--check");
const folder = resolve(
  process.argv.slice(2).find((it) => !it.startsWith("-")) ?? join(ROOT, "node/guests"),
);
const names = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, "index.ts")))
  .map((entry) => entry.name)
  .sort();
const scratch = mkdtempSync(join(tmpdir(), "faultline-guests-"));
try {
  for (const name of names) {
    const target = join(folder, `${name}.wasm`);
    const faults = build({ source: join(folder, name, "index.ts"), target, isCheck, scratch });
    for (const fault of faults) console.log(`FAILED  ${name} ${fault}`);
    if (faults.length > 0) process.exitCode = 1;
    else console.log(`ok      ${name} ${isCheck ? "is what its sources give" : "is built"}`);
  }
} finally {
  rmSync(scratch, { recursive: true });
}
if (names.length === 0) {
  console.log(`FAILED  no guest in ${folder}`);
  process.exitCode = 1;
}
