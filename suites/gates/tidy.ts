/** House rules over the text of the sources. Each function returns what breaks its rule, as `path:line what`. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Source {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly text: string;
}

const LINES_MAX = 400;
const NOT_OURS = new Set(["node_modules", "dist", ".git", ".faultline", ".tap"]);

// In two halves, so that this file does not break its own rule.
const UNFINISHED = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);

const CORE_BANS: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /\bMath\.random\b/, instead: "chance arrives as event data" },
  { pattern: /\bDate\b/, instead: "take `now` from the event" },
  { pattern: /\b(async|await|Promise)\b/, instead: "return an effect, its completion is an event" },
  { pattern: /\b(setTimeout|setInterval)\b/, instead: "keep a deadline, compare it on a tick" },
];

/** All files below a folder whose name matches, in order of path; built and installed ones left out. */
export function sourcesBelow(folder: string, name: RegExp): readonly Source[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !NOT_OURS.has(entry.name) && entry.name !== "package-lock.json")
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return sourcesBelow(path, name);
      return name.test(entry.name) ? [{ path, text: readFileSync(path, "utf8") }] : [];
    });
}

export const marksOfUnfinishedWork = (sources: readonly Source[]): readonly string[] =>
  linesOf(sources).flatMap(({ at, line }) => {
    const mark = UNFINISHED.exec(line);
    return mark === null ? [] : [`${at} ${mark[0]}: finish it, or open an issue`];
  });

/** Biome asks for the reason itself, oxlint and the compiler do not. */
export const suppressionsWithoutReason = (sources: readonly Source[]): readonly string[] =>
  linesOf(sources.filter(({ path }) => path.endsWith(".ts")))
    .filter(({ line }) => /\/[/*] *(oxlint-disable|@ts-expect-error)/.test(line))
    .filter(({ line }) => !/(oxlint-disable\S* .* -- \S|@ts-expect-error:? \S)/.test(line))
    .map(({ at }) => `${at} say why`);

export const longWithoutReason = (sources: readonly Source[]): readonly string[] =>
  sources
    .filter(({ path }) => path.endsWith(".ts") && !path.startsWith("suites/"))
    .filter(({ text }) => text.split("\n").length - 1 > LINES_MAX)
    .filter(({ text }) => !/biome-ignore-all lint\/style\/noExcessiveLinesPerFile: \S/.test(text))
    .map(({ path }) => `${path} split it, or say why not`);

export const bannedInCore = (sources: readonly Source[]): readonly string[] =>
  linesOf(sources.map(({ path, text }) => ({ path, text: withoutComments(text) }))).flatMap(
    ({ at, line }) =>
      CORE_BANS.filter(({ pattern }) => pattern.test(line)).map(
        ({ instead }) => `${at} ${instead}`,
      ),
  );

const linesOf = (sources: readonly Source[]): readonly { at: string; line: string }[] =>
  sources.flatMap(({ path, text }) =>
    text.split("\n").map((line, index) => ({ at: `${path}:${index + 1}`, line })),
  );

/** Keeps the line breaks, so that lines keep their numbers. */
const withoutComments = (text: string): string =>
  text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/\/\/.*$/gm, "");
