/** Stored histories and events: `<folder>/<verdict>-<what it shows>.ndjson`, good ones pass, bad ones fail. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Stored {
  readonly path: string;
  readonly title: string;
  readonly expected: "pass" | "fail" | "unknown";
}

const VERDICTS = { good: "pass", bad: "fail", unknown: "unknown" } as const;

export function storedPath(name: string): string {
  return fileURLToPath(new URL(`./histories/${name}`, import.meta.url));
}

/** @throws Error when the folder lacks good or bad ones: a checker that rejects nothing must not look tested */
export function storedIn(folder: string): readonly Stored[] {
  const found = readdirSync(storedPath(folder))
    .sort()
    .map((file): Stored => {
      const [word = "", ...rest] = file.replace(/\.ndjson$/, "").split("-");
      if (word !== "good" && word !== "bad" && word !== "unknown") {
        throw new Error(`${folder}/${file} begins with none of good, bad, unknown`);
      }
      return {
        path: storedPath(`${folder}/${file}`),
        title: rest.join(" "),
        expected: VERDICTS[word],
      };
    });
  for (const expected of ["pass", "fail"] as const) {
    if (!found.some((stored) => stored.expected === expected)) {
      throw new Error(`${folder} holds no history that must ${expected}`);
    }
  }
  return found;
}
