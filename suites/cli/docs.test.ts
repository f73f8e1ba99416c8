/**
 * Goal: the list of error codes in docs is the list in the code.
 * Method: both are read as text; a type cannot be listed at run time.
 */
import { readFileSync } from "node:fs";
import t from "tap";

await t.test("docs/errors.md has a row for each error code, and no other", (t) => {
  const source = readFileSync("harness/errors.ts", "utf8");
  const union = /export type HarnessErrorCode =([^;]*);/.exec(source)?.[1] ?? "";
  const codes = [...union.matchAll(/"([A-Z_]+)"/g)].map(([, code]) => code);
  const docs = readFileSync("docs/errors.md", "utf8");
  const rows = [...docs.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);
  t.ok(codes.length > 10, "the union was found");
  t.same(rows, codes);
  t.end();
});
