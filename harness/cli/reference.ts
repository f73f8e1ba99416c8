/** Writes the tables of docs/ that are made from the program: `npm run docs`. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { faultFields } from "../../chaos/by-hand.ts";
import { describeFaults } from "../../chaos/faults/registry.ts";
import { errorTable, faultTable, withTable } from "../../reports/reference.ts";
import { HARNESS_ERRORS } from "../errors.ts";

/** Documents as they should be, by path. */
export function referenceDocs(root: string): ReadonlyMap<string, string> {
  const faults = describeFaults().map((it) => ({ ...it, takes: faultFields(it.fault) }));
  const tables = {
    "docs/faults.md": faultTable(faults),
    "docs/errors.md": errorTable(HARNESS_ERRORS),
  };
  return new Map(
    Object.entries(tables).map(([path, table]) => {
      const file = join(root, path);
      return [file, withTable(readFileSync(file, "utf8"), table)] as const;
    }),
  );
}

export function writeReferenceDocs(root: string): void {
  for (const [path, text] of referenceDocs(root)) writeFileSync(path, text);
}
