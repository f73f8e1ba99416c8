import type { BedName } from "../../chaos/plan/scenario.ts";
import type { StartBed } from "../../chaos/run.ts";
import { HarnessError } from "../errors.ts";
import type { Shell } from "./shell.ts";

/** A bed is loaded when a run starts in it. */
export function bedStarter(bed: BedName, { env }: Pick<Shell, "env">): StartBed {
  switch (bed) {
    case "local":
      return async (spec, { runDir, scenario, onProgress }) => {
        const { startLocal } = await import("../local/start-local.ts");
        return startLocal(spec, { runDir, scenario, env, onProgress });
      };
    case "sim":
      return () => {
        const hint = "Use --bed local.";
        return Promise.reject(new HarnessError("NOT_BUILT", "bed sim is not there yet", { hint }));
      };
    default:
      return unreachable(bed);
  }
}

function unreachable(value: never): never {
  throw new TypeError(`no such bed: ${JSON.stringify(value)}`);
}
