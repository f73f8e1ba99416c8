import { join } from "node:path";
import { invariant } from "../../node/core/invariant.ts";
import { HarnessError } from "../errors.ts";
import { type Child, spawnChild } from "../process/child.ts";
import { attachControl } from "./control-client.ts";
import type { Commands, LocalRun } from "./local-run.ts";
import { untilReady } from "./ready.ts";

/**
 * Starts a process of the run and waits until it is ready and attached.
 *
 * @throws HarnessError PROCESS_NOT_READY, PROCESS_EXITED, CONTROL_LOST
 */
export async function startProcess(run: LocalRun, name: string): Promise<void> {
  await greet(run, await spawn(run, name));
}

/**
 * Gives a dead process its next life and returns once it exists. It becomes ready by itself: the event `started` says so. When it does not, the
 * run is broken, unless it has ended by then, which is not the rig's failure.
 */
export async function startAgain(run: LocalRun, name: string): Promise<void> {
  const child = await spawn(run, name);
  void greet(run, child).then(
    () => run.report("started", { process: name, life: run.lives(name) }),
    (error: unknown) => {
      if (child.exit() === null) run.breakBy(error);
    },
  );
}

async function spawn(run: LocalRun, name: string): Promise<Child> {
  const file = run.files.processFiles.get(name) ?? "";
  const child = await spawnChild({
    name,
    command: [...run.commandOf(roleOf(run, name)), "--file", file],
    env: run.env,
    stderrFile: join(run.runDir, `${name}.stderr`),
    stdout: "pipe",
  });
  run.adopt(child);
  return child;
}

async function greet(run: LocalRun, child: Child): Promise<void> {
  const { name } = child;
  await untilReady(child, run.readyMs, (text) =>
    run.report("stray-output", { process: name, text }),
  );
  const endpoint = run.plan.control.get(name);
  invariant(endpoint !== undefined, "every process has a control address");
  const { cluster, secret } = run.files;
  const source = `${roleOf(run, name)} ${name}`;
  const client = await attachControl({
    process: name,
    endpoint,
    cluster,
    secret,
    onEvent: (event) => run.takeEvent(child, source, event),
    onLost: (why) => void run.takeLoss(child, why),
  });
  run.attach(child, client);
}

function roleOf({ plan }: LocalRun, name: string): Exclude<keyof Commands, "workload"> {
  const { hosts, services, switches } = plan.topology;
  if (hosts.includes(name)) return "host";
  if (services.includes(name)) return "quorum";
  if (switches.includes(name)) return "switch";
  throw new HarnessError("BAD_SCENARIO", `${name} is no process of the system`, {
    hint: `Use ${[...hosts, ...services, ...switches].join(", ")}.`,
  });
}
