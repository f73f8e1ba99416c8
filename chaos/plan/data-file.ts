/** Files that people write: YAML or JSON in, checked data out, every mistake with its line and column. */
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import { HarnessError } from "../../harness/errors.ts";

/** Mistakes listed at once; more only hide the first. */
const LISTED_MAX = 5;

/**
 * @param path for messages
 * @throws HarnessError BAD_SCENARIO naming file, line and column of each mistake
 */
export function parseDataFile<Schema extends v.GenericSchema>(
  text: string,
  path: string,
  schema: Schema,
): v.InferOutput<Schema> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const broken = document.errors.slice(0, LISTED_MAX).map(({ pos, message }) => {
    // The rest of a pretty message repeats the place and shows the line.
    const [first = message] = message.split("\n");
    return `${place(pos[0])}: ${first.replace(/ at line \d+, column \d+:?$/, "")}`;
  });
  if (broken.length > 0) throw badFile(broken);
  const parsed = v.safeParse(schema, document.toJS());
  if (parsed.success) return parsed.output;
  const mistakes = parsed.issues.slice(0, LISTED_MAX).map((issue) => {
    const keys = keysOf(issue);
    const name = keys.length === 0 ? "" : `${keys.join(".")}: `;
    return `${place(offsetOf(document, keys))}: ${name}${sentence(issue)}`;
  });
  throw badFile(mistakes);
}

/** @throws HarnessError BAD_SCENARIO when it cannot be read */
export function readDataFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HarnessError("BAD_SCENARIO", `cannot read ${path}: ${why}`, {
      hint: "Name a readable file.",
      cause,
    });
  }
}

function sentence(issue: v.BaseIssue<unknown>): string {
  if (issue.kind === "schema" && issue.expected === "never") return "there is no such field";
  if (issue.kind === "schema" && issue.received === "undefined") {
    return `is missing, expected ${issue.expected ?? "a value"}`;
  }
  if (issue.kind === "schema" && issue.expected !== null) {
    return `expected ${issue.expected}, found ${issue.received}`;
  }
  return issue.message;
}

function keysOf(issue: v.BaseIssue<unknown>): readonly (string | number)[] {
  return (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
}

/** Where the value of these keys begins; where it is missing, the innermost thing that holds it. */
function offsetOf(document: Document, keys: readonly (string | number)[]): number {
  for (let depth = keys.length; depth > 0; depth -= 1) {
    const parent = depth === 1 ? document.contents : document.getIn(keys.slice(0, depth - 1), true);
    const own = isMap(parent) ? keyOffset(parent.items, keys[depth - 1]) : null;
    const node: unknown = document.getIn(keys.slice(0, depth), true);
    const offset = isNode(node) ? node.range?.[0] : undefined;
    if (offset !== undefined) return offset;
    if (own !== null) return own;
  }
  return document.contents?.range?.[0] ?? 0;
}

function keyOffset(
  items: readonly { readonly key: unknown }[],
  wanted: string | number | undefined,
): number | null {
  for (const { key } of items) {
    if (isScalar(key) && key.value === wanted) return key.range?.[0] ?? null;
  }
  return null;
}

function badFile(mistakes: readonly string[]): HarnessError {
  return new HarnessError("BAD_SCENARIO", mistakes.join("\n"), {
    hint: "Compare the file with docs/scenarios.md.",
  });
}
