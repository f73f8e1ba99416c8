/** Sections of docs/measurements.md that other programs than the bench write stand between marks, and outlive it. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const FILE = "docs/measurements.md";

const begin = (name: string): string => `<!-- begin ${name} -->`;
const end = (name: string): string => `<!-- end ${name} -->`;
const SECTION = /<!-- begin (\w+) -->[\s\S]*?<!-- end \1 -->\n?/g;

/** Replaces everything but the sections of others. */
export function writeMeasurements(text: string): void {
  writeFileSync(FILE, [text.trimEnd(), ...sections(), ""].join("\n"));
}

/** Replaces one section, or adds it. */
export function writeSection(name: string, text: string): void {
  const rest = (existsSync(FILE) ? readFileSync(FILE, "utf8") : "").replaceAll(SECTION, "");
  const others = sections().filter((section) => !section.includes(begin(name)));
  const own = `\n${begin(name)}\n${text}\n${end(name)}`;
  writeFileSync(FILE, [rest.trimEnd(), ...others, own, ""].join("\n"));
}

function sections(): readonly string[] {
  if (!existsSync(FILE)) return [];
  return [...readFileSync(FILE, "utf8").matchAll(SECTION)].map(
    ([section]) => `\n${section.trimEnd()}`,
  );
}
