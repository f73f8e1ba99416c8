/** Starts one process of ours and carries it to its end; which part it plays stands in its file (main.ts). */
import { parseArgs } from "node:util";
import { InvariantViolation } from "../core/invariant.ts";
import type { HostFile, ProcessFile, QuorumFile, SwitchFile } from "../ports/process-file.ts";
import { EXIT, type ExitName } from "../wire/control.ts";
import { serveControl } from "./control-server.ts";
import { codeOf, EndProcess } from "./end-process.ts";
import type { Self } from "./greeted-server.ts";
import { readProcessFile, readSecret } from "./process-file.ts";
import { createReporter, type Reporter } from "./reporter.ts";
import type { RoleOptions, RunningRole } from "./running-process.ts";

/** What each role does. */
export interface Roles {
  host(options: RoleOptions<HostFile>): Promise<RunningRole>;
  quorum(options: RoleOptions<QuorumFile>): Promise<RunningRole>;
  switch(options: RoleOptions<SwitchFile>): Promise<RunningRole>;
}

/** Frames with a block in them are cut from slabs of this size: a buffer of its own for each costs more than filling it. Unit: bytes. */
const SLAB_BYTES = 256 * 1_024;

let reporter: Reporter | null = null;
let role: RunningRole | null = null;

function end(exit: ExitName, why: string): never {
  reporter?.event("ended", { exit, why });
  process.exit(EXIT[exit]);
}

function fatal(error: unknown): never {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${error instanceof EndProcess ? error.message : text}\n`);
  reporter?.log.error({ error: text }, "fatal");
  if (error instanceof EndProcess) return end(error.exit, error.message);
  if (error instanceof InvariantViolation) {
    reporter?.event("invariant", { rule: error.message });
    return end("invariant", error.message);
  }
  return end("uncaught", codeOf(error));
}

function endAsked(why: string): never {
  role?.farewell();
  return end("asked", why);
}

interface Arguments {
  readonly file: string;
  readonly isGuarded: boolean;
}

function readArguments(): Arguments {
  try {
    const { values } = parseArgs({
      options: { file: { type: "string" }, guard: { type: "string", default: "stdin" } },
    });
    if (values.file === undefined) throw new Error("--file is missing");
    if (values.guard !== "stdin" && values.guard !== "none") {
      throw new Error('--guard is "none", or not given');
    }
    return { file: values.file, isGuarded: values.guard === "stdin" };
  } catch (error: unknown) {
    throw new EndProcess(
      "badFile",
      `usage: main.js --file <path> [--guard none]: ${codeOf(error)}`,
    );
  }
}

/** Ends the process with whoever started it: stdin ends, or nobody reads what it says. */
function watchStarter(isGuarded: boolean): void {
  const onPipeError = (): void => {
    if (isGuarded) end("orphaned", "the output pipe closed");
  };
  process.stdout.on("error", onPipeError);
  process.stderr.on("error", onPipeError);
  if (!isGuarded) return;
  const onGone = (): never => end("orphaned", "the guard pipe closed");
  process.stdin.on("end", onGone).on("close", onGone).on("error", onGone).resume();
}

function selfOf(file: ProcessFile): Self {
  const base = { cluster: file.cluster, secret: readSecret(file.secretFile) };
  switch (file.role) {
    case "host":
      return { ...base, role: file.role, name: file.host };
    case "quorum":
      return { ...base, role: file.role, name: file.service };
    case "switch":
      return { ...base, role: file.role, name: file.switch };
    default:
      return file satisfies never;
  }
}

function runRole(
  roles: Roles,
  file: ProcessFile,
  { self, to }: { readonly self: Self; readonly to: Reporter },
): Promise<RunningRole> {
  const common = { self, reporter: to, fatal };
  switch (file.role) {
    case "host":
      return roles.host({ ...common, file });
    case "quorum":
      return roles.quorum({ ...common, file });
    case "switch":
      return roles.switch({ ...common, file });
    default:
      return file satisfies never;
  }
}

async function start(roles: Roles): Promise<void> {
  const { file: path, isGuarded } = readArguments();
  watchStarter(isGuarded);
  const file = readProcessFile(path);
  const self = selfOf(file);
  const to = createReporter(file.logFile);
  reporter = to;
  // Bound first: whoever holds this address is the only process of this name.
  await serveControl({
    endpoint: file.control,
    self,
    reporter: to,
    handlers: {
      quiesce(done) {
        if (role === null) done({});
        else role.quiesce(done);
      },
      release: () => role?.release(),
      operate: (command) => role?.operate(command) ?? false,
      status: () => ({ role: file.role, pid: process.pid, ...role?.status() }),
      stop(done) {
        role?.farewell();
        done({});
        // What was just sent is on its way first.
        setImmediate(end, "asked", "control channel");
      },
    },
  });
  to.event("started", {
    role: file.role,
    name: self.name,
    pid: process.pid,
    node: process.version,
  });
  role = await runRole(roles, file, { self, to });
  process.stdout.write(`ready ${JSON.stringify({ pid: process.pid })}\n`);
}

/** Once a process: its life is this call's. */
export function runProcess(roles: Roles): void {
  Buffer.poolSize = SLAB_BYTES;
  process.on("uncaughtException", fatal);
  process.on("SIGTERM", () => endAsked("SIGTERM"));
  process.on("SIGINT", () => endAsked("SIGINT"));
  start(roles).catch(fatal);
}
