/** The scenarios that come with the program, and those in files of one's own. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HarnessError } from "../../harness/errors.ts";
import { readDataFile } from "./data-file.ts";
import { parseScenario, type Scenario } from "./scenario.ts";

const FOLDER = fileURLToPath(new URL("../scenarios/", import.meta.url));
const ENDING = ".yaml";

/** Names of the scenarios that come with the program, in order. */
export function scenarioNames(): readonly string[] {
  return readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(ENDING))
    .map((path) => path.slice(0, -ENDING.length).replaceAll("\\", "/"))
    .sort((left, right) => (left < right ? -1 : 1));
}

/**
 * @param nameOrPath name of a scenario that comes with the program, or path of a YAML or JSON file
 * @throws HarnessError BAD_SCENARIO when it does not exist or has mistakes
 */
export function loadScenario(nameOrPath: string): Scenario {
  if (scenarioNames().includes(nameOrPath)) {
    const path = join(FOLDER, `${nameOrPath}${ENDING}`);
    const scenario = parseScenario(readDataFile(path), path);
    if (scenario.name === nameOrPath) return scenario;
    throw new HarnessError("BAD_SCENARIO", `${path} names itself ${scenario.name}`, {
      hint: `Call it ${nameOrPath}, as its file.`,
    });
  }
  if (statSync(nameOrPath, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new HarnessError("BAD_SCENARIO", `there is no scenario "${nameOrPath}"`, {
      hint: `Name one of ${scenarioNames().join(", ")}, or a YAML file.`,
    });
  }
  return parseScenario(readDataFile(nameOrPath), nameOrPath);
}
