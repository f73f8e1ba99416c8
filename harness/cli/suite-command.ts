/** Runs somebody's own tap files, and says what records they left. */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { execa } from "execa";
import { HarnessError } from "../errors.ts";
import { readDocument } from "../record/reader.ts";
import { RUN_FILES } from "../record/run-folder.ts";
import { UsageError } from "./failure.ts";
import { shortPath } from "./scenario-runs.ts";
import { type Shell, STATUS } from "./shell.ts";

/**
 * @returns tap's exit status: 0 when everything passed
 * @throws UsageError where tap is not installed
 */
export async function suiteCommand(
  files: readonly string[],
  options: { readonly out: string },
  shell: Shell,
): Promise<number> {
  const runs = join(resolve(shell.cwd, options.out), "runs");
  const before = new Set(runsIn(runs));
  const { NODE_OPTIONS: _hooks, ...env } = shell.env;
  const result = await execa(process.execPath, [tapIn(shell.cwd), "--disable-coverage", ...files], {
    cwd: shell.cwd,
    env,
    extendEnv: false,
    stdio: "inherit",
    reject: false,
    cancelSignal: shell.signal,
    forceKillAfterDelay: 5_000,
  });
  const fresh = runsIn(runs).filter((name) => !before.has(name));
  if (fresh.length > 0) shell.out("\nRecords:\n");
  for (const name of fresh) {
    const folder = join(runs, name);
    shell.out(`  ${verdictOf(folder).padEnd(9)}${shortPath(folder, shell.cwd)}\n`);
  }
  if (shell.signal.aborted) return STATUS.interrupted;
  return result.exitCode ?? STATUS.crashed;
}

function tapIn(cwd: string): string {
  try {
    const find = createRequire(join(cwd, "package.json"));
    return find.resolve("tap/package.json").replace(/package\.json$/, "dist/esm/run.mjs");
  } catch {
    // It is a peer, not a dependency: who has suites has it.
    throw new UsageError("tap is not installed here", "Run: npm install --save-dev tap");
  }
}

function runsIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name !== "latest" && !name.startsWith("."))
    .sort();
}

function verdictOf(folder: string): string {
  try {
    return String(readDocument(join(folder, RUN_FILES.verdict))["verdict"]).toUpperCase();
  } catch (error: unknown) {
    if (error instanceof HarnessError) return "UNJUDGED";
    throw error;
  }
}
