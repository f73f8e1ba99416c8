/**
 * Goal: every planted mistake still is one edit away from the sources. Whether it is found is another suite's question (planted.test.ts).
 * Method: each mutation is applied to the sources as they stand, and what comes out is parsed and compared.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import t from "tap";
import type { Mutation } from "./mutations/mutation.ts";
import { MUTATIONS } from "./mutations.ts";
import { mutate, transpile } from "./plant.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** So many are asked for. */
const COUNT_MIN = 24;

const read = (file: string): string => readFileSync(resolve(ROOT, file), "utf8");

await t.test("each mutation applies, and changes what the program does", async (t) => {
  t.ok(MUTATIONS.length >= COUNT_MIN, `${MUTATIONS.length} mutations`);
  t.equal(new Set(MUTATIONS.map(({ name }) => name)).size, MUTATIONS.length, "no name twice");
  for (const mutation of MUTATIONS) {
    const planted = mutate(mutation, read);
    for (const [file, source] of planted) {
      t.not(transpile(file, source), transpile(file, read(file)), `${mutation.name}: ${file}`);
    }
  }
});

await t.test("a mutation that no longer applies, or does not parse, is an error", async (t) => {
  const edit = { file: "x.ts", find: "one", replace: "(" };
  const mutation: Mutation = { name: "gone", rule: "", edits: [edit] };
  t.throws(() => mutate(mutation, () => "some source"), { message: /stands 0 times in x\.ts/ });
  t.throws(() => mutate(mutation, () => "one or one"), { message: /stands 2 times in x\.ts/ });
  const [source = ""] = mutate(mutation, () => "const one = 1;").values();
  t.throws(() => transpile("x.ts", source), { message: /x\.ts: / });
});

await t.test("edits of one file build on each other", async (t) => {
  const edits = [
    { file: "x.ts", find: "one", replace: "two" },
    { file: "x.ts", find: "two", replace: "three" },
    { file: "y.ts", find: "one", replace: "four" },
  ];
  const planted = mutate({ name: "both", rule: "", edits }, () => "one");
  t.same(
    [...planted],
    [
      ["x.ts", "three"],
      ["y.ts", "four"],
    ],
  );
});
