/** Looks whether this machine can run everything. Starts and installs nothing, and removes what it writes. */
import { accessSync, constants, existsSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";
import { dirname, resolve } from "node:path";
import { painter, wrap } from "../../reports/screen.ts";
import { HarnessError } from "../errors.ts";
import { findOnPath, locateProxy } from "../proxy/find-proxy.ts";
import { type Shell, STATUS } from "./shell.ts";

const NODE_MIN = [20, 20] as const;
const CORES_MIN = 2;
/** A run's addresses are of this kind: 127.n.j.i. Port 0: any free one. */
const ALIAS = "127.250.101.201";

interface Finding {
  readonly name: string;
  /** `warn`: it runs, but not all of it, or not well. */
  readonly state: "ok" | "warn" | "missing";
  readonly found: string;
  /** What to do; null: nothing. */
  readonly hint: string | null;
}

/** @returns the exit status: 0 when nothing is missing, else 3 */
export async function doctorCommand(
  options: { readonly json: boolean; readonly out: string },
  shell: Shell,
): Promise<number> {
  const findings = [
    lookAtNode(),
    lookAtProxy(shell),
    await lookAtAliases(),
    lookAtCores(),
    lookAtFolder(resolve(shell.cwd, options.out)),
  ];
  const isReady = findings.every(({ state }) => state !== "missing");
  if (options.json) shell.out(`${JSON.stringify({ schema: 1, isReady, findings }, null, 2)}\n`);
  else shell.out(render(findings, isReady, shell));
  return isReady ? STATUS.done : STATUS.crashed;
}

function render(findings: readonly Finding[], isReady: boolean, { outScreen }: Shell): string {
  const paint = painter(outScreen);
  const colours = { ok: "green", warn: "yellow", missing: "red" } as const;
  const margin = " ".repeat(22);
  const lines = findings.flatMap(({ name, state, found, hint }) => {
    const texts = [found, ...(hint === null ? [] : [hint])];
    const [first = "", ...rest] = texts.flatMap((text) =>
      wrap(text, outScreen.width - margin.length),
    );
    const head = `  ${paint(colours[state], state.padEnd(8))}${name.padEnd(12)}`;
    return [head + first, ...rest.map((line) => margin + line)];
  });
  const last = isReady
    ? "Everything that a run needs is here."
    : "Something that a run needs is missing.";
  return `${[...lines, "", last].join("\n")}\n`;
}

function lookAtNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [wantedMajor, wantedMinor] = NODE_MIN;
  const isEnough = major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  const hint = isEnough ? null : `Install Node ${NODE_MIN.join(".")} or newer.`;
  return { name: "node", state: isEnough ? "ok" : "missing", found: process.version, hint };
}

function lookAtProxy({ env }: Shell): Finding {
  const name = "toxiproxy";
  try {
    const source = locateProxy({ env });
    if (source !== null) {
      const found = source.kind === "url" ? `server at ${source.url}` : source.path;
      return { name, state: "ok", found, hint: null };
    }
  } catch (error: unknown) {
    if (!(error instanceof HarnessError)) throw error;
    return { name, state: "missing", found: error.message, hint: error.hint };
  }
  if (findOnPath("go", env["PATH"]) !== null) {
    const hint = "The first run in bed local builds it, which takes about 25 s.";
    return { name, state: "warn", found: "not there yet, but Go is", hint };
  }
  const hint =
    "Install Go, or put toxiproxy-server on PATH, or set FAULTLINE_TOXIPROXY to its path or URL. Bed sim works without it.";
  return { name, state: "missing", found: "no server, and no Go to build one with", hint };
}

async function lookAtAliases(): Promise<Finding> {
  const name = "loopback";
  const why = await new Promise<string | null>((resolveWith) => {
    const server = createServer();
    server.once("error", (error) => resolveWith(error.message));
    server.listen({ host: ALIAS, port: 0, exclusive: true }, () => {
      server.close(() => resolveWith(null));
    });
  });
  if (why === null)
    return { name, state: "ok", found: "all of 127.0.0.0/8 can be bound", hint: null };
  const hint =
    "Bed local needs the whole of 127.0.0.0/8 on the loopback interface, as Linux has it.";
  return { name, state: "missing", found: why, hint };
}

function lookAtCores(): Finding {
  const cores = availableParallelism();
  const isEnough = cores >= CORES_MIN;
  const hint = isEnough ? null : "Figures of bed local say little on one core.";
  return { name: "cores", state: isEnough ? "ok" : "warn", found: String(cores), hint };
}

function lookAtFolder(folder: string): Finding {
  let nearest = folder;
  while (!existsSync(nearest)) nearest = dirname(nearest);
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
    return { name: "run folder", state: "ok", found: folder, hint: null };
  } catch {
    // Whatever forbids it, a run could not write there.
    const hint = "Name a writable folder with --out.";
    return { name: "run folder", state: "missing", found: `${nearest} is not writable`, hint };
  }
}
