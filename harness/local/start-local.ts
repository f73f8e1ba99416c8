import { randomInt } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { HarnessError } from "../errors.ts";
import { builtFile } from "../package-paths.ts";
import { findProxy, type ProxySource } from "../proxy/find-proxy.ts";
import { spawnProxy } from "../proxy/proxy-server.ts";
import type { ClusterSpec } from "../rig/rig.ts";
import { CLUSTER_NUMBER_MAX, type Members } from "./address-plan.ts";
import { reserveClusterNumber } from "./cluster-number.ts";
import { proxyNameOf, proxyPrefix } from "./link-names.ts";
import { LocalRig } from "./local-rig.ts";
import { type Commands, LocalRun } from "./local-run.ts";
import { startRunClock } from "./run-clock.ts";
import { writeRunFiles } from "./run-files.ts";
import { startProcess } from "./start-process.ts";

export interface LocalOptions {
  /** Folder of the run's record; made if missing. One run, one folder. */
  readonly runDir: string;
  /** Name of the scenario, for the history's header. */
  readonly scenario: string;
  /** Environment of the harness: tells where Toxiproxy is, and is handed to the processes. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where Toxiproxy is cached. Default: `$XDG_CACHE_HOME/faultline`, else `~/.cache/faultline`. */
  readonly cacheDir?: string;
  /** Programs in place of the built ones; each is started with `--file <path>` appended. */
  readonly commands?: Partial<Commands>;
  /** Path of the guest's `.wasm`, for hosts in place of the built ones. Default: the built one, and none for such hosts. */
  readonly guest?: string;
  /** From a process's spawn to its ready line. Unit: milliseconds. Default 5000: 25 × a start on an idle machine. */
  readonly readyMs?: number;
  /** One line for people, without its end. Default: dropped. */
  readonly onProgress?: (line: string) => void;
}

const READY_MS = 5_000;
const GUEST = "node/guests/kv.wasm";

/**
 * Brings up a pair of hosts with its quorum service, switch and proxies, and returns when every process is ready and attached; the pair
 * itself may not be duplex yet. When it throws, everything it started is ended.
 *
 * @throws HarnessError PROXY_NOT_FOUND, NOT_BUILT, NO_CLUSTER_NUMBER, PORT_TAKEN, RUN_FOLDER before anything is
 *   started; PROXY_FAILED, PROCESS_NOT_READY, PROCESS_EXITED, CONTROL_LOST after
 */
export async function startLocal(spec: ClusterSpec, options: LocalOptions): Promise<LocalRig> {
  const { runDir, scenario, env, onProgress = () => undefined } = options;
  const source = await findProxy({
    env,
    onProgress,
    ...(options.cacheDir === undefined ? {} : { cacheDir: options.cacheDir }),
  });
  const commandOf = commandsOf(options.commands ?? {});
  const guest = options.guest ?? (options.commands?.host === undefined ? builtFile(GUEST) : "");
  const members = membersOf(spec);
  makeFolder(runDir);
  const clock = startRunClock();
  const number = await reserveClusterNumber(members, randomInt(CLUSTER_NUMBER_MAX) + 1);
  const { readyMs = READY_MS } = options;
  const run = new LocalRun({ spec, runDir, scenario, env, clock, number, commandOf, readyMs });
  onProgress(`cluster ${number.plan.number}: starting`);
  try {
    await bringUp(run, { source, guest, members, onProgress });
    return new LocalRig(run);
  } catch (error: unknown) {
    await run.teardown();
    throw error;
  }
}

interface BringUp {
  readonly source: ProxySource;
  readonly guest: string;
  readonly members: Members;
  readonly onProgress: (line: string) => void;
}

/** Proxy and processes start side by side: a process takes longer to load than the proxy to answer, and dials again until it does. */
async function bringUp(run: LocalRun, options: BringUp): Promise<void> {
  const { source, guest, members, onProgress } = options;
  const { spec, plan, privateDir, runDir } = run;
  const { hosts, services, switches } = plan.topology;
  // First the proxy: its guard removes the secret when the harness is killed, so it must be there before the secret is.
  const all = [startLinks(run, source)];
  try {
    run.useFiles(writeRunFiles({ spec, members, plan, privateDir, runDir, guest }));
    all.push(...[...hosts, ...services, ...switches].map((name) => startProcess(run, name)));
    await Promise.all(all);
  } catch (error: unknown) {
    // Whatever is still on its way must belong to the run before it is ended.
    void run.teardown();
    await Promise.allSettled(all);
    throw error;
  }
  const seconds = (run.clock.now() / 1_000_000).toFixed(2);
  onProgress(`cluster ${plan.number}: up in ${seconds} s through ${run.proxyName}`);
}

async function startLinks(run: LocalRun, source: ProxySource): Promise<void> {
  const proxy = await spawnProxy(source, {
    api: run.plan.proxyApi,
    logFile: join(run.runDir, "toxiproxy.log"),
    trash: run.privateDir,
    env: run.env,
  });
  run.useProxy(proxy);
  run.proxyName = await proxy.ready();
  // The number is this run's alone, so whoever made these is dead.
  if (proxy.process === null) await proxy.links.sweep(proxyPrefix(run.plan.number));
  const links = run.plan.links.map((plan) => {
    return { name: proxyNameOf(plan), listen: plan.listen, upstream: plan.upstream };
  });
  await proxy.links.create(links, run.spec.linkDelayMs);
}

const SERVICES = { none: [], one: ["q1"], two: ["q1", "q2"] } as const;
const SWITCHES = { one: ["s1"], two: ["s1", "s2"] } as const;

function membersOf({ quorum, switches }: ClusterSpec): Members {
  return {
    hosts: ["a", "b"],
    services: SERVICES[quorum],
    switches: SWITCHES[switches],
    vms: ["vm1"],
  };
}

function commandsOf(given: Partial<Commands>): (role: keyof Commands) => readonly string[] {
  const own = (path: string): readonly string[] => [process.execPath, builtFile(path)];
  const find = (role: keyof Commands): readonly string[] =>
    given[role] ?? own(role === "workload" ? "harness/workload/main.js" : "node/main.js");
  const found: Commands = {
    host: find("host"),
    quorum: find("quorum"),
    switch: find("switch"),
    workload: find("workload"),
  };
  return (role) => found[role];
}

function makeFolder(runDir: string): void {
  try {
    mkdirSync(runDir, { recursive: true });
  } catch (cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HarnessError("RUN_FOLDER", `cannot make ${runDir}: ${why}`, {
      hint: "Name a writable folder with --out.",
      cause,
    });
  }
}
