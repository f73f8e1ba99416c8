import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { pause } from "../process/deadline.ts";
import { guarded } from "../process/guard.ts";

/** The release that is installed, and that records name: a build by `go install` calls itself `git`. */
export const PROXY_VERSION = "2.12.0";

const MODULE = `github.com/Shopify/toxiproxy/v2/cmd/server@v${PROXY_VERSION}`;
/** Name that the Go tool gives the binary: the last element of the module's path. */
const BUILT_NAME = "server";
/** Seven times the 23 s measured on 2 cores, the download among them. */
const INSTALL_DEADLINE_MS = 170_000;
const PROGRESS_EVERY_MS = 5_000;
/** A lock this old belongs to nobody: an install ends before. */
const LOCK_AGE_MAX_MS = INSTALL_DEADLINE_MS + 10_000;
const LOCK_POLL_MS = 100;

export interface InstallOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder of this release in the cache; made if missing. */
  readonly folder: string;
  /** Path of `go`. */
  readonly go: string;
  readonly onProgress: (line: string) => void;
}

/**
 * Builds the pinned server with `go install` into `folder`, once: of several processes that need it at the same time one builds it and the
 * others wait. The binary appears in one step, so nobody runs half of it.
 *
 * @returns null when it is there; else why not
 */
export async function installProxy(
  binary: string,
  options: InstallOptions,
): Promise<string | null> {
  const lock = join(options.folder, "install.lock");
  const deadline = performance.now() + LOCK_AGE_MAX_MS;
  let isToldOfWait = false;
  for (let state = takeLock(lock); state !== "taken"; state = takeLock(lock)) {
    if (state !== "held") return state.why;
    if (performance.now() > deadline) {
      return `another process holds ${lock}: remove that file if no install runs`;
    }
    if (!isToldOfWait) options.onProgress("another run is installing Toxiproxy: waiting for it");
    isToldOfWait = true;
    await pause(LOCK_POLL_MS);
  }
  try {
    return existsSync(binary) ? null : await build(binary, options);
  } finally {
    rmSync(lock, { force: true });
  }
}

/** @returns null when it is there; else why not */
async function build(binary: string, options: InstallOptions): Promise<string | null> {
  const { env, folder, go, onProgress } = options;
  const draft = mkdtempSync(join(folder, "build-"));
  const start = performance.now();
  onProgress(`installing Toxiproxy ${PROXY_VERSION} with go install, once: about 25 s on 2 cores`);
  const progress = setInterval(() => {
    onProgress(`installing Toxiproxy: ${Math.round((performance.now() - start) / 1000)} s`);
  }, PROGRESS_EVERY_MS);
  try {
    const { file, args } = guarded([go, "install", MODULE], draft);
    const result = await execa(file, args, {
      cwd: draft,
      env: { ...env, GOBIN: draft, GOFLAGS: "", GOOS: "", GOARCH: "" },
      extendEnv: false,
      detached: true,
      stdin: "pipe",
      stdout: "ignore",
      stderr: "pipe",
      reject: false,
      timeout: INSTALL_DEADLINE_MS,
      killSignal: "SIGKILL",
      maxBuffer: 1_000_000,
    });
    if (result.exitCode !== 0 || !existsSync(join(draft, BUILT_NAME))) {
      const said = result.stderr.trim().split("\n").slice(-3).join("; ");
      const why = result.timedOut ? `no end within ${INSTALL_DEADLINE_MS} ms` : said;
      return `go install ${MODULE}: ${why}`;
    }
    renameSync(join(draft, BUILT_NAME), binary);
    onProgress(`installed ${binary} in ${Math.round((performance.now() - start) / 1000)} s`);
    return null;
  } finally {
    clearInterval(progress);
    rmSync(draft, { recursive: true, force: true });
  }
}

/**
 * `taken`: this process holds the lock now. The lock of a dead process is taken over; should two processes take it over in the same
 * instant, both build, and the second result replaces the first whole.
 */
function takeLock(lock: string): "taken" | "held" | { readonly why: string } {
  try {
    mkdirSync(dirname(lock), { recursive: true });
    const file = openSync(lock, "wx", 0o600);
    writeSync(file, String(process.pid));
    closeSync(file);
    return "taken";
  } catch (error: unknown) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) {
      const why = error instanceof Error ? error.message : String(error);
      return { why: `cannot write ${lock}: ${why}` };
    }
    if (isAbandoned(lock)) rmSync(lock, { force: true });
    return "held";
  }
}

function isAbandoned(lock: string): boolean {
  try {
    if (Date.now() - statSync(lock).mtimeMs > LOCK_AGE_MAX_MS) return true;
    const pid = Number(readFileSync(lock, "utf8"));
    // Not written yet: its owner is between two calls.
    if (!Number.isSafeInteger(pid) || pid <= 0) return false;
    process.kill(pid, 0);
    return false;
  } catch (error: unknown) {
    // ESRCH: no such process. Anything else (a stranger's process, a lock that has just gone) is no proof.
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}
