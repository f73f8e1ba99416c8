/** Looks whether this machine can run everything, and what its figures would be worth. Installs nothing, and removes what it writes. */
import { accessSync, constants, existsSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";
import { dirname, resolve } from "node:path";
import { painter, wrap } from "../../reports/screen.ts";
import { HarnessError } from "../errors.ts";
import { findOnPath, locateProxy } from "../proxy/find-proxy.ts";
import { measureFlush, measureLoop, measureProxy, type Times } from "./doctor-measure.ts";
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
  const folder = resolve(shell.cwd, options.out);
  const findings = [
    lookAtNode(),
    lookAtProxy(shell),
    await lookAtAliases(),
    lookAtCores(),
    lookAtFolder(folder),
    ...(await measured(folder, shell)),
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
    if (source?.kind === "embedded") {
      const hint = "Its figures are not to be compared with those taken through Toxiproxy.";
      return { name, state: "warn", found: "the embedded proxy", hint };
    }
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
    "The first run in bed local downloads it, or takes the embedded proxy. For figures install Go, or put toxiproxy-server on PATH, or name it in FAULTLINE_TOXIPROXY.";
  return { name, state: "warn", found: "no server, and no Go to build one with", hint };
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

/** The folder, or what of its path is there. */
function nearestOf(folder: string): string {
  let nearest = folder;
  while (!existsSync(nearest)) nearest = dirname(nearest);
  return nearest;
}

function lookAtFolder(folder: string): Finding {
  const nearest = nearestOf(folder);
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
    return { name: "run folder", state: "ok", found: folder, hint: null };
  } catch {
    // Whatever forbids it, a run could not write there.
    const hint = "Name a writable folder with --out.";
    return { name: "run folder", state: "missing", found: `${nearest} is not writable`, hint };
  }
}

/** Above these a figure of bed `local` says more about the machine than about the pair. Unit: milliseconds. */
const LIMITS = { flushP95: 10, loopMax: 50, proxyP50: 1 } as const;

async function measured(folder: string, shell: Shell): Promise<readonly Finding[]> {
  const [flush, loop] = [await tried(() => flushFinding(folder)), await tried(loopFinding)];
  const proxy = await tried(() => proxyFinding(shell));
  return [flush, loop, proxy].filter((finding) => finding !== null);
}

/** Null: it could not be measured, and what keeps it from being so has a line of its own. */
async function tried(measure: () => Promise<Finding | null>): Promise<Finding | null> {
  try {
    return await measure();
  } catch {
    return null;
  }
}

async function flushFinding(folder: string): Promise<Finding> {
  const times = await measureFlush(nearestOf(folder));
  const isSlow = times.p95 > LIMITS.flushP95;
  const hint = isSlow ? "Runs wait for this disk: name a folder on a faster one with --out." : null;
  return judged("fdatasync", `4 KiB: ${textOf(times)}`, hint);
}

async function loopFinding(): Promise<Finding> {
  const times = await measureLoop();
  const isLate = times.max > LIMITS.loopMax;
  const hint = isLate
    ? "Something else keeps this machine busy: hosts would be late too, and interruptions longer."
    : null;
  return judged("timers", `late by ${textOf(times)}`, hint);
}

async function proxyFinding({ env }: Shell): Promise<Finding | null> {
  const source = locateProxy({ env });
  if (source === null) return null;
  const { name, straight, through } = await measureProxy(source, env);
  const isSlow = through.p50 > LIMITS.proxyP50;
  const hint = isSlow ? "Each frame between hosts takes this long: expect long writes." : null;
  const found = `round trip through ${name}: ${textOf(through)}; straight p50 ${straight.p50.toFixed(2)} ms`;
  return judged("proxy", found, hint);
}

function judged(name: string, found: string, hint: string | null): Finding {
  return { name, state: hint === null ? "ok" : "warn", found, hint };
}

function textOf({ p50, p95, max, n }: Times): string {
  return `p50 ${p50.toFixed(2)}, p95 ${p95.toFixed(2)}, max ${max.toFixed(2)} ms (n = ${n})`;
}
