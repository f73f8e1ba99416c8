/** Judges what is already recorded: a history of any program, or a run's folder again, from its record alone. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { evidenceOf } from "../../chaos/evidence.ts";
import { judge, judgeUnfinished, NOTHING_JUDGED } from "../../chaos/judge.ts";
import { readDataFile } from "../../chaos/plan/data-file.ts";
import { type Plan, parsePlan } from "../../chaos/plan/plan.ts";
import { renderVerdict } from "../../reports/line.ts";
import { painter } from "../../reports/screen.ts";
import { checkDurability } from "../check/durability.ts";
import { judgeLinearizability } from "../check/linearizability.ts";
import { countOperations, type Operation, operationsOf } from "../check/operations.ts";
import { composeVerdict, EXIT_STATUS } from "../check/verdict.ts";
import { HarnessError } from "../errors.ts";
import { canonicalJson } from "../record/json.ts";
import { readDocument, readEvents, readHistory, type Truncation } from "../record/reader.ts";
import { RUN_FILES } from "../record/run-folder.ts";
import { type CheckResult, RECORD_SCHEMA, type VerdictDocument } from "../record/types.ts";
import { UsageError } from "./failure.ts";
import { row } from "./rows.ts";
import type { Shell } from "./shell.ts";

export interface CheckCommandOptions {
  /** For all keys of a history together. Unit: milliseconds. */
  readonly budgetMs: number;
  readonly json: boolean;
}

/**
 * @returns the exit status: that of the verdict
 * @throws UsageError when there is no such file, or the folder is no run's; HarnessError BAD_RECORD naming file and line
 */
export function checkCommand(given: string, options: CheckCommandOptions, shell: Shell): number {
  const path = resolve(shell.cwd, given);
  const stat = statSync(path, { throwIfNoEntry: false });
  const hint = "Name a history (docs/record.md says how to write one) or a run's folder.";
  if (stat === undefined) throw new UsageError(`there is no ${given}`, hint);
  if (!stat.isDirectory()) return checkHistory({ path, given }, options, shell);
  if (existsSync(join(path, RUN_FILES.plan))) return checkRun({ path, given }, options, shell);
  throw new UsageError(`${given} is a folder without ${RUN_FILES.plan}`, hint);
}

interface Named {
  readonly path: string;
  /** As it was named. */
  readonly given: string;
}

function checkHistory({ path, given }: Named, options: CheckCommandOptions, shell: Shell): number {
  const { lines, truncated } = readHistory(path);
  const operations = operationsOf(lines);
  const checks = checksOf(operations, options);
  const verdict = composeVerdict(checks);
  const counts = countOperations(operations);
  const notJudged = checks.some(({ name }) => name === "durability") ? [] : ["durability"];
  const cut = describeCut(truncated);
  if (options.json) {
    const found = { verdict, checks, operations: counts, notJudged, truncated: cut };
    shell.out(`${canonicalJson({ schema: RECORD_SCHEMA, ...found }, 2)}\n`);
    return EXIT_STATUS[verdict];
  }
  const { outScreen } = shell;
  const { ok, fail, info } = counts;
  const paint = painter(outScreen);
  const colour = verdict === "pass" ? "green" : verdict === "fail" ? "red" : "yellow";
  const text = [
    `${paint(colour, paint("bold", verdict.toUpperCase()))}  ${given}`,
    "",
    ...checks.flatMap((check) => row(check.verdict, `${check.name}: ${check.why}`, outScreen)),
    ...notJudged.flatMap((name) =>
      row("not judged", `${name}: no read has the role readback`, outScreen),
    ),
    ...row(
      "operations",
      `${ok} ok, ${fail} fail, ${info} info (n = ${operations.length})`,
      outScreen,
    ),
    ...(cut === null ? [] : row("cut short", cut, outScreen)),
  ];
  shell.out(`${text.join("\n")}\n`);
  return EXIT_STATUS[verdict];
}

/** Durability needs reads that look whether a write is still there. */
function checksOf(
  operations: readonly Operation[],
  { budgetMs }: CheckCommandOptions,
): readonly CheckResult[] {
  const { check } = judgeLinearizability(operations, { budgetMs });
  const isReadBack = operations.some(({ role }) => role === "readback");
  return isReadBack ? [check, checkDurability(operations, []).check] : [check];
}

function checkRun({ path, given }: Named, options: CheckCommandOptions, shell: Shell): number {
  const plan = planIn(join(path, RUN_FILES.plan), given);
  const stored = storedIn(join(path, RUN_FILES.verdict));
  const historyPath = join(path, RUN_FILES.history);
  const history = existsSync(historyPath) ? readHistory(historyPath) : NO_HISTORY;
  const events = readEvents(join(path, RUN_FILES.events));
  const evidence = evidenceOf(plan, history.lines, events.lines);
  const isWhole = evidence.audit !== null && stored.broken === null;
  const judged = isWhole ? judge(evidence) : judgeRest(stored, evidence.events);
  const document = { ...headOf(plan, stored.document), ...judged, broken: stored.broken };
  const differences = stored.document === null ? null : differencesOf(stored.document, document);
  const cut = describeCut(history.truncated ?? events.truncated);
  if (options.json) {
    const again = { isSame: differences?.length === 0, differences: differences ?? [] };
    const shown = { ...document, stored: stored.document === null ? null : again, truncated: cut };
    shell.out(`${canonicalJson(shown, 2)}\n`);
    return EXIT_STATUS[document.verdict];
  }
  const { outScreen } = shell;
  const rows = [
    ...row("judged again", describeAgain(differences), outScreen),
    ...(differences ?? []).flatMap((difference) => row("differs", difference, outScreen)),
    ...(cut === null ? [] : row("cut short", cut, outScreen)),
  ];
  shell.out(`${renderVerdict(document, outScreen)}\n${rows.join("\n")}\n`);
  return EXIT_STATUS[document.verdict];
}

