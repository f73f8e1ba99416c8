#!/usr/bin/env node
import { existsSync } from "node:fs";

const main = new URL("../../dist/harness/cli/main.js", import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write("faultline is not built yet: run `npm run build` and try again\n");
  process.exitCode = 4;
}
