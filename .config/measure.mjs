/**
 * Builds, then runs a program of suites/: `bench` measures what README and docs/ promise, `campaign` runs seeds; both write docs/measurements.md.
 * Usage: node .config/measure.mjs bench|campaign [option ...]
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const BROKEN = 3;
const [PROGRAM, ...OPTIONS] = process.argv.slice(2);

for (const args of [
  [join(ROOT, ".config/build.mjs")],
  [join(ROOT, "dist/suites", PROGRAM, "main.js"), ...OPTIONS],
]) {
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? BROKEN);
}
