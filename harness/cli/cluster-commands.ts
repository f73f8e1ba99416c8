/** Commands that look at, break, mend and end a cluster that `faultline up` keeps. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { faultFields } from "../../chaos/by-hand.ts";
import { describeFaults } from "../../chaos/faults/registry.ts";
import { EXIT_STATUS } from "../check/verdict.ts";
import {
  type ClusterFile,
  clusterFolder,
  findCluster,
  readClusters,
} from "../cluster/cluster-file.ts";
import type { ClusterStatus, ControlRequest, FaultView } from "../cluster/control.ts";
import { askCluster } from "../cluster/control-client.ts";
import { HarnessError } from "../errors.ts";
import { pause } from "../process/deadline.ts";
import { canonicalJson } from "../record/json.ts";
import { type CheckResult, RECORD_SCHEMA } from "../record/types.ts";
import { faultLine, renderHosts, statusLines } from "./cluster-text.ts";
import { UsageError } from "./failure.ts";
import { type Shell, STATUS } from "./shell.ts";

export interface ClusterOptions {
  /** Undefined: the only one that runs. */
  readonly cluster?: string | undefined;
  readonly out: string;
  readonly json: boolean;
}

const LOOK_EVERY_MS = 500;
const GONE_WITHIN_MS = 5_000;
const GONE_POLL_MS = 20;
const TAIL_BYTES = 65_536;

function find({ cluster, out }: ClusterOptions, { cwd }: Shell): ClusterFile {
  return findCluster(clusterFolder(resolve(cwd, out)), cluster ?? null);
}

/** What the cluster answers is what it is asked for: both are this program. */
async function ask<Value>(cluster: ClusterFile, asked: ControlRequest): Promise<Value> {
  return (await askCluster(cluster, asked)) as Value;
}

export async function downCommand(options: ClusterOptions, shell: Shell): Promise<number> {
  const cluster = find(options, shell);
  const folder = clusterFolder(resolve(shell.cwd, options.out));
  await ask<null>(cluster, { op: "down" });
  const deadline = performance.now() + GONE_WITHIN_MS;
  while (readClusters(folder).some(({ pid }) => pid === cluster.pid)) {
    if (performance.now() > deadline) {
      const message = `cluster ${cluster.name} has not ended within ${GONE_WITHIN_MS} ms`;
      throw new HarnessError("LEFTOVERS", message, {
        hint: `End process ${cluster.pid} by hand: everything of the cluster ends with it.`,
      });
    }
    await pause(GONE_POLL_MS);
  }
  if (!options.json) shell.out(`cluster ${cluster.name} has ended\n`);
  return STATUS.done;
}

