/** Writes the tables of docs/ that are made from the program. Needs a build. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeReferenceDocs } from "../dist/harness/cli/reference.js";

writeReferenceDocs(join(dirname(fileURLToPath(import.meta.url)), ".."));
