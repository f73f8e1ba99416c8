/**
 * One process of ours: `node main.js --file <process file> [--guard none]`.
 *
 * stdout carries one line, `ready {"pid":…}`, once everything is bound; stderr what ended the process. Its stdin is a guard pipe: its end says that
 * whoever started the process is gone. How it ended is its exit status (EXIT in wire/control.ts).
 */
import { parseArgs } from "node:util";
import { InvariantViolation } from "./core/invariant.ts";
import { serveControl } from "./io/control-server.ts";
import { codeOf, EndProcess } from "./io/end-process.ts";
import type { Self } from "./io/greeted-server.ts";
import { runHost } from "./io/host-process.ts";
import { readProcessFile, readSecret } from "./io/process-file.ts";
import { runQuorum } from "./io/quorum-process.ts";
import { createReporter, type Reporter } from "./io/reporter.ts";
import type { RunningRole } from "./io/running-process.ts";
import { runSwitch } from "./io/switch-process.ts";
import type { ProcessFile } from "./ports/process-file.ts";
import { EXIT, type ExitName } from "./wire/control.ts";

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

function runRole(file: ProcessFile, self: Self, to: Reporter): Promise<RunningRole> {
  const common = { self, reporter: to, fatal };
  switch (file.role) {
    case "host":
      return runHost({ ...common, file });
    case "quorum":
      return runQuorum({ ...common, file });
    case "switch":
      return runSwitch({ ...common, file });
    default:
      return file satisfies never;
  }
}

async function main(): Promise<void> {
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
  role = await runRole(file, self, to);
  process.stdout.write(`ready ${JSON.stringify({ pid: process.pid })}\n`);
}

process.on("uncaughtException", fatal);
process.on("SIGTERM", () => endAsked("SIGTERM"));
process.on("SIGINT", () => endAsked("SIGINT"));
main().catch(fatal);
