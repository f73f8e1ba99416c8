/**
 * Small source trees that the gates are run on: one that keeps every rule, and what is planted into it to break each of them.
 * They take the repository's own configuration, so a rule that is lost there is missed here.
 */
import { execFile } from "node:child_process";
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

export type Sources = Readonly<Record<string, string>>;

export interface Ended {
  readonly status: number;
  /** Standard output and standard error, in this order. */
  readonly output: string;
}

const CONFIGURATION = [
  ".biome.json",
  ".config",
  ".dependency-cruiser.cjs",
  ".gitignore",
  ".oxlintrc.json",
  "tsconfig.json",
];

/** One file for each folder that has a rule of its own. */
export const CLEAN: Sources = {
  "node/core/units.ts": "export const BLOCK_SIZE = 4096;\n",
  "node/core/pair/page.ts":
    'import { BLOCK_SIZE } from "../units.ts";\n\nexport const PAGE_SIZE = 2 * BLOCK_SIZE;\n',
  "node/ports/clock.ts":
    'import type { BLOCK_SIZE } from "../core/units.ts";\n\nexport type Size = typeof BLOCK_SIZE;\n',
  "node/wire/frame.ts":
    'import { createHash } from "node:crypto";\nimport { PAGE_SIZE } from "../core/pair/page.ts";\n\nexport const hash = createHash("sha256").update(String(PAGE_SIZE)).digest("hex");\n',
  "node/machine/wasm.ts":
    'import { constants } from "node:zlib";\nimport type { Size } from "../ports/clock.ts";\n\nexport const level: Size | string = String(constants.Z_BEST_SPEED);\n',
  "node/io/machine-worker.ts":
    'import { level } from "../machine/wasm.ts";\nimport { hash } from "../wire/frame.ts";\n\nprocess.stdout.write(level + hash);\n',
  "node/main.ts": 'import "./io/machine-worker.ts";\n',
  "harness/rig/rig.ts":
    'import { PAGE_SIZE } from "../../node/core/pair/page.ts";\n\nexport const rig = PAGE_SIZE;\n',
  "harness/record/types.ts": "export const RECORD_SCHEMA = 1;\n",
  "harness/check/audit.ts":
    'import { RECORD_SCHEMA } from "../record/types.ts";\n\nexport const audited = RECORD_SCHEMA;\n',
  "chaos/run.ts":
    'import { audited } from "../harness/check/audit.ts";\nimport { rig } from "../harness/rig/rig.ts";\n\nexport const run = rig + audited;\n',
  "reports/line.ts":
    'import { RECORD_SCHEMA } from "../harness/record/types.ts";\n\nexport const line = String(RECORD_SCHEMA);\n',
  "harness/cli/main.ts":
    'import { run } from "../../chaos/run.ts";\nimport { line } from "../../reports/line.ts";\n\nprocess.stdout.write(String(run) + line);\n',
  "suites/command.test.ts": 'import "../harness/cli/main.ts";\n',
};

/** For each rule of the import rule, one file that breaks it. */
export const IMPORTS_PLANTED: Readonly<Record<string, { path: string; source: string }>> = {
  "core-is-the-bottom": {
    path: "node/core/planted-port.ts",
    source: 'import "../ports/clock.ts";\n',
  },
  "core-is-pure": { path: "node/core/planted-file.ts", source: 'import "node:fs/promises";\n' },
  "ports-name-core-types": {
    path: "node/ports/planted-wire.ts",
    source: 'import type { hash } from "../wire/frame.ts";\n\nexport type Hash = typeof hash;\n',
  },
  "ports-are-interfaces": { path: "node/ports/planted-os.ts", source: 'import "node:os";\n' },
  "wire-carries-core-types": {
    path: "node/wire/planted-machine.ts",
    source: 'import "../machine/wasm.ts";\n',
  },
  "machine-knows-no-io": {
    path: "node/machine/planted-io.ts",
    source: 'import "../io/machine-worker.ts";\n',
  },
  "bytes-need-no-io": { path: "node/wire/planted-net.ts", source: 'import "node:net";\n' },
  "node-knows-no-harness": {
    path: "node/io/planted-rig.ts",
    source: 'import "../../harness/rig/rig.ts";\n',
  },
  "beds-drive-hosts": {
    path: "harness/rig/planted-host.ts",
    source: 'import "../../node/io/machine-worker.ts";\n',
  },
  // The rig is free to import the core; the audit must not even by way of the rig.
  "audit-is-a-second-reader": {
    path: "harness/check/planted-reader.ts",
    source: 'import "../rig/rig.ts";\n',
  },
  "chaos-sits-on-the-rig": {
    path: "chaos/planted-frame.ts",
    source: 'import "../node/wire/frame.ts";\n',
  },
  "reports-read-records": {
    path: "reports/planted-rig.ts",
    source: 'import "../harness/rig/rig.ts";\n',
  },
  "nobody-imports-the-roots": {
    path: "harness/rig/planted-command.ts",
    source: 'import "../cli/main.ts";\n',
  },
  "cli-is-the-root": {
    path: "harness/cli/planted-suite.ts",
    source: 'import "../../suites/command.test.ts";\n',
  },
  "no-cycles": {
    path: "harness/record/planted-cycle.ts",
    source: 'import "./planted-cycle.ts";\n',
  },
  "every-import-resolves": {
    path: "harness/record/planted-gap.ts",
    source: 'import "./not-there.ts";\n',
  },
};

/** Makes a tree in a folder of its own. Dependencies that only the whole repository uses are left out of its package.json. */
export function plantTree(...parts: readonly Sources[]): string {
  const root = mkdtempSync(join(tmpdir(), "faultline-gates-"));
  for (const path of CONFIGURATION) cpSync(path, join(root, path), { recursive: true });
  const manifest: unknown = JSON.parse(readFileSync("package.json", "utf8"));
  const devDependencies = { "@biomejs/biome": "*", "@types/node": "*", tap: "*", typescript: "*" };
  const own: object = Object.assign({}, manifest, { dependencies: {}, devDependencies });
  writeFileSync(join(root, "package.json"), `${JSON.stringify(own, null, 2)}\n`);
  symlinkSync(join(process.cwd(), "node_modules"), join(root, "node_modules"));
  for (const [path, source] of parts.flatMap((part) => Object.entries(part))) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), source);
  }
  return root;
}

export const fell = (root: string): void => rmSync(root, { recursive: true, force: true });

/**
 * Runs a script with Node in a tree. tap hooks itself into every child of a test by way of NODE_OPTIONS, so it is taken away.
 *
 * @param input what the script finds on standard input
 */
export function runIn(root: string, flags: readonly string[], input = ""): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      "/usr/bin/env",
      ["-u", "NODE_OPTIONS", process.execPath, ...flags],
      { cwd: root, timeout: 120_000, maxBuffer: 2 ** 24 },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        resolve({ status, output: stdout + stderr });
      },
    );
    child.stdin?.end(input);
  });
}
