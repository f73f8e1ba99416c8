/**
 * Builds the sources into dist/: compiled JavaScript, and beside it the files that the program reads at run time.
 * What has no source any more leaves dist/, so a renamed module cannot live on there.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const DIST = join(ROOT, "dist");
const ASSETS = [
  { folder: "node/guests", name: /\.wasm$/ },
  { folder: "chaos/scenarios", name: /\.(json|yaml)$/ },
];

/** Paths relative to the root; empty when the folder does not exist. */
function filesIn(folder) {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

const assetsIn = (prefix) =>
  ASSETS.flatMap(({ folder, name }) =>
    filesIn(join(prefix, folder)).filter((path) => name.test(path)),
  );

function isStale(path) {
  const source = relative("dist", path);
  const compiled = /^(.*)\.js(\.map)?$/.exec(source);
  if (compiled !== null) return !existsSync(join(ROOT, `${compiled[1]}.ts`));
  return assetsIn("dist").includes(path) && !existsSync(join(ROOT, source));
}

function copyIfNewer(path) {
  const target = join(DIST, path);
  const source = statSync(join(ROOT, path));
  if (existsSync(target) && statSync(target).mtimeMs >= source.mtimeMs) return;
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(ROOT, path), target);
}

const start = performance.now();
process.stderr.write("building ...\n");
const compiler = spawnSync(
  process.execPath,
  [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", join(ROOT, ".config/tsconfig.build.json")],
  { stdio: ["ignore", "inherit", "inherit"] },
);
for (const path of filesIn("dist").filter(isStale)) rmSync(join(ROOT, path));
for (const path of assetsIn("")) copyIfNewer(path);

const seconds = ((performance.now() - start) / 1000).toFixed(1);
if (compiler.status === 0) {
  process.stderr.write(`built in ${seconds} s\n`);
} else {
  process.stderr.write(`build failed after ${seconds} s\n`);
  process.exitCode = 1;
}
