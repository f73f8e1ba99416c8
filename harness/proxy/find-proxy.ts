import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { HarnessError } from "../errors.ts";
import { builtFile } from "../package-paths.ts";
import { downloadProxy } from "./download-proxy.ts";
import { installProxy, PROXY_VERSION } from "./install-proxy.ts";

/** Where the links' proxy comes from. */
export type ProxySource =
  /** A binary to start. `version`: the release it was pinned to; null: it says so itself. */
  | { readonly kind: "binary"; readonly path: string; readonly version: string | null }
  /** Our own server, which follows that release; `path` of its built program. */
  | { readonly kind: "embedded"; readonly path: string }
  /** A server that somebody else runs. */
  | { readonly kind: "url"; readonly url: string };

export interface FindProxyOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default: `$XDG_CACHE_HOME/faultline`, else `$HOME/.cache/faultline`. */
  readonly cacheDir?: string;
  /** One line for people, without its end. Default: dropped. */
  readonly onProgress?: (line: string) => void;
  /** Where releases are downloaded from. Default: the upstream project's. */
  readonly releases?: string;
}

/** Value of `FAULTLINE_TOXIPROXY` that asks for our own server. */
const EMBEDDED = "embedded";
const SERVER = "toxiproxy-server";

/**
 * Finds a proxy: what `FAULTLINE_TOXIPROXY` names (URL, path, or `embedded`), `toxiproxy-server` on PATH, the project's cache; else the pinned release is
 * built into the cache with Go (about 25 s, once), or downloaded; else it is the embedded server.
 *
 * @throws HarnessError PROXY_NOT_FOUND when `FAULTLINE_TOXIPROXY` names nothing; NOT_BUILT
 */
export async function findProxy(options: FindProxyOptions): Promise<ProxySource> {
  const { env, onProgress = () => undefined } = options;
  const found = locateProxy(options);
  if (found !== null) return found;
  const places = cachePlaces(options);
  const go = findOnPath("go", env["PATH"]);
  const tries = [
    ...(places === null || go === null
      ? []
      : [() => installProxy(places.binary, { env, go, folder: places.folder, onProgress })]),
    ...(places === null
      ? []
      : [() => downloadProxy(places.binary, { ...places, onProgress, ...pick(options) })]),
  ];
  for (const attempt of tries) {
    const why = await attempt();
    if (why === null && places !== null) {
      return { kind: "binary", path: places.binary, version: PROXY_VERSION };
    }
    onProgress(`no Toxiproxy: ${why}`);
  }
  onProgress("links run through the embedded proxy");
  return embedded();
}

function pick({ releases }: FindProxyOptions): { readonly releases?: string } {
  return releases === undefined ? {} : { releases };
}

function embedded(): ProxySource {
  return { kind: "embedded", path: builtFile("harness/proxy/embedded/main.js") };
}

/**
 * As `findProxy`, but builds and downloads nothing.
 *
 * @returns null when it is nowhere
 * @throws HarnessError PROXY_NOT_FOUND when `FAULTLINE_TOXIPROXY` names nothing
 */
export function locateProxy(options: FindProxyOptions): ProxySource | null {
  const { env } = options;
  const asked = env["FAULTLINE_TOXIPROXY"];
  if (asked !== undefined && asked !== "") return named(asked);
  const onPath = findOnPath(SERVER, env["PATH"]);
  if (onPath !== null) return { kind: "binary", path: onPath, version: null };
  const binary = cachePlaces(options)?.binary;
  if (binary === undefined || !isExecutable(binary)) return null;
  return { kind: "binary", path: binary, version: PROXY_VERSION };
}

/** Null: there is no folder to keep anything in. */
function cachePlaces({
  env,
  cacheDir,
}: FindProxyOptions): { readonly folder: string; readonly binary: string } | null {
  const cache = cacheDir ?? cacheFolder(env);
  if (cache === null) return null;
  const folder = join(cache, `toxiproxy-${PROXY_VERSION}`);
  return { folder, binary: join(folder, SERVER) };
}

function named(asked: string): ProxySource {
  if (asked === EMBEDDED) return embedded();
  if (/^https?:\/\//.test(asked)) return { kind: "url", url: asked.replace(/\/+$/, "") };
  const path = resolve(asked);
  if (isExecutable(path)) return { kind: "binary", path, version: null };
  throw new HarnessError("PROXY_NOT_FOUND", `FAULTLINE_TOXIPROXY names no program: ${asked}`, {
    hint: 'Give it the path of toxiproxy-server, the URL of a running one (http://…), or "embedded".',
  });
}

function cacheFolder(env: Readonly<Record<string, string | undefined>>): string | null {
  const xdg = env["XDG_CACHE_HOME"];
  // The XDG specification has relative values ignored.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, "faultline");
  const home = env["HOME"];
  return home !== undefined && home !== "" ? join(home, ".cache", "faultline") : null;
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
