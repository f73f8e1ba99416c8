/** What the suite of planted mistakes says of each: a simulator that finds none of them shows nothing by finding nothing. */
import { spawnSync } from "node:child_process";
import type { Bench } from "./bench.ts";
import { fact, type Row } from "./row.ts";

const SEEDS_MAX = 500;

export async function planted(bench: Bench): Promise<readonly Row[]> {
  bench.say("planted mistakes");
  const args = ["suites/planted/planted.test.ts", "--reporter=tap"];
  const run = spawnSync("node_modules/.bin/tap", args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const found = [
    ...run.stdout.matchAll(/# planted "([^"]+)": seed (\w+), ([^:]+): ([\w-]+): ([^\n]{0,80})/g),
  ];
  if (found.length === 0) throw new Error("the suite of planted mistakes said nothing");
  return Promise.resolve(
    found.map(([, name = "", seeds = "", scenario = "", check = "", why = ""]) =>
      fact(`planted: ${name}`, `found by seed ${seeds} (${scenario}, ${check}: ${why})`, {
        target: `≤ ${SEEDS_MAX} seeds`,
        isMet: Number(seeds) <= SEEDS_MAX,
      }),
    ),
  );
}
