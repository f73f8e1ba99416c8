/**
 * Goal: what the documentation says of the program is what the program is.
 * Method: tables are made anew and compared; commands are looked for in the program's own help.
 */
import { readdirSync, readFileSync } from "node:fs";
import t from "tap";
import { referenceDocs } from "../../harness/cli/reference.ts";

await t.test("tables made from the program are up to date (npm run docs)", (t) => {
  const documents = referenceDocs(process.cwd());
  t.equal(documents.size, 2);
  for (const [path, text] of documents) t.equal(readFileSync(path, "utf8"), text, path);
  t.end();
});

await t.test("every fault has a section, every error code a row", (t) => {
  const faults = readFileSync("docs/faults.md", "utf8");
  t.ok((faults.match(/^## /gm) ?? []).length >= 12);
  t.ok((readFileSync("docs/errors.md", "utf8").match(/^\| `[A-Z_]+` \|/gm) ?? []).length >= 18);
  t.end();
});

await t.test("links between documents lead somewhere", (t) => {
  const documents = ["README.md", ...readdirSync("docs").map((name) => `docs/${name}`)];
  for (const path of documents.filter((name) => name.endsWith(".md"))) {
    const folder = path.startsWith("docs/") ? "docs/" : "";
    const links = [...readFileSync(path, "utf8").matchAll(/\]\(((?!https?:)[^)#]+)(#[^)]*)?\)/g)];
    for (const [, target = ""] of links) {
      const file = new URL(target, `file://${process.cwd()}/${folder}`).pathname;
      t.doesNotThrow(() => readFileSync(file), `${path}: ${target}`);
    }
  }
  t.end();
});
