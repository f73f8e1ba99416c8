/** Many seeds of one scenario, with the program as a user runs it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Recovery, VerdictDocument } from "../../harness/record/types.ts";
import type { BatchSummary } from "../../reports/batch.ts";

export interface Batch extends BatchSummary {
  readonly verdicts: readonly VerdictDocument[];
}

/** Folder for the records of one group of rows; removed when `use` has ended. */
export async function withRecords<Found>(use: (out: string) => Promise<Found>): Promise<Found> {
  const out = mkdtempSync(join(tmpdir(), "faultline-bench-"));
  try {
    return await use(out);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** @param scenario name, or path of a file */
export function runBatch(
  scenario: string,
  options: { readonly bed: "sim" | "local"; readonly count: number; readonly out: string },
): Batch {
  const { bed, count, out } = options;
  const args = ["harness/cli/bin.js", "run", scenario, "--bed", bed, "--seeds", `1..${count}`];
  const run = spawnSync(process.execPath, [...args, "--out", out, "--json"], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (run.stdout === "") throw new Error(`${scenario} in ${bed} printed nothing`);
  // The other half of this program wrote them.
  const summary = JSON.parse(run.stdout) as BatchSummary;
  const verdicts = summary.results.map(
    ({ record }) =>
      JSON.parse(readFileSync(join(record, "verdict.json"), "utf8")) as VerdictDocument,
  );
  return { ...summary, verdicts };
}

export function recoveriesOf(batch: Batch): readonly Recovery[] {
  return batch.verdicts.flatMap(({ recovery }) => recovery);
}
