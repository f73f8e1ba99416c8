/**
 * The file by which other commands find a cluster that `faultline up` keeps running: `<folder>/clusters/<name>.json`, readable by its owner alone, for it holds
 * the secret of the control port.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { HarnessError } from "../errors.ts";

const endpoint = v.object({ address: v.string(), port: v.number() });

const clusterFile = v.object({
  schema: v.literal(1),
  name: v.string(),
  /** Of the process that keeps it. */
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** Cluster number: it owns 127.n.0.0/16. */
  number: v.number(),
  level: v.number(),
  proxy: v.string(),
  control: endpoint,
  secret: v.string(),
  /** Where clients reach the VM, by site. */
  clients: v.array(v.object({ site: v.string(), ...endpoint.entries })),
  /** Logs, disks and events are there. */
  runDir: v.string(),
  startedAt: v.string(),
});

export type ClusterFile = v.InferOutput<typeof clusterFile>;

const OWNER_ONLY = 0o600;
const NAME = /^[a-z0-9][a-z0-9-]{0,30}$/;
const SUFFIX = ".json";

/** @param out folder of all that commands leave */
export function clusterFolder(out: string): string {
  return join(out, "clusters");
}

/** @throws HarnessError BAD_SCENARIO for a name that cannot be a file's */
export function checkName(name: string): void {
  if (NAME.test(name)) return;
  throw new HarnessError("BAD_SCENARIO", `"${name}" cannot be the name of a cluster`, {
    hint: "Use lower case letters, digits and -, at most 31.",
  });
}

/** @throws HarnessError CLUSTER_EXISTS when another living process keeps one of this name; RUN_FOLDER */
export function writeClusterFile(folder: string, file: ClusterFile): void {
  const path = join(folder, `${file.name}${SUFFIX}`);
  refuseTaken(folder, file.name);
  const draft = `${path}.${file.pid}`;
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(draft, `${JSON.stringify(file, null, 2)}\n`, { mode: OWNER_ONLY });
    renameSync(draft, path);
  } catch (cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HarnessError("RUN_FOLDER", `cannot write ${path}: ${why}`, {
      hint: "Name a writable folder with --out.",
      cause,
    });
  }
}

/** @throws HarnessError CLUSTER_EXISTS */
export function refuseTaken(folder: string, name: string): void {
  const taken = readClusters(folder).find((cluster) => cluster.name === name);
  if (taken === undefined || taken.pid === process.pid) return;
  throw new HarnessError("CLUSTER_EXISTS", `a cluster named ${name} runs (process ${taken.pid})`, {
    hint: "Give this one another name with --name, or end that one: faultline down.",
  });
}

export function removeClusterFile(folder: string, name: string): void {
  rmSync(join(folder, `${name}${SUFFIX}`), { force: true });
}

/** Clusters whose process lives. The files of dead ones are removed. */
export function readClusters(folder: string): readonly ClusterFile[] {
  let names: readonly string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(SUFFIX));
  } catch {
    // No cluster was ever started here.
    return [];
  }
  return names.toSorted().flatMap((name) => {
    const path = join(folder, name);
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), clusterFile), textOf(path));
    if (parsed.success && isAlive(parsed.output.pid)) return [parsed.output];
    rmSync(path, { force: true });
    return [];
  });
}

/**
 * The cluster that a command means.
 *
 * @param name null: the only one that runs
 * @throws HarnessError NO_CLUSTER when there is none, or no such one, or several and no name
 */
export function findCluster(folder: string, name: string | null): ClusterFile {
  const clusters = readClusters(folder);
  const found = name === null ? clusters : clusters.filter((cluster) => cluster.name === name);
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  const running = clusters.map((cluster) => cluster.name).join(", ");
  if (first !== undefined) {
    throw new HarnessError("NO_CLUSTER", `several clusters run: ${running}`, {
      hint: "Say which one you mean with --cluster <name>.",
    });
  }
  const what = name === null ? "no cluster runs" : `no cluster named ${name} runs`;
  const others = running === "" ? "" : `; there is ${running}`;
  throw new HarnessError("NO_CLUSTER", `${what}${others}`, {
    hint: "Start one in another terminal: faultline up",
  });
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It went away meanwhile.
    return "";
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error: unknown) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
