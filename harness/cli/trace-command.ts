/** Prints what happened in a run as a table, from its record alone. */
import { existsSync, realpathSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { renderTraceJson } from "../../reports/trace/document.ts";
import type { Recorded } from "../../reports/trace/recorded.ts";
import { renderTrace } from "../../reports/trace/render.ts";
import { traceOf } from "../../reports/trace/trace.ts";
import {
  type RecordFile,
  readDocument,
  readEvents,
  readHistory,
  type Truncation,
} from "../record/reader.ts";
import { RUN_FILES } from "../record/run-folder.ts";
import { UsageError } from "./failure.ts";
import { type Shell, STATUS } from "./shell.ts";

export interface TraceCommandOptions {
  readonly host?: string | undefined;
  readonly link?: string | undefined;
  readonly vm?: string | undefined;
  readonly block?: string | undefined;
  readonly around?: string | undefined;
  /** Rows before and after the event of `around`. */
  readonly lines: number;
  readonly history: boolean;
  readonly all: boolean;
  readonly wide: boolean;
  readonly json: boolean;
}

/**
 * @returns the exit status: done, whatever the verdict is
 * @throws UsageError when there is no such folder, it is no run's, or what is asked for is not in it; HarnessError BAD_RECORD naming file
 * and line
 */
export function traceCommand(given: string, options: TraceCommandOptions, shell: Shell): number {
  const { host = null, link = null, vm = null, block = null, around, lines } = options;
  const traced = traceOf(recordIn(given, options, shell), {
    filter: { host, link, vm, block },
    around: around === undefined ? null : { event: around, lines },
    all: options.all,
  });
  if (!traced.ok) throw new UsageError(traced.why, traced.hint);
  if (options.json) shell.out(renderTraceJson(traced.value));
  else shell.out(renderTrace(traced.value, options, shell.outScreen));
  return STATUS.done;
}

function recordIn(
  given: string,
  { history: isAsked }: TraceCommandOptions,
  { cwd }: Shell,
): Recorded {
  const folder = resolve(cwd, given);
  const stat = statSync(folder, { throwIfNoEntry: false });
  const hint = "Name a run's folder, for instance .faultline/runs/latest.";
  if (stat === undefined) throw new UsageError(`there is no ${given}`, hint);
  if (!stat.isDirectory()) throw new UsageError(`${given} is no folder`, hint);
  const has = (name: string): boolean => existsSync(join(folder, name));
  if (!has(RUN_FILES.events) && !has(RUN_FILES.plan)) {
    const why = `${given} has neither ${RUN_FILES.events} nor ${RUN_FILES.plan}`;
    throw new UsageError(why, hint);
  }
  const documentOf = (name: string): Recorded["plan"] =>
    has(name) ? readDocument(join(folder, name)) : null;
  const events = has(RUN_FILES.events) ? readEvents(join(folder, RUN_FILES.events)) : null;
  const isThere = isAsked && has(RUN_FILES.history);
  const history = isThere ? readHistory(join(folder, RUN_FILES.history)) : null;
  const [plan, verdict] = [documentOf(RUN_FILES.plan), documentOf(RUN_FILES.verdict)];
  const gaps = [
    describeGap(RUN_FILES.events, events),
    isAsked ? describeGap(RUN_FILES.history, history) : null,
    verdict === null ? "no verdict.json: the run was cut off, or goes on" : null,
    plan === null ? "no plan.json: a cluster that was kept by hand, or a part of a record" : null,
  ].filter((gap) => gap !== null);
  const lines = history?.lines ?? null;
  // `latest` will be another run tomorrow.
  const own = realpathSync(folder);
  const short = relative(cwd, own);
  const named = short.startsWith("..") ? own : short;
  return { folder: named, plan, verdict, events: events?.lines ?? [], history: lines, gaps };
}

/** Null: it is there and whole. */
function describeGap(name: string, file: RecordFile<unknown> | null): string | null {
  if (file === null) return `no ${name}`;
  const cut: Truncation | null = file.truncated;
  return cut === null
    ? null
    : `${name} is cut short: line ${cut.line}, the last one, has no end and was left out`;
}
