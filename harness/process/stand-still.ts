/**
 * Stops a process by SIGSTOP, so that it stands still and its kernel goes on.
 *
 * Such a process does not notice the end of its guard pipe. So a watcher is there first: at the end of file of its own pipe, when the harness
 * is gone, it kills the process; told `go` it ends and touches nothing. It is told so as soon as the process has ended, and before anybody
 * else can have its number.
 */
import { readFileSync } from "node:fs";
import { HarnessError } from "../errors.ts";
import { type Child, spawnChild, waitForEnd } from "./child.ts";
import { pause } from "./deadline.ts";

const SCRIPT = `while read -r word; do [ "$word" = go ] && exit 0; done
kill -s KILL "$0"`;
/** A signal is delivered within microseconds; the deadline is for a machine that does not run at all. */
const STAND_DEADLINE_MS = 1_000;
const STAND_POLL_MS = 1;
const WATCHER_DEADLINE_MS = 2_000;

/** A process that stands still. */
export interface StandStill {
  /** Lets it go on, and ends its watcher. Idempotent; a process that has ended stays so. */
  end(): Promise<void>;
}

/**
 * Returns once the process stands, or has ended.
 *
 * @param onBegin called immediately before the signal
 * @throws HarnessError PROCESS_NOT_READY when it does not stand in time; it then goes on
 */
export async function standStill(
  child: Child,
  options: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly onBegin: () => void;
  },
): Promise<StandStill> {
  const watcher = await spawnChild({
    name: `watcher of ${child.name}`,
    command: ["/bin/sh", "-c", SCRIPT, String(child.pid)],
    env: options.env,
    stderrFile: child.stderrFile,
    stdout: "stderr",
  });
  const release = (): void => {
    watcher.stdin.write("go\n");
  };
  void child.ended.then(release);
  options.onBegin();
  child.signal("SIGSTOP");
  const end = async (): Promise<void> => {
    child.signal("SIGCONT");
    release();
    if (!(await waitForEnd(watcher, WATCHER_DEADLINE_MS))) watcher.kill();
  };
  const deadline = performance.now() + STAND_DEADLINE_MS;
  while (child.exit() === null && !isStopped(child.pid)) {
    if (performance.now() > deadline) {
      await end();
      const message = `${child.name} (${child.pid}) runs ${STAND_DEADLINE_MS} ms after SIGSTOP`;
      throw new HarnessError("PROCESS_NOT_READY", message, {
        hint: "Faults that stop a process need Linux's /proc to see that it stands.",
      });
    }
    await pause(STAND_POLL_MS);
  }
  return { end };
}

/** By the kernel's own word; false where there is no /proc. */
export function isStopped(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name before it may hold anything, a parenthesis too.
    return text[text.lastIndexOf(")") + 2] === "T";
  } catch {
    // It ended, or this system has no such file.
    return false;
  }
}
