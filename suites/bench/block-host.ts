/** A host process whose machine writes blocks on demand (block-machine.ts). Started by the bed in place of a host. */
import type { FlushFigures } from "../../node/io/file-device.ts";
import { runHost } from "../../node/io/host-process.ts";
import { runQuorum } from "../../node/io/quorum-process.ts";
import { runProcess } from "../../node/io/run-process.ts";
import { runSwitch } from "../../node/io/switch-process.ts";
import { createBlockMachine } from "./block-machine.ts";
import { type LoadSpec, runLoad } from "./closed-loop.ts";
import { cpuUs, loadSocketOf, serveLoad, type Usage } from "./load-port.ts";

runProcess({
  host(options) {
    const machine = createBlockMachine();
    const { logFile, host } = options.file;
    const role = runHost(options, machine);
    // The bench is the other half of this program, and asks exactly this.
    serveLoad(loadSocketOf(logFile, host), async (request) => {
      if (request !== "usage") return runLoad(machine, request as LoadSpec);
      const { flushes } = (await role).status();
      const { made } = flushes as FlushFigures;
      return { cpuUs: cpuUs(), flushes: made, ...machine.sent } satisfies Usage;
    });
    return role;
  },
  quorum: runQuorum,
  switch: runSwitch,
});
