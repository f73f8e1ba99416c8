/**
 * Goal: each gate bites, and none is green because it looked at nothing.
 * Method: run the gates with the repository's configuration on a small tree that keeps every rule, on the same tree with violations
 * planted into it, and on an empty one. Then hold the repository's own sources to the rules that no tool knows.
 */
import t from "tap";
import {
  bannedInCore,
  longWithoutReason,
  marksOfUnfinishedWork,
  sourcesBelow,
  suppressionsWithoutReason,
} from "./tidy.ts";
import { CLEAN, fell, IMPORTS_PLANTED, plantTree, runIn } from "./trees.ts";

const CHECK = ".config/check.mjs";

const imports = Object.fromEntries(
  Object.values(IMPORTS_PLANTED).map(({ path, source }) => [path, source]),
);

const PLANTED = {
  "harness/record/planted-dead.ts": "export const dead = 1;\n",
  "harness/record/types.ts":
    "export const RECORD_SCHEMA = 1;\n\nexport const plantedDeadExport = 2;\n",
  "node/planted-promise.ts":
    'import { unlink } from "node:fs/promises";\n\nexport function forget(): void {\n  unlink("a");\n}\n\nexport function leak(): number {\n  return JSON.parse("1");\n}\n',
  "node/core/planted-clock.ts": "export const now = Date.now();\n",
  "node/core/planted-folder.ts":
    'import { readdirSync } from "node:fs";\n\nexport const root = readdirSync("/");\n',
  "node/planted-format.ts": "export const crooked = {a:1};\n",
  "node/planted-type.ts": 'export const wrong: number = "1";\n',
};

const clean = plantTree(CLEAN);
const planted = plantTree(CLEAN, imports, PLANTED);
const empty = plantTree();
t.teardown(() => [clean, planted, empty].map(fell));

await t.test("a tree that keeps every rule passes every gate", async (t) => {
  const { status, output } = await runIn(clean, [CHECK]);
  t.equal(status, 0, "check ends with 0", { output });
  t.equal(output.match(/^ok /gm)?.length, 6, "six gates ran", { output });
});

await t.test("what is planted against a rule fails the gate of that rule", async (t) => {
  const { status, output } = await runIn(planted, [CHECK]);
  t.equal(status, 1, "check ends with 1");
  for (const gate of ["types", "lint", "promises", "format", "imports", "dead-code"]) {
    t.match(output, new RegExp(`^FAILED +${gate} `, "m"), `the gate ${gate} fails`);
  }
  await t.test("an import against the layers is named with its rule", async (t) => {
    const cruised = /(\d+) modules, \d+ dependencies cruised/.exec(output);
    t.ok(Number(cruised?.[1]) > Object.keys(imports).length, "the cruiser saw the tree");
    for (const [rule, { path }] of Object.entries(IMPORTS_PLANTED)) {
      t.match(output, new RegExp(`error ${rule}: ${path}`), `${rule} is broken by ${path}`);
    }
  });
  await t.test("dead code is named, a whole file and a single export", async (t) => {
    t.match(output, /^harness\/record\/planted-dead\.ts/m, "the file is named");
    t.match(output, /^plantedDeadExport +harness\/record\/types\.ts/m, "the export is named");
  });
  await t.test("a forgotten promise and an escaping any are named", async (t) => {
    t.match(output, /no-floating-promises[\s\S]*?planted-promise\.ts:4/, "the promise is named");
    t.match(output, /no-unsafe-return[\s\S]*?planted-promise\.ts:8/, "the any is named");
  });
  await t.test("a clock and a file system in the core are named with what to do", async (t) => {
    t.match(output, /planted-clock\.ts[\s\S]*?noRestrictedGlobals/, "the clock is named");
    t.match(output, /planted-file\.ts[\s\S]*?noRestrictedImports/, "node:fs/promises is named");
    t.match(output, /planted-folder\.ts[\s\S]*?noRestrictedImports/, "node:fs is named");
    t.match(output, "Take `now` from the event.", "the message says what to do");
  });
});

await t.test("gates that have nothing to look at fail", async (t) => {
  const { status, output } = await runIn(empty, [CHECK, "types", "promises", "imports"]);
  t.equal(status, 1, "check ends with 1");
  for (const gate of ["types", "promises", "imports"]) {
    t.match(output, new RegExp(`^FAILED +${gate} `, "m"), `the gate ${gate} fails`);
  }
});

await t.test(
  "a test run without a build and without green gates counts both as failed",
  async (t) => {
    const { status, output } = await runIn(empty, [".config/test.mjs"]);
    t.equal(status, 1, "the run ends with 1");
    t.match(output, /^FAILED {2}build$/m, "the build is named");
    t.match(output, /^FAILED {2}check$/m, "the gates are named");
    t.match(output, /^0 passed, 2 failed$/m, "both are counted");
  },
);

await t.test(
  "assertions are counted once, however deep, a crashed or empty file as one",
  async (t) => {
    const stream = [
      "TAP version 14",
      "# Subtest: a.test.ts",
      "    # Subtest: inner",
      "        ok 1 - first",
      "        not ok 2 - second",
      "          ---",
      "          at: not ok 9 - quoted",
      "          ...",
      "        1..2",
      "    not ok 1 - inner",
      "    ok 2 - third",
      "    ok 3 - left out # SKIP",
      "    1..3",
      "not ok 1 - a.test.ts",
      "ok 2 - b.test.ts {",
      "    ok 1 - fourth",
      "    1..1",
      "}",
      "# Subtest: c.test.ts",
      "    ok 1 - fifth",
      "    1..1",
      "not ok 3 - c.test.ts # timeout",
      "ok 4 - d.test.ts # SKIP no tests found",
      "1..4",
    ].join("\n");
    const script = `
    import { readFileSync } from "node:fs";
    import { createTapCounter } from "./.config/tap-counter.mjs";
    const counter = createTapCounter(() => undefined);
    readFileSync(0, "utf8").split("\\n").forEach((line) => counter.read(line));
    console.log(JSON.stringify(counter.end()));`;
    const { output } = await runIn(clean, ["--input-type=module", "-e", script], stream);
    t.equal(
      output.trim(),
      '{"passed":4,"failed":3}',
      "second, c.test.ts and the empty d.test.ts failed",
    );
  },
);

await t.test("the sources keep the rules that no tool knows", async (t) => {
  const all = sourcesBelow(".", /\.(ts|mjs|cjs|md|json|ya?ml)$/);
  t.ok(all.length > 10, "there are sources to look at");
  t.same(marksOfUnfinishedWork(all), [], "no mark of unfinished work");
  t.same(suppressionsWithoutReason(all), [], "every suppression says why");
  t.same(longWithoutReason(all), [], "no file beyond 400 lines without a reason");
  const core = all.filter(({ path }) => path.startsWith("node/core/"));
  t.ok(core.length > 0, "there is a core to look at");
  t.same(bannedInCore(core), [], "the core has no clock, no chance and no promise");
});
