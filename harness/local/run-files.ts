import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { invariant } from "../../node/core/invariant.ts";
import { timingFor } from "../../node/core/timing.ts";
import type {
  HostFile,
  ProcessFile,
  QuorumFile,
  SwitchFile,
} from "../../node/ports/process-file.ts";
import { HarnessError } from "../errors.ts";
import type { ClusterSpec } from "../rig/rig.ts";
import { forkRandom } from "../workload/forked-random.ts";
import type { AddressPlan, LinkPlan, Members } from "./address-plan.ts";

const SECRET_BYTES = 16;
const OWNER_ONLY = 0o600;
const OWNER_ONLY_FOLDER = 0o700;

/** What was written for a run. */
export interface RunFiles {
  readonly cluster: string;
  readonly secret: string;
  /** By process name: the file given to it with `--file`. */
  readonly processFiles: ReadonlyMap<string, string>;
  /** By host, in host order. */
  readonly disks: ReadonlyMap<string, string>;
}

export interface RunFilesOptions {
  readonly spec: ClusterSpec;
  readonly members: Members;
  readonly plan: AddressPlan;
  /** For the secret and the process files; made. */
  readonly privateDir: string;
  readonly runDir: string;
  /** Path of the guest's `.wasm`. */
  readonly guest: string;
}

/**
 * Writes what the processes of a run read: the secret and a file for each, readable by their owner alone.
 *
 * @throws HarnessError RUN_FOLDER when the folder cannot be written
 */
export function writeRunFiles(options: RunFilesOptions): RunFiles {
  const { members, plan, privateDir, runDir } = options;
  const diskDir = join(runDir, "disks");
  const cluster = `c-${randomBytes(SECRET_BYTES).toString("hex")}`;
  const secret = randomBytes(SECRET_BYTES).toString("hex");
  const base = (name: string) => {
    const control = plan.control.get(name);
    invariant(control !== undefined, "every process has a control address");
    const secretFile = join(privateDir, "secret");
    return {
      schema: 1,
      cluster,
      secretFile,
      control,
      logFile: join(runDir, `${name}.log`),
    } as const;
  };
  const disks = new Map(members.hosts.map((name) => [name, join(diskDir, `${name}.disk`)]));
  const files: readonly (readonly [string, ProcessFile])[] = [
    ...members.hosts.map((name): [string, HostFile] => [
      name,
      hostFile(name, base(name), disks, options),
    ]),
    ...members.services.map((name): [string, QuorumFile] => [
      name,
      quorumFile(name, base(name), diskDir, options),
    ]),
    ...members.switches.map((name): [string, SwitchFile] => [
      name,
      switchFile(name, base(name), options),
    ]),
  ];
  const processFiles = new Map(files.map(([name]) => [name, join(privateDir, `${name}.json`)]));
  try {
    mkdirSync(privateDir, { recursive: true, mode: OWNER_ONLY_FOLDER });
    mkdirSync(diskDir, { recursive: true });
    writeFileSync(join(privateDir, "secret"), secret, { mode: OWNER_ONLY, flag: "wx" });
    for (const [name, content] of files) {
      const text = `${JSON.stringify(content, null, 2)}\n`;
      writeFileSync(join(privateDir, `${name}.json`), text, { mode: OWNER_ONLY, flag: "wx" });
    }
  } catch (cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HarnessError("RUN_FOLDER", `cannot write into ${runDir}: ${why}`, {
      hint: "Name a fresh, writable folder.",
      cause,
    });
  }
  return { cluster, secret, processFiles, disks };
}

const SEEDS = 2 ** 30;

type Base = Pick<HostFile, "schema" | "cluster" | "secretFile" | "control" | "logFile">;

function hostFile(
  name: string,
  base: Base,
  disks: ReadonlyMap<string, string>,
  { spec, members, plan, guest }: RunFilesOptions,
): HostFile {
  const [lower = "", higher = ""] = members.hosts;
  const diskFile = disks.get(name);
  invariant(diskFile !== undefined, "every host has a disk");
  const roundTripMs = 2 * spec.linkDelayMs;
  const dials = (channel: string): readonly LinkPlan[] =>
    plan.links.filter((link) => link.dialler === name && link.channel === channel);
  return {
    ...base,
    role: "host",
    host: name,
    diskFile,
    destageSeed: forkRandom(spec.seed, `destage ${name}`).below(SEEDS),
    timing: timingFor({ peer: roundTripMs, quorum: roundTripMs }),
    vms: members.vms.map((vm) => ({
      vm,
      hosts: [lower, higher],
      volumes: [{ id: 0, blocks: spec.volumeBlocks }],
      guest,
      memoryPages: spec.memoryPages,
      preferred: spec.preferred,
      protect: spec.preferred,
      peerLoss: spec.peerLoss,
      bootDelayMs: spec.bootDelayMs,
    })),
    paths: pathsOf(name, plan.links),
    services: dials("quorum").map(({ listener, listen }) => ({ id: listener, dial: listen })),
    switches: dials("lan").map(({ listener, listen }) => ({ id: listener, dial: listen })),
  };
}

function pathsOf(name: string, links: readonly LinkPlan[]): HostFile["paths"] {
  return links
    .filter(({ channel }) => channel.startsWith("alink") || channel === "mgmt")
    .filter(({ dialler, listener }) => dialler === name || listener === name)
    .map(({ channel, dialler, listener, listen, upstream, from }) => {
      const role = channel === "mgmt" ? "mgmt" : "alink";
      return dialler === name
        ? { id: channel, role, peer: listener, listen: null, dial: listen, from }
        : { id: channel, role, peer: dialler, listen: upstream, dial: null, from: null };
    });
}

function quorumFile(
  name: string,
  base: Base,
  diskDir: string,
  { spec, plan }: RunFilesOptions,
): QuorumFile {
  return {
    ...base,
    role: "quorum",
    service: name,
    storeFile: join(diskDir, `${name}.store`),
    confirmAfterRestart: spec.confirmAfterRestart,
    listen: listenOf(name, "quorum", plan),
  };
}

function switchFile(name: string, base: Base, { plan, members }: RunFilesOptions): SwitchFile {
  const vms = members.vms.map((vm) => {
    const client = plan.clients.get(`${name}/${vm}`);
    invariant(client !== undefined, "every VM has an address at every site");
    return { vm, client };
  });
  return {
    ...base,
    role: "switch",
    switch: name,
    site: members.switches.indexOf(name) + 1,
    trunk: trunkOf(name, plan),
    listen: listenOf(name, "lan", plan),
    vms,
  };
}

/** Null where there is one site. */
function trunkOf(name: string, plan: AddressPlan): SwitchFile["trunk"] {
  const trunks = plan.links.filter(({ channel }) => channel === "trunk");
  const dialled = trunks.find(({ dialler }) => dialler === name);
  if (dialled !== undefined) return { peer: dialled.listener, listen: null, dial: dialled.listen };
  const heard = trunks.find(({ listener }) => listener === name);
  return heard === undefined ? null : { peer: heard.dialler, listen: heard.upstream, dial: null };
}

function listenOf(name: string, channel: string, plan: AddressPlan): LinkPlan["upstream"] {
  const link = plan.links.find((it) => it.listener === name && it.channel === channel);
  invariant(link !== undefined, "somebody dials every listener");
  return link.upstream;
}
