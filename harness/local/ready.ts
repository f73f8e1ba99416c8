import { EXIT } from "../../node/wire/control.ts";
import { HarnessError } from "../errors.ts";
import { type Child, lastLines } from "../process/child.ts";
import { within } from "../process/deadline.ts";
import { LINE_BYTES_MAX, readLines } from "../process/lines.ts";
import type { ProcessExit } from "../rig/rig.ts";

const READY_LINE = /^ready \{.*\}$/;

/**
 * Waits for the one line that a process of ours writes to stdout: `ready {…}`. The rest of stdout is read and dropped, so that nobody
 * blocks on a full pipe; `onStray` is told once, with its beginning.
 *
 * @throws HarnessError PROCESS_NOT_READY after `withinMs`, or when anything else comes first; PROCESS_EXITED when it ends before
 */
export async function untilReady(
  child: Child,
  withinMs: number,
  onStray: (text: string) => void,
): Promise<void> {
  const { stdout } = child;
  if (stdout === null) throw notReady(child, "its stdout is no pipe");
  const ready = new Promise<void>((resolve, reject) => {
    let isReady = false;
    let isStray = false;
    const onLine = (line: string): void => {
      if (!isReady && READY_LINE.test(line)) {
        isReady = true;
        resolve();
        return;
      }
      if (!isReady) reject(notReady(child, `its first line is "${line.slice(0, 100)}"`));
      if (!isStray) onStray(line.slice(0, 200));
      isStray = true;
    };
    readLines(stdout, onLine, () => {
      reject(notReady(child, `it wrote a line above ${LINE_BYTES_MAX} bytes`));
    });
  });
  const exited = child.ended.then((exit) => {
    throw exitedEarly(child, exit);
  });
  const late = (): Error => notReady(child, `no ready line within ${withinMs} ms`);
  await within(Promise.race([ready, exited]), withinMs, late);
}

/** How a process ended, for people: `status 12 (badFile)`, `SIGKILL`. */
export function nameOfExit({ status, signal }: ProcessExit): string {
  if (signal !== null) return signal;
  const known = Object.entries(EXIT).find(([, value]) => value === status);
  return known === undefined ? `status ${status}` : `status ${status} (${known[0]})`;
}

function exitedEarly(child: Child, exit: ProcessExit): HarnessError {
  const said = lastLines(child.stderrFile);
  const message = `${child.name} ended with ${nameOfExit(exit)} before it was ready: ${said}`;
  return new HarnessError("PROCESS_EXITED", message, { hint: `Read ${child.stderrFile}.` });
}

function notReady(child: Child, why: string): HarnessError {
  return new HarnessError("PROCESS_NOT_READY", `${child.name} is not ready: ${why}`, {
    hint: `Read ${child.stderrFile} and the process's log beside it; a slow machine needs longer.`,
  });
}
