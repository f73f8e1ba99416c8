/** A copy of the built program with one mistake in it, and how many seeds it takes to find. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import ts from "typescript";
import type { Mutation } from "./mutations.ts";

/** @throws Error when the text to change does not stand in the file exactly once */
export function mutate(source: string, { name, file, find, replace }: Mutation): string {
  const parts = source.split(find);
  if (parts.length !== 2) {
    throw new Error(
      `"${name}" no longer applies: its text stands ${parts.length - 1} times in ${file}`,
    );
  }
  return parts.join(replace);
}

/** Folder with a runnable copy; the caller removes it. Needs a fresh build. */
export function plant(root: string, mutation: Mutation): string {
  const folder = mkdtempSync(join(tmpdir(), "faultline-planted-"));
  cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const source = mutate(readFileSync(join(root, mutation.file), "utf8"), mutation);
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  const built = join(folder, "dist", mutation.file.replace(/\.ts$/, ".js"));
  mkdirSync(dirname(built), { recursive: true });
  writeFileSync(built, outputText);
  return folder;
}

export interface Finding {
  /** Seeds run until the first failure, over both scenarios; null: not found. */
  readonly seeds: number | null;
  readonly scenario: string;
  /** What the checkers said. */
  readonly why: readonly string[];
}

/** Seeds in one start of the program. */
const CHUNK = 5;

/** Runs seeds of the scenarios in turn until one fails. A broken rig or a crash of the program is no finding. */
export async function hunt(
  folder: string,
  scenarios: readonly string[],
  seedsMax: number,
): Promise<Finding> {
  let run = 0;
  for (let first = 1; run < seedsMax; first += CHUNK) {
    for (const scenario of scenarios) {
      const failed = await firstFailure(folder, scenario, first);
      if (failed !== null) return { ...failed, seeds: run + failed.place, scenario };
      run += CHUNK;
    }
  }
  return { seeds: null, scenario: "", why: [] };
}

async function firstFailure(
  folder: string,
  scenario: string,
  first: number,
): Promise<{ readonly place: number; readonly why: readonly string[] } | null> {
  const main = join(folder, "dist/harness/cli/main.js");
  const seeds = `${first}..${first + CHUNK - 1}`;
  const out = join(folder, "runs");
  const { stdout, stderr } = await execa(
    "env",
    [
      "-u",
      "NODE_OPTIONS",
      process.execPath,
      main,
      "run",
      scenario,
      "--bed",
      "sim",
      "--seeds",
      seeds,
      "--out",
      out,
      "--json",
    ],
    { reject: false, stdin: "ignore", timeout: 240_000 },
  );
  rmSync(out, { recursive: true, force: true });
  const place = resultsOf(stdout, stderr).findIndex(({ verdict }) => verdict === "fail");
  if (place === -1) return null;
  return { place: place + 1, why: resultsOf(stdout, stderr)[place]?.why ?? [] };
}

function resultsOf(
  stdout: string,
  stderr: string,
): readonly { verdict: string; why: readonly string[] }[] {
  const document: unknown = JSON.parse(stdout === "" ? "null" : stdout);
  if (typeof document !== "object" || document === null || !("results" in document)) {
    throw new Error(`the planted program printed no summary: ${stderr.slice(-500)}`);
  }
  const { results } = document;
  if (!Array.isArray(results)) throw new Error("the summary has no list of results");
  return results.map((result: unknown) => {
    const verdict =
      typeof result === "object" && result !== null && "verdict" in result
        ? String(result.verdict)
        : "";
    const why =
      typeof result === "object" && result !== null && "why" in result && Array.isArray(result.why)
        ? result.why.map(String)
        : [];
    return { verdict, why };
  });
}
