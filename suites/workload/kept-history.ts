/** A history in memory that can be waited on. */
import type { HistoryLine } from "../../harness/record/types.ts";

export interface KeptHistory {
  readonly lines: readonly HistoryLine[];
  readonly write: (line: HistoryLine) => void;
  /** Resolves at the first line after which `holds`; rejects after 10 s with the last line. */
  until(what: string, holds: () => boolean): Promise<void>;
}

export type Invoke = Extract<HistoryLine, { type: "invoke" }>;
export type End = Extract<HistoryLine, { type: "ok" | "fail" | "info" }>;

const PATIENCE_MS = 10_000;

export function keepHistory(): KeptHistory {
  const lines: HistoryLine[] = [];
  const waiters = new Set<() => void>();
  return {
    lines,
    write(line) {
      lines.push(line);
      for (const look of [...waiters]) look();
    },
    until(what, holds) {
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          waiters.delete(look);
          reject(new Error(`waited for ${what}; last line: ${JSON.stringify(lines.at(-1))}`));
        }, PATIENCE_MS);
        const look = (): void => {
          if (!holds()) return;
          waiters.delete(look);
          clearTimeout(late);
          resolve();
        };
        waiters.add(look);
        look();
      });
    },
  };
}

export function invokesIn(lines: readonly HistoryLine[]): readonly Invoke[] {
  return lines.filter((line) => line.type === "invoke");
}

export function endsIn(lines: readonly HistoryLine[]): readonly End[] {
  return lines.filter((line) => line.type === "ok" || line.type === "fail" || line.type === "info");
}

/** What breaks the rule of histories: one operation under way for each process, none after an `info`, times that never go back. */
export function brokenRules(lines: readonly HistoryLine[]): readonly string[] {
  const underWay = new Map<number, number>();
  const retired = new Set<number>();
  const broken: string[] = [];
  let last = 0;
  for (const line of lines) {
    if (line.type === "header") continue;
    if (line.at < last) broken.push(`time goes back from ${last} to ${line.at}`);
    last = line.at;
    if (line.type === "invoke") {
      if (underWay.has(line.process)) broken.push(`process ${line.process} has two operations`);
      if (retired.has(line.process)) broken.push(`process ${line.process} comes back`);
      underWay.set(line.process, line.op);
    } else if (line.type === "ok" || line.type === "fail" || line.type === "info") {
      if (underWay.get(line.process) !== line.op) broken.push(`operation ${line.op} ends alone`);
      underWay.delete(line.process);
      if (line.type === "info") retired.add(line.process);
    }
  }
  return broken;
}
