import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { HarnessError } from "../errors.ts";
import { installProxy, PROXY_VERSION } from "./install-proxy.ts";

/** Where the links' proxy comes from. */
export type ProxySource =
  /** A binary to start. `version`: the release it was pinned to; null: it says so itself. */
  | { readonly kind: "binary"; readonly path: string; readonly version: string | null }
  /** A server that somebody else runs. */
  | { readonly kind: "url"; readonly url: string };

export interface FindProxyOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default: `$XDG_CACHE_HOME/faultline`, else `$HOME/.cache/faultline`. */
  readonly cacheDir?: string;
  /** One line for people, without its end. Default: dropped. */
  readonly onProgress?: (line: string) => void;
}

const SERVER = "toxiproxy-server";

/**
 * Finds the real Toxiproxy: `FAULTLINE_TOXIPROXY` (URL or path), `toxiproxy-server` on PATH, the project's cache; else it is built into
 * the cache, which takes about 25 s once.
 *
 * @throws HarnessError PROXY_NOT_FOUND when it is nowhere and there is no Go; PROXY_INSTALL_FAILED when the build failed
 */
export async function findProxy(options: FindProxyOptions): Promise<ProxySource> {
  const found = locateProxy(options);
  if (found !== null) return found;
  const { folder, binary } = cachePlaces(options);
  await install(binary, folder, options);
  return { kind: "binary", path: binary, version: PROXY_VERSION };
}

/**
 * As `findProxy`, but builds nothing.
 *
 * @returns null when it is nowhere
 * @throws HarnessError PROXY_NOT_FOUND when `FAULTLINE_TOXIPROXY` names nothing, or there is no folder to look in
 */
export function locateProxy(options: FindProxyOptions): ProxySource | null {
  const { env } = options;
  const asked = env["FAULTLINE_TOXIPROXY"];
  if (asked !== undefined && asked !== "") return named(asked);
  const onPath = findOnPath(SERVER, env["PATH"]);
  if (onPath !== null) return { kind: "binary", path: onPath, version: null };
  const { binary } = cachePlaces(options);
  return isExecutable(binary) ? { kind: "binary", path: binary, version: PROXY_VERSION } : null;
}

function cachePlaces({ env, cacheDir }: FindProxyOptions): {
  readonly folder: string;
  readonly binary: string;
} {
  const folder = join(cacheDir ?? cacheFolder(env), `toxiproxy-${PROXY_VERSION}`);
  return { folder, binary: join(folder, SERVER) };
}

async function install(binary: string, folder: string, options: FindProxyOptions): Promise<void> {
  const { env, onProgress = () => undefined } = options;
  const go = findOnPath("go", env["PATH"]);
  if (go === null) {
    const places = `FAULTLINE_TOXIPROXY, ${SERVER} on PATH, ${binary}`;
    throw new HarnessError("PROXY_NOT_FOUND", `no Toxiproxy server: looked at ${places}`, {
      hint: `Install Go, or set FAULTLINE_TOXIPROXY to the path or URL of a Toxiproxy ${PROXY_VERSION}.`,
    });
  }
  await installProxy(binary, { env, folder, go, onProgress });
}

function named(asked: string): ProxySource {
  if (/^https?:\/\//.test(asked)) return { kind: "url", url: asked.replace(/\/+$/, "") };
  const path = resolve(asked);
  if (isExecutable(path)) return { kind: "binary", path, version: null };
  throw new HarnessError("PROXY_NOT_FOUND", `FAULTLINE_TOXIPROXY names no program: ${asked}`, {
    hint: "Give it the path of toxiproxy-server, or the URL of a running one (http://…).",
  });
}

function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const xdg = env["XDG_CACHE_HOME"];
  // The XDG specification has relative values ignored.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, "faultline");
  const home = env["HOME"];
  if (home !== undefined && home !== "") return join(home, ".cache", "faultline");
  throw new HarnessError("PROXY_NOT_FOUND", "no cache folder: HOME and XDG_CACHE_HOME are unset", {
    hint: "Set HOME, or FAULTLINE_TOXIPROXY to the path or URL of a Toxiproxy server.",
  });
}

/** First executable of this name on PATH; null: none. */
export function findOnPath(name: string, path: string | undefined): string | null {
  for (const folder of (path ?? "").split(delimiter)) {
    if (isAbsolute(folder) && isExecutable(join(folder, name))) return join(folder, name);
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Missing, or not ours to run: either way the next place is looked at.
    return false;
  }
}
