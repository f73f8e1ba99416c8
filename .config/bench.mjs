/**
 * Builds, then measures what README and docs/ promise and writes docs/measurements.md (suites/bench/main.ts).
 * Usage: npm run bench [-- --full] [-- --only <group> ...].
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const BROKEN = 3;

for (const args of [
  [join(ROOT, ".config/build.mjs")],
  [join(ROOT, "dist/suites/bench/main.js"), ...process.argv.slice(2)],
]) {
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? BROKEN);
}
