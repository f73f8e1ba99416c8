/** Composition root of the command: the only place that reads the process's arguments, environment, terminal and signals. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Screen } from "../../reports/screen.ts";
import { reportFailure } from "./failure.ts";
import { runProgram } from "./program.ts";
import { type Shell, STATUS } from "./shell.ts";

const WIDTH = { narrowest: 60, widest: 100, unknown: 80 } as const;
/** What is still open so long after a command ended would keep the process for ever. Unit: milliseconds. */
const LINGER_MAX = 2_000;

function screenOf(stream: NodeJS.WriteStream): Screen {
  const { NO_COLOR: noColour = "", TERM: term = "" } = process.env;
  const isTty = stream.isTTY;
  const columns = isTty ? stream.columns : WIDTH.unknown;
  return {
    width: Math.min(WIDTH.widest, Math.max(WIDTH.narrowest, columns)),
    colour: isTty && noColour === "" && term !== "dumb",
    isTty,
  };
}

/** Text written to a pipe whose reader has gone is dropped: the run goes on to its end. */
function writerOf(stream: NodeJS.WriteStream): (text: string) => void {
  stream.on("error", () => undefined);
  return (text) => {
    stream.write(text);
  };
}

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

function versionIn(root: string): string {
  const content: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const isPackage = typeof content === "object" && content !== null && "version" in content;
  return isPackage ? String(content.version) : "unknown";
}

const interruption = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    // The second one does not wait for a teardown; what the exit leaves behind, the processes' own guards end.
    if (interruption.signal.aborted) process.exit(STATUS.interrupted);
    interruption.abort();
    process.stderr.write("interrupted: ending the run (once more: at once)\n");
  });
}

const root = packageRoot();
const shell: Shell = {
  env: process.env,
  cwd: process.cwd(),
  packageRoot: root,
  out: writerOf(process.stdout),
  err: writerOf(process.stderr),
  outScreen: screenOf(process.stdout),
  errScreen: screenOf(process.stderr),
  signal: interruption.signal,
};

function crash(error: unknown): never {
  reportFailure(error, shell);
  // Whatever the error was: 1 would mean that the system under test failed.
  process.exit(STATUS.crashed);
}
process.on("uncaughtException", crash);
process.on("unhandledRejection", crash);

process.exitCode = await runProgram(process.argv.slice(2), versionIn(root), shell);
setTimeout(() => process.exit(), LINGER_MAX).unref();
