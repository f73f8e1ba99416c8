import type { BedName } from "../../chaos/plan/scenario.ts";
import type { StartBed } from "../../chaos/run.ts";
import { builtFile } from "../package-paths.ts";
import type { Shell } from "./shell.ts";

/** A host in place of the built one runs the same guest. */
const GUEST = "node/guests/kv.wasm";

/** A bed is loaded when a run starts in it. */
export function bedStarter(
  bed: BedName,
  {
    env,
    hostCommand: host,
  }: Pick<Shell, "env"> & { readonly hostCommand?: readonly string[] | undefined },
): StartBed {
  switch (bed) {
    case "local":
      return async (spec, { runDir, scenario, onProgress }) => {
        const { startLocal } = await import("../local/start-local.ts");
        const commands = host === undefined ? {} : { commands: { host }, guest: builtFile(GUEST) };
        return startLocal(spec, { runDir, scenario, env, onProgress, ...commands });
      };
    case "sim":
      return async (spec, { runDir, scenario, plan }) => {
        const { startSim } = await import("../sim/start-sim.ts");
        const { probePeriodMs } = plan.workload;
        return startSim(spec, { runDir: runDir === "" ? null : runDir, scenario, probePeriodMs });
      };
    default:
      return unreachable(bed);
  }
}

function unreachable(value: never): never {
  throw new TypeError(`no such bed: ${JSON.stringify(value)}`);
}
