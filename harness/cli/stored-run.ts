/** A run that was recorded, as a command line names it: by its folder, or by a plan file alone. */
import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { readDataFile } from "../../chaos/plan/data-file.ts";
import { type Plan, parsePlan } from "../../chaos/plan/plan.ts";
import { reasonOf } from "../../chaos/shrink/reason.ts";
import { HarnessError } from "../errors.ts";
import { readDocument } from "../record/reader.ts";
import { RUN_FILES } from "../record/run-folder.ts";
import type { CheckResult } from "../record/types.ts";
import { UsageError } from "./failure.ts";
import type { Shell } from "./shell.ts";

export interface StoredRun {
  /** Of the run, with no link on the way: `latest` will be another run soon. Null: a plan file without a record beside it. */
  readonly folder: string | null;
  readonly plan: Plan;
  /** Null: the run left no verdict. */
  readonly verdict: StoredVerdict | null;
}

export interface StoredVerdict {
  readonly document: Readonly<Record<string, unknown>>;
  /** `pass`, `fail`, `unknown`, `broken`, or whatever stands there. */
  readonly word: string;
  readonly commit: string;
  /** Why it failed; empty: it did not. */
  readonly reason: readonly string[];
}

/** @throws UsageError when there is no such file; HarnessError BAD_RECORD, or BAD_SCENARIO for a plan file with mistakes */
export function openStoredRun(given: string, { cwd }: Pick<Shell, "cwd">): StoredRun {
  const path = resolve(cwd, given);
  const stat = statSync(path, { throwIfNoEntry: false });
  const hint = "Name a run's folder, for instance .faultline/runs/latest, or a plan file.";
  if (stat === undefined) throw new UsageError(`there is no ${given}`, hint);
  if (!stat.isDirectory()) {
    const plan = parsePlan(readDataFile(path), given);
    const beside = dirname(realpathSync(path));
    const isOfRun = path.endsWith(RUN_FILES.plan) && existsSync(join(beside, RUN_FILES.events));
    return isOfRun ? { ...recordIn(beside), plan } : { folder: null, plan, verdict: null };
  }
  if (!existsSync(join(path, RUN_FILES.plan))) {
    throw new UsageError(`${given} is a folder without ${RUN_FILES.plan}`, hint);
  }
  const folder = realpathSync(path);
  return { ...recordIn(folder), plan: planIn(join(folder, RUN_FILES.plan), given) };
}

function recordIn(folder: string): Pick<StoredRun, "folder" | "verdict"> {
  const path = join(folder, RUN_FILES.verdict);
  if (!existsSync(path)) return { folder, verdict: null };
  const document = readDocument(path);
  const { verdict, commit, checks } = document;
  const list: readonly unknown[] = Array.isArray(checks) ? checks : [];
  const reason = reasonOf(list.filter(isCheck));
  return {
    folder,
    verdict: { document, word: String(verdict), commit: String(commit), reason },
  };
}

/** A plan that cannot be read is a mistake of the record here, not of the command line. */
function planIn(path: string, given: string): Plan {
  try {
    return parsePlan(readDataFile(path), join(given, RUN_FILES.plan));
  } catch (cause: unknown) {
    if (!(cause instanceof HarnessError)) throw cause;
    throw new HarnessError("BAD_RECORD", cause.message, {
      hint: "Use the version of Faultline that recorded the run.",
      cause,
    });
  }
}

function isCheck(value: unknown): value is CheckResult {
  if (typeof value !== "object" || value === null) return false;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  return ["name", "verdict", "why"].every((name) => typeof fields[name] === "string");
}
