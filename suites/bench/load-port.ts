/** How the bench reaches the process that makes the load: a Unix socket beside its log, one JSON line a request and one an answer. */
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

export type LoadHandler = (request: unknown) => Promise<unknown>;

/** What a process has used since its start. */
export interface Usage {
  /** Unit: microseconds. */
  readonly cpuUs: number;
  /** fdatasyncs made. */
  readonly flushes: number;
  /** Payload of `copy` frames sent. */
  readonly copyBytes: number;
  /** Extents whose checksums were asked for. */
  readonly extentsCompared: number;
}

/** A copy of so many bytes, as a resync makes it. A multiple of 1 MiB. */
export interface StreamSpec {
  readonly streamBytes: number;
}

export interface StreamResult {
  /** Until the last byte was durable on the other side. Unit: microseconds. */
  readonly elapsedUs: number;
}

const LOOK_EVERY_MS = 100;
const ANSWER_WITHIN_MS = 60_000;

export function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

export function loadSocketOf(logFile: string, host: string): string {
  return join(dirname(logFile), `${host}.load`);
}

/** Requests are served one after the other. */
export function serveLoad(path: string, handle: LoadHandler): void {
  const server = createServer((socket) => {
    let last: Promise<void> = Promise.resolve();
    socket.on("error", () => undefined);
    createInterface({ input: socket }).on("line", (line) => {
      last = last.then(async () => {
        const answer = await handle(JSON.parse(line));
        socket.write(`${JSON.stringify(answer)}\n`);
      });
    });
  });
  // Of an earlier life of this process, which was killed.
  rmSync(path, { force: true });
  server.listen(path);
}

/**
 * Rejects when the process ends first, the answer takes a minute, or `whyLost` has a reason why there will be none.
 */
export function askLoad(
  path: string,
  request: unknown,
  whyLost: () => string | null,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(`${JSON.stringify(request)}\n`));
    const askedAt = performance.now();
    const end = (): void => {
      clearInterval(look);
      socket.destroy();
    };
    const look = setInterval(() => {
      const isLate = performance.now() - askedAt > ANSWER_WITHIN_MS;
      const why = whyLost() ?? (isLate ? `no answer within ${ANSWER_WITHIN_MS} ms` : null);
      if (why === null) return;
      reject(new Error(why));
      end();
    }, LOOK_EVERY_MS);
    socket.on("error", reject);
    socket.on("close", () => {
      reject(new Error(`${path} closed before its answer`));
      end();
    });
    createInterface({ input: socket }).once("line", (line) => {
      resolve(JSON.parse(line));
      end();
    });
  });
}
