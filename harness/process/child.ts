import { createWriteStream, existsSync, openSync, readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { execa } from "execa";
import { HarnessError } from "../errors.ts";
import type { ProcessExit } from "../rig/rig.ts";
import { within } from "./deadline.ts";

export interface ChildOptions {
  /** As records name it. */
  readonly name: string;
  readonly command: readonly string[];
  /** The whole environment of the child, but for NODE_OPTIONS. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What it writes to stderr is appended here by the kernel: it outlives the harness. */
  readonly stderrFile: string;
  /** `pipe`: read by the harness; `stderr`: to the same file. */
  readonly stdout: "pipe" | "stderr";
}

/** A process of the run. Its stdin is its guard pipe: the end of file says that the harness is gone. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly stdin: Writable;
  /** Null with `stdout: "stderr"`. */
  readonly stdout: Readable | null;
  readonly stderrFile: string;
  readonly ended: Promise<ProcessExit>;
  /** Null while it runs. */
  exit(): ProcessExit | null;
  /** From now on its end is the harness's doing. */
  expectEnd(): void;
  /** SIGKILL to exactly this process, at once; its end is expected. Idempotent. */
  kill(): void;
  /** Nothing happens once it has ended. */
  signal(name: "SIGSTOP" | "SIGCONT"): void;
}

/** In place of the child: drops NODE_OPTIONS, keeps the pid. */
const ENV_TOOL = "/usr/bin/env";

/**
 * Starts one process as leader of its own process group, so that a terminal's Ctrl-C reaches the harness alone.
 *
 * NODE_OPTIONS is dropped by `env -u`: test runners set it again on whatever environment a child is given, and their hooks make every
 * Node process three times slower to start.
 *
 * @throws HarnessError PROCESS_EXITED when it could not be started at all
 */
export async function spawnChild(options: ChildOptions): Promise<Child> {
  const { name, stderrFile } = options;
  const [file = "", ...args] = existsSync(ENV_TOOL)
    ? [ENV_TOOL, "-u", "NODE_OPTIONS", ...options.command]
    : options.command;
  // An open file goes to the child as it is; execa's `{ file }` would pass every byte through the harness.
  const log = createWriteStream(stderrFile, { fd: openSync(stderrFile, "a", 0o600) });
  const subprocess = execa(file, args, {
    env: { ...options.env },
    extendEnv: false,
    stdin: "pipe",
    stdout: options.stdout === "pipe" ? "pipe" : log,
    stderr: log,
    buffer: false,
    reject: false,
    detached: true,
    cleanup: false,
  });
  log.destroy();
  const { pid, stdin } = subprocess;
  if (pid === undefined) {
    const { message } = await subprocess;
    throw new HarnessError("PROCESS_EXITED", `${name} did not start: ${message}`, {
      hint: `Check that ${options.command[0]} exists and may be run.`,
    });
  }
  let isExpected = false;
  let exit: ProcessExit | null = null;
  const ended = new Promise<ProcessExit>((resolve) => {
    subprocess.once("exit", (status, signal) => {
      exit = { process: name, status, signal, expected: isExpected };
      resolve(exit);
    });
  });
  // A write to a process that has just ended fails; its end is seen by `ended`.
  stdin.on("error", () => undefined);
  const expectEnd = (): void => {
    isExpected = true;
  };
  return {
    name,
    pid,
    stdin,
    stdout: subprocess.stdout,
    stderrFile,
    ended,
    exit: () => exit,
    expectEnd,
    kill() {
      expectEnd();
      if (exit === null) killPid(pid);
    },
    signal(name) {
      if (exit === null) signalPid(pid, name);
    },
  };
}

/** SIGKILL by number; a process that is gone already is fine. */
export function killPid(pid: number): void {
  signalPid(pid, "SIGKILL");
}

function signalPid(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error: unknown) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** False when the process still runs after `withinMs`. */
export async function waitForEnd(child: Child, withinMs: number): Promise<boolean> {
  try {
    await within(child.ended, withinMs, () => new Error(`${child.name} still runs`));
    return true;
  } catch {
    // The only error is the deadline's.
    return false;
  }
}

/** Last lines of a text file, joined by ` | `; empty when there is none. For error messages. */
export function lastLines(file: string, count = 4): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // Never written.
    return "";
  }
  return text.slice(-2_000).trim().split("\n").slice(-count).join(" | ");
}
