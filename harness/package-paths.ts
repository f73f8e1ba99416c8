import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { HarnessError } from "./errors.ts";

/**
 * Path of a built file, whether this module itself runs from its source or from `dist/`.
 *
 * @param path below `dist/`
 * @throws HarnessError NOT_BUILT when it is missing
 */
export function builtFile(path: string): string {
  const file = join(packageRoot(), "dist", path);
  if (existsSync(file)) return file;
  throw new HarnessError("NOT_BUILT", `${file} does not exist`, { hint: "Run: npm run build" });
}

/** @throws HarnessError NOT_BUILT when this module belongs to no package */
export function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  let folder = start;
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new HarnessError("NOT_BUILT", `no package.json in or above ${start}`, {
        hint: "Install the package again.",
      });
    }
    folder = parent;
  }
  return folder;
}
