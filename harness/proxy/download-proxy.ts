/** The upstream release of Toxiproxy, where there is no Go: one archive, whose checksum is known. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { PROXY_VERSION } from "./install-proxy.ts";

/** SHA-256 of each archive of the pinned release, by platform and architecture of Node. */
const ARCHIVES: Readonly<Record<string, { readonly name: string; readonly sha256: string }>> = {
  "linux-x64": {
    name: "linux_amd64",
    sha256: "65e042d3fc2290c099527bc506446a6fd863a09f113b8944b636ece70221c2b3",
  },
  "linux-arm64": {
    name: "linux_arm64",
    sha256: "ab417dafc77ae8b54ec8461cc5da5180d0465a61dcbda86c72da72ee4ab843b7",
  },
  "darwin-x64": {
    name: "darwin_amd64",
    sha256: "52ac1f99d7204b4b523f910b791bc86318b50ef94822c79a6157606704003ced",
  },
  "darwin-arm64": {
    name: "darwin_arm64",
    sha256: "cece3905c06ad84d6b3bb4cd024c344e6466736b2a8cbaf9ef4fe45e62aba9b2",
  },
};

const RELEASES = "https://github.com/Shopify/toxiproxy/releases/download";
const SERVER = "toxiproxy-server";
/** Until the archive begins to arrive. A machine without network is not to wait for one. */
const ANSWER_WITHIN_MS = 3_000;
/** 7.5 MB. */
const ARRIVED_WITHIN_MS = 60_000;
const UNPACKED_WITHIN_MS = 20_000;

export interface DownloadOptions {
  /** Folder of this release in the cache; made if missing. */
  readonly folder: string;
  readonly onProgress: (line: string) => void;
  /** Default: those of the upstream project. */
  readonly releases?: string;
  /** Default: of this machine, `linux-x64`. */
  readonly platform?: string;
  /** Default: the release's. */
  readonly sha256?: string;
}

/**
 * Downloads, checks and unpacks the server. The binary appears in one step, so nobody runs half of it.
 *
 * @returns null when it is there; else why not
 */
export async function downloadProxy(
  binary: string,
  options: DownloadOptions,
): Promise<string | null> {
  const { folder, onProgress, releases = RELEASES } = options;
  const platform = options.platform ?? `${process.platform}-${process.arch}`;
  const archive = ARCHIVES[platform];
  if (archive === undefined) return `there is no release for ${platform}`;
  const url = `${releases}/v${PROXY_VERSION}/toxiproxy_${PROXY_VERSION}_${archive.name}.tar.gz`;
  onProgress(`looking for the release of Toxiproxy ${PROXY_VERSION} at ${new URL(url).host}`);
  const arrived = await fetchBytes(url);
  if (typeof arrived === "string") return arrived;
  const found = createHash("sha256").update(arrived).digest("hex");
  const wanted = options.sha256 ?? archive.sha256;
  if (found !== wanted) return `${url}: SHA-256 ${found}, expected ${wanted}`;
  return unpack(arrived, binary, folder);
}

/** @returns a string: why not */
async function fetchBytes(url: string): Promise<Buffer | string> {
  const aborter = new AbortController();
  const answer = setTimeout(() => aborter.abort(), ANSWER_WITHIN_MS);
  const all = setTimeout(() => aborter.abort(), ARRIVED_WITHIN_MS);
  try {
    const response = await fetch(url, { signal: aborter.signal });
    clearTimeout(answer);
    if (!response.ok) return `${url}: status ${response.status}`;
    return Buffer.from(await response.arrayBuffer());
  } catch (error: unknown) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    return `${url}: ${aborter.signal.aborted ? "no answer in time" : why}`;
  } finally {
    clearTimeout(answer);
    clearTimeout(all);
  }
}

async function unpack(archive: Buffer, binary: string, folder: string): Promise<string | null> {
  let draft = "";
  try {
    mkdirSync(folder, { recursive: true });
    draft = mkdtempSync(join(folder, "download-"));
    const file = join(draft, "release.tar.gz");
    writeFileSync(file, archive);
    const options = { cwd: draft, reject: false, timeout: UNPACKED_WITHIN_MS } as const;
    const result = await execa("tar", ["-xzf", file, SERVER], options);
    if (result.exitCode !== 0 || !existsSync(join(draft, SERVER))) {
      return `tar: ${result.stderr.trim().split("\n").at(-1) ?? "no output"}`;
    }
    renameSync(join(draft, SERVER), binary);
    return null;
  } catch (error: unknown) {
    return `cannot write ${folder}: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    if (draft !== "") rmSync(draft, { recursive: true, force: true });
  }
}
