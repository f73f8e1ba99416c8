/**
 * Goal: the packed package works in somebody's own project: a scenario by command, and a suite on the public API with plain tap.
 * Method: `npm pack`, installed beside tap into an empty project; the suite is the one that docs/writing-a-suite.md shows. Needs the npm registry.
 */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import t from "tap";

const UNPACKED_MAX = 5_000_000;
const INSTALL_WITHIN_MS = 240_000;

t.setTimeout(600_000);
const project = realpathSync(mkdtempSync(join(tmpdir(), "faultline-package-")));
t.teardown(() => rmSync(project, { recursive: true, force: true }));

const { NODE_OPTIONS: _hooks, ...env } = process.env;
const options = { cwd: project, env, extendEnv: false, reject: false, stdin: "ignore" } as const;

function npm(...args: readonly string[]) {
  return execa("npm", args, { ...options, timeout: INSTALL_WITHIN_MS });
}

/** First code block of that kind. */
function codeIn(document: string, language: string): string {
  const code = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(document)?.[1];
  if (code === undefined) throw new Error(`no ${language} code`);
  return code;
}

await t.test("it is packed with what a user needs, and no more", async (t) => {
  const args = ["pack", "--json", "--pack-destination", project];
  const packed = await execa("npm", args, { env, extendEnv: false, timeout: 60_000 });
  const [{ filename, unpackedSize, files }] = JSON.parse(packed.stdout) as [
    { filename: string; unpackedSize: number; files: { path: string }[] },
  ];
  t.ok(unpackedSize <= UNPACKED_MAX, `${(unpackedSize / 1e6).toFixed(2)} MB unpacked`);
  const paths = files.map(({ path }) => path);
  for (const path of ["README.md", "LICENSE", "dist/node/guests/kv.wasm", "harness/cli/bin.js"]) {
    t.ok(paths.includes(path), path);
  }
  t.notOk(paths.some((path) => path.startsWith("dist/suites") || path.endsWith(".map")));
  writeFileSync(join(project, "package.json"), '{ "name": "mine", "type": "module" }\n');
  const installed = await npm(
    "install",
    "--no-audit",
    "--no-fund",
    join(project, filename),
    "tap@21.8.0",
  );
  t.equal(installed.exitCode, 0, installed.stderr.slice(-500));
});

await t.test("a scenario runs by command, through the embedded proxy too", async (t) => {
  for (const proxy of ["", "embedded"]) {
    const run = await execa("npx", ["faultline", "run", "level2/kill-active", "--json"], {
      ...options,
      env: { ...env, FAULTLINE_TOXIPROXY: proxy },
      timeout: 120_000,
    });
    t.equal(run.exitCode, 0, run.stderr.slice(-500));
    const verdict = JSON.parse(run.stdout) as { verdict: string; proxy: string; commit: string };
    t.match(verdict, {
      verdict: "pass",
      proxy: proxy === "" ? /proxy/ : /^embedded/,
      commit: "unknown",
    });
  }
});

await t.test("the suite of the documentation passes with plain tap, and by command", async (t) => {
  const document = readFileSync("docs/writing-a-suite.md", "utf8");
  mkdirSync(join(project, "suites"));
  writeFileSync(join(project, "suites/survives.test.mjs"), codeIn(document, "js"));
  const plain = await execa("npx", ["tap", "--disable-coverage", "suites/survives.test.mjs"], {
    ...options,
    timeout: 180_000,
  });
  t.equal(plain.exitCode, 0, plain.stdout.slice(-2_000));
  const ours = await execa("npx", ["faultline", "suite", "suites/survives.test.mjs"], {
    ...options,
    timeout: 180_000,
  });
  t.equal(ours.exitCode, 0, ours.stdout.slice(-2_000));
  t.match(ours.stdout, /Records:\n {2}PASS +\.faultline\/runs\/\S+mine-host-loss-\d+\n {2}PASS/);
});

await t.test("its types are there", async (t) => {
  writeFileSync(
    join(project, "typed.mts"),
    'import { type Cluster, startCluster } from "faultline";\nexport const cluster: Promise<Cluster> = startCluster({ bed: "sim", seed: 1 });\n',
  );
  const tsc = join(process.cwd(), "node_modules/typescript/bin/tsc");
  const flags = [
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--skipLibCheck",
    "--types",
    "node",
  ];
  const roots = ["--typeRoots", join(process.cwd(), "node_modules/@types")];
  const checked = await execa(process.execPath, [tsc, ...flags, ...roots, "typed.mts"], options);
  t.equal(checked.exitCode, 0, checked.stdout);
});
