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
import * as v from "valibot";
import type { Edit, Mutation } from "./mutations/mutation.ts";

/** File by file, what it becomes. */
export type Planted = ReadonlyMap<string, string>;

/**
 * Applies the edits of a mutation, in their order.
 *
 * @param read source of a file of the repository
 * @throws Error when the text to change does not stand in its file exactly once, or the changed file cannot be parsed
 */
export function mutate({ name, edits }: Mutation, read: (file: string) => string): Planted {
  const planted = new Map<string, string>();
  for (const edit of edits) {
    const { file } = edit;
    planted.set(file, apply(planted.get(file) ?? read(file), edit, name));
  }
  return planted;
}

function apply(source: string, { file, find, replace }: Edit, name: string): string {
  const parts = source.split(find);
  if (parts.length !== 2) {
    throw new Error(
      `"${name}" no longer applies: its text stands ${parts.length - 1} times in ${file}`,
    );
  }
  return parts.join(replace);
}

/**
 * @returns the file as the build would make it
 * @throws Error when it cannot be parsed
 */
export function transpile(file: string, source: string): string {
  const { outputText, diagnostics = [] } = ts.transpileModule(source, {
    fileName: file,
    reportDiagnostics: true,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  const [first] = diagnostics;
  if (first === undefined) return outputText;
  throw new Error(`${file}: ${ts.flattenDiagnosticMessageText(first.messageText, "\n")}`);
}

/** Folder with a runnable copy; the caller removes it. Needs a fresh build. */
export function plant(root: string, mutation: Mutation): string {
  const folder = mkdtempSync(join(tmpdir(), "faultline-planted-"));
  cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const planted = mutate(mutation, (file) => readFileSync(join(root, file), "utf8"));
  for (const [file, source] of planted) {
    const built = join(folder, "dist", file.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(built), { recursive: true });
    writeFileSync(built, transpile(file, source));
  }
  return folder;
}

/** Arguments of `run` or `sim`, but for the seeds and where to write. */
export type Finder = readonly string[];

export interface Finding {
  /** Runs until the first failure, over all finders; null: not found. */
  readonly runs: number | null;
  /** Of that run. */
  readonly seed: number;
  readonly finder: Finder;
  /** What the checkers said. */
  readonly why: readonly string[];
}

export interface HuntOptions {
  /** Run in turn. */
  readonly finders: readonly Finder[];
  readonly firstSeed: number;
  /** Of all finders together. */
  readonly runsMax: number;
}

/** Seeds in one start of the program. */
const CHUNK = 5;

/** Runs seeds of each finder in turn until one fails. A broken rig or a crash of the program is no finding. */
export async function hunt(folder: string, options: HuntOptions): Promise<Finding> {
  const { finders, firstSeed, runsMax } = options;
  let runs = 0;
  for (let first = firstSeed; runs < runsMax; first += CHUNK) {
    for (const finder of finders) {
      const failed = await firstFailure(folder, finder, first);
      if (failed !== null) {
        const { seed, why } = failed;
        return { runs: runs + seed - first + 1, seed, finder, why };
      }
      runs += CHUNK;
    }
  }
  return { runs: null, seed: 0, finder: [], why: [] };
}

interface Failed {
  readonly seed: number;
  readonly why: readonly string[];
}

async function firstFailure(folder: string, finder: Finder, first: number): Promise<Failed | null> {
  const main = join(folder, "dist/harness/cli/main.js");
  const out = join(folder, "runs");
  const seeds = `${first}..${first + CHUNK - 1}`;
  const args = [main, ...finder, "--seeds", seeds, "--out", out, "--json"];
  const { stdout, stderr } = await execa("env", ["-u", "NODE_OPTIONS", process.execPath, ...args], {
    reject: false,
    stdin: "ignore",
    timeout: 240_000,
  });
  rmSync(out, { recursive: true, force: true });
  const failures = failuresIn(stdout, first);
  if (failures === null) {
    throw new Error(`the planted program printed no summary: ${stderr.slice(-500)}`);
  }
  return failures.find(({ why }) => !isCrash(why)) ?? null;
}

/** The program tripped over an assertion of its own: nobody had to look for the mistake. */
function isCrash(why: readonly string[]): boolean {
  return why.some((line) => line.includes("ended itself"));
}

/** What failed, seed by seed: `run` lists every seed in order, `sim` those that failed. Null: this is no summary of either. */
function failuresIn(stdout: string, first: number): readonly Failed[] | null {
  const summary = v.safeParse(SUMMARY, JSON.parse(stdout === "" ? "null" : stdout));
  if (!summary.success) return null;
  const { output } = summary;
  if ("failures" in output) return output.failures;
  return output.results.flatMap(({ verdict, why }, index) =>
    verdict === "fail" ? [{ seed: first + index, why }] : [],
  );
}

const WHY = v.array(v.string());
const SUMMARY = v.union([
  v.object({ failures: v.array(v.object({ seed: v.number(), why: WHY })) }),
  v.object({ results: v.array(v.object({ verdict: v.string(), why: WHY })) }),
]);
