import type { Endpoint } from "../../node/ports/process-file.ts";
import { HarnessError } from "../errors.ts";
import { type Child, lastLines, spawnChild, waitForEnd } from "../process/child.ts";
import { pause } from "../process/deadline.ts";
import { guarded } from "../process/guard.ts";
import type { ProxySource } from "./find-proxy.ts";
import { PROXY_VERSION } from "./install-proxy.ts";
import { createProxyLinks, type ProxyLinks, readProxyVersion } from "./proxy-links.ts";

/** A start takes 15 ms (2 cores, idle). */
const READY_DEADLINE_MS = 5_000;
const READY_POLL_MS = 5;
const END_DEADLINE_MS = 2_000;

/** A server that may not answer yet. */
export interface SpawnedProxy {
  /** Null: somebody else runs it. */
  readonly process: Child | null;
  readonly links: ProxyLinks;
  /**
   * Waits until it answers, and returns its name for records: `toxiproxy 2.12.0`, `embedded (API of toxiproxy 2.12.0)`.
   *
   * @throws HarnessError PROXY_FAILED when it ends, or does not answer in time
   */
  ready(): Promise<string>;
  /** Ends a server of ours; removes our links from another's. Names what it could not end. Idempotent. */
  stop(): Promise<readonly string[]>;
}

export interface SpawnProxyOptions {
  /** Where a server of ours offers its API. */
  readonly api: Endpoint;
  readonly logFile: string;
  /** Folder that the server's guard removes when the harness is killed; null: none. */
  readonly trash: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Starts a server that ends with the harness, however that ends; or attaches to one that runs.
 *
 * @throws HarnessError PROCESS_EXITED when it cannot be started at all
 */
export async function spawnProxy(
  source: ProxySource,
  options: SpawnProxyOptions,
): Promise<SpawnedProxy> {
  if (source.kind === "url") return attachProxy(source.url);
  const { address, port } = options.api;
  const url = `http://${address}:${port}`;
  const program = source.kind === "embedded" ? [process.execPath, source.path] : [source.path];
  const { file, args } = guarded(
    [...program, "-host", address, "-port", String(port)],
    options.trash,
  );
  const child = await spawnChild({
    name: "toxiproxy",
    command: [file, ...args],
    env: options.env,
    stderrFile: options.logFile,
    stdout: "stderr",
  });
  return {
    process: child,
    links: createProxyLinks(url),
    async ready() {
      const version = await untilAnswers(child, url);
      if (source.kind === "embedded") return `embedded (API of toxiproxy ${PROXY_VERSION})`;
      return `toxiproxy ${source.version ?? version}`;
    },
    stop: () => stopServer(child),
  };
}

function attachProxy(url: string): SpawnedProxy {
  const links = createProxyLinks(url);
  return {
    process: null,
    links,
    ready: async () => `toxiproxy ${await readProxyVersion(url)}`,
    async stop() {
      await links.remove();
      return [];
    },
  };
}

async function untilAnswers(child: Child, url: string): Promise<string> {
  const deadline = performance.now() + READY_DEADLINE_MS;
  for (;;) {
    try {
      return await readProxyVersion(url);
    } catch (cause: unknown) {
      const isOver = child.exit() !== null || performance.now() > deadline;
      if (!isOver) {
        await pause(READY_POLL_MS);
        continue;
      }
      const why = child.exit() === null ? `no answer within ${READY_DEADLINE_MS} ms` : "it ended";
      const message = `toxiproxy at ${url}: ${why}: ${lastLines(child.stderrFile, 2)}`;
      throw new HarnessError("PROXY_FAILED", message, {
        hint: `Read ${child.stderrFile}.`,
        cause,
      });
    }
  }
}

async function stopServer(child: Child): Promise<readonly string[]> {
  child.kill();
  const isGone = await waitForEnd(child, END_DEADLINE_MS);
  return isGone ? [] : [`process ${child.name} (${child.pid})`];
}
