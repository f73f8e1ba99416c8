/** Which program ran, and on what machine: for the record. */
import { execFileSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";

/** Commit of the sources, with `-dirty` where they were changed since; `unknown` for a package without its repository. */
export function commitOf(packageRoot: string): string {
  try {
    const git = (...args: readonly string[]): string =>
      execFileSync("git", ["-C", packageRoot, ...args], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      }).trim();
    // A package installed into somebody's repository is not of that repository's commit.
    if (git("rev-parse", "--show-toplevel") !== realpathSync(packageRoot)) return "unknown";
    const isDirty = git("status", "--porcelain", "--untracked-files=no") !== "";
    return `${git("rev-parse", "HEAD")}${isDirty ? "-dirty" : ""}`;
  } catch {
    // No git, or no repository: the record says so.
    return "unknown";
  }
}

export function factsOfMachine(): Readonly<Record<string, unknown>> {
  const processors = cpus();
  return {
    node: process.version,
    platform: process.platform,
    release: release(),
    arch: process.arch,
    cores: processors.length,
    cpu: processors[0]?.model ?? "unknown",
    memoryMiB: Math.round(totalmem() / 1_048_576),
    loadAverage: loadavg(),
  };
}