export async function statusCommand(
  options: ClusterOptions & { readonly watch: boolean },
  shell: Shell,
): Promise<number> {
  const cluster = find(options, shell);
  const { out, outScreen, signal } = shell;
  let height = 0;
  let shown = "";
  for (;;) {
    const status = await ask<ClusterStatus>(cluster, { op: "status" });
    if (options.json)
      out(`${canonicalJson({ ...status, schema: RECORD_SCHEMA }, options.watch ? 0 : 2)}\n`);
    else if (!options.watch || outScreen.isTty) {
      const lines = statusLines(status, outScreen);
      out(`${height > 0 ? `\u001b[${height}A\u001b[J` : ""}${lines.join("\n")}\n`);
      height = lines.length;
    } else if (renderHosts(status) !== shown) {
      shown = renderHosts(status);
      out(`${(status.now / 1_000_000).toFixed(1).padStart(7)} s  ${shown}\n`);
    }
    if (!options.watch) return STATUS.done;
    await pause(LOOK_EVERY_MS);
    if (signal.aborted) return STATUS.interrupted;
  }
}

export interface FaultOptions extends ClusterOptions {
  readonly on?: string | undefined;
  /** Unit: milliseconds; undefined: until it is healed. */
  readonly for?: number | undefined;
  readonly way?: string | undefined;
  readonly channels?: string | undefined;
  readonly latency?: number | undefined;
  readonly jitter?: number | undefined;
  readonly first?: string | undefined;
  readonly secondAfter?: number | undefined;
}

export async function faultCommand(
  fault: string,
  options: FaultOptions,
  shell: Shell,
): Promise<number> {
  if (fault === "list") {
    listFaults(options, shell);
    return STATUS.done;
  }
  const fields = {
    fault,
    on: options.on,
    way: options.way,
    channels: options.channels?.split(","),
    latencyMs: options.latency,
    jitterMs: options.jitter,
    first: options.first,
    secondAfterMs: options.secondAfter,
  };
  const given = Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  );
  const cluster = find(options, shell);
  const asked = { op: "fault", fields: given, forMs: options.for ?? null } as const;
  const view = await ask<FaultView>(cluster, asked);
  if (options.json) shell.out(`${canonicalJson(view, 2)}\n`);
  else {
    const end = view.forMs === null ? `until: faultline heal ${view.id}` : `for ${view.forMs} ms`;
    shell.out(`#${view.id}  ${view.fault} of ${view.target}, ${end}\n`);
  }
  return STATUS.done;
}

function listFaults({ json }: ClusterOptions, shell: Shell): void {
  const faults = describeFaults().map(({ fault, summary }) => {
    return { fault, summary, takes: faultFields(fault) };
  });
  if (json) {
    shell.out(`${canonicalJson({ schema: RECORD_SCHEMA, faults }, 2)}\n`);
    return;
  }
  for (const { fault, summary, takes } of faults) {
    shell.out(`  ${fault.padEnd(16)}${summary}\n${" ".repeat(18)}takes ${takes.join(", ")}\n`);
  }
}

export async function healCommand(
  id: number | null,
  options: ClusterOptions,
  shell: Shell,
): Promise<number> {
  const healed = await ask<readonly FaultView[]>(find(options, shell), { op: "heal", id });
  if (options.json) shell.out(`${canonicalJson({ healed }, 2)}\n`);
  else if (healed.length === 0) shell.out("nothing was to be healed\n");
  else shell.out(`${healed.map(faultLine).join("\n")}\n`);
  return STATUS.done;
}

export async function operatorCommand(
  fields: Readonly<Record<string, unknown>>,
  options: ClusterOptions & { readonly host?: string | undefined },
  shell: Shell,
): Promise<number> {
  const asked = { op: "operator", host: options.host ?? null, fields } as const;
  const view = await ask<FaultView>(find(options, shell), asked);
  const isDone = view.proof?.hasBitten === true;
  if (options.json) shell.out(`${canonicalJson(view, 2)}\n`);
  else shell.out(`${view.proof?.why ?? "no answer"}\n`);
  return isDone ? STATUS.done : EXIT_STATUS.fail;
}

export async function clusterAudit(options: ClusterOptions, shell: Shell): Promise<number> {
  const check = await ask<CheckResult>(find(options, shell), { op: "audit" });
  if (options.json) shell.out(`${canonicalJson(check, 2)}\n`);
  else shell.out(`${check.verdict.toUpperCase()}  ${check.why}\n`);
  return EXIT_STATUS[check.verdict];
}

/** @throws UsageError for a process that the cluster does not have */
export async function logsCommand(
  name: string,
  options: ClusterOptions & { readonly follow: boolean },
  shell: Shell,
): Promise<number> {
  const cluster = find(options, shell);
  const path = join(cluster.runDir, `${name}.log`);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) {
    throw new UsageError(
      `${cluster.name} has no log of "${name}"`,
      "Name a host: a or b; or q1, s1, toxiproxy.",
    );
  }
  const file = openSync(path, "r");
  try {
    let at = options.follow ? Math.max(0, size - TAIL_BYTES) : 0;
    for (;;) {
      const chunk = Buffer.alloc(TAIL_BYTES);
      const count = readSync(file, chunk, 0, chunk.length, at);
      at += count;
      if (count > 0) shell.out(chunk.toString("utf8", 0, count));
      if (count === chunk.length) continue;
      if (!options.follow) return STATUS.done;
      await pause(LOOK_EVERY_MS);
      if (shell.signal.aborted) return STATUS.interrupted;
    }
  } finally {
    closeSync(file);
  }
}