const NO_HISTORY = { lines: [], truncated: null } as const;

type Judged = ReturnType<typeof judge>;

/** Of a run that did not get as far as its audit: what it did wrong by its own account, and otherwise that nothing can be said. */
function judgeRest(
  { broken }: Stored,
  events: Parameters<typeof judgeUnfinished>[0],
): Omit<Judged, "verdict"> & { readonly verdict: VerdictDocument["verdict"] } {
  if (broken !== null) return { ...NOTHING_JUDGED, verdict: "broken" };
  const failed = judgeUnfinished(events);
  if (failed !== null) return failed;
  const check = { name: "run", verdict: "unknown", why: "the run was interrupted" } as const;
  return { ...NOTHING_JUDGED, verdict: "unknown", checks: [check] };
}

interface Stored {
  /** Null: the run left no verdict. */
  readonly document: Readonly<Record<string, unknown>> | null;
  readonly broken: VerdictDocument["broken"];
}

function storedIn(path: string): Stored {
  if (!existsSync(path)) return { document: null, broken: null };
  const document = readDocument(path);
  const broken = document["broken"];
  if (typeof broken !== "object" || broken === null) return { document, broken: null };
  const fields: Readonly<Record<string, unknown>> = { ...broken };
  const [code, message, hint] = [fields["code"], fields["message"], fields["hint"]].map(textOf);
  return { document, broken: { code: code ?? "", message: message ?? "", hint: hint ?? "" } };
}

/** A plan that cannot be read is a mistake of the record here, not of the command line. */
function planIn(path: string, given: string): Plan {
  try {
    return parsePlan(readDataFile(path), join(given, RUN_FILES.plan));
  } catch (cause: unknown) {
    if (!(cause instanceof HarnessError)) throw cause;
    throw new HarnessError("BAD_RECORD", cause.message, {
      hint: "Judge the run with the version of Faultline that recorded it.",
      cause,
    });
  }
}

function headOf(
  { scenario, seed, bed, level, schema }: Plan,
  stored: Stored["document"],
): Pick<
  VerdictDocument,
  "schema" | "scenario" | "seed" | "bed" | "level" | "proxy" | "commit" | "replay"
> {
  const [proxy, commit, replay] = ["proxy", "commit", "replay"].map((name) =>
    textOf(stored?.[name] ?? "unknown"),
  );
  const head = { schema, scenario, seed, bed, level };
  return { ...head, proxy: proxy ?? "", commit: commit ?? "", replay: replay ?? "" };
}

/** Fields of the verdict that come out otherwise, each with both values where they are short. */
function differencesOf(
  stored: Readonly<Record<string, unknown>>,
  judged: Readonly<Record<string, unknown>>,
): readonly string[] {
  const names = [...new Set([...Object.keys(stored), ...Object.keys(judged)])];
  return names.flatMap((name) => {
    const [before, after] = [stored[name], judged[name]].map((value) =>
      canonicalJson(value ?? null),
    );
    if (before === after) return [];
    if (name === "checks") return differentChecks(stored[name], judged[name]);
    return [`${name}: stored ${shortened(before)}, judged ${shortened(after)}`];
  });
}

function differentChecks(stored: unknown, judged: unknown): readonly string[] {
  const [before, after] = [checksByName(stored), checksByName(judged)];
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return names.flatMap((name) => {
    const [old, fresh] = [before.get(name) ?? "nothing", after.get(name) ?? "nothing"];
    return old === fresh ? [] : [`check ${name}: stored ${old}; judged ${fresh}`];
  });
}

/** A name may stand more than once: a check of every step. */
function checksByName(checks: unknown): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const list: readonly unknown[] = Array.isArray(checks) ? checks : [];
  for (const check of list) {
    const fields: Readonly<Record<string, unknown>> =
      typeof check === "object" && check !== null ? { ...check } : {};
    const name = textOf(fields["name"]);
    const text = `${textOf(fields["verdict"])}: ${textOf(fields["why"])}`;
    const known = found.get(name);
    found.set(name, known === undefined ? text : `${known}; ${text}`);
  }
  return found;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : canonicalJson(value ?? null);
}

function shortened(text: string | undefined): string {
  const known = text ?? "nothing";
  return known.length <= 120 ? known : `${known.slice(0, 119)}…`;
}

function describeAgain(differences: readonly string[] | null): string {
  if (differences === null) return "the run left no verdict to compare with";
  return differences.length === 0
    ? "the same verdict as the stored one, in every check and figure"
    : `not the same as the stored verdict, in ${differences.length} places`;
}

function describeCut(truncated: Truncation | null): string | null {
  return truncated === null
    ? null
    : `line ${truncated.line}, the last one, has no end and was left out`;
}
