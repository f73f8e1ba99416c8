/** Brings up a cluster, keeps it until it is told to end it, and takes requests of other commands meanwhile. */
import { randomInt } from "node:crypto";
import { join, resolve } from "node:path";
import { isRedundant } from "../../chaos/converge.ts";
import { checkName, clusterFolder, refuseTaken } from "../cluster/cluster-file.ts";
import { startLocal } from "../local/start-local.ts";
import { copyEvents } from "../record/event-copy.ts";
import { createRunFolder, RUN_FILES } from "../record/run-folder.ts";
import { openEvents } from "../record/writer.ts";
import type { ClusterSpec } from "../rig/rig.ts";
import { renderCluster } from "./cluster-text.ts";
import { KeptCluster } from "./kept-cluster.ts";
import { progressTo } from "./progress.ts";
import { shortPath } from "./scenario-runs.ts";
import { type Shell, STATUS } from "./shell.ts";

export interface UpOptions {
  readonly name: string;
  readonly level: "2";
  readonly quorum: "one" | "two" | "none";
  readonly sites: "one" | "two";
  readonly preferred: "a" | "b";
  /** Without a quorum service: only the preferred host goes on alone, or both do. */
  readonly peerLoss: "preferred" | "continue";
  readonly out: string;
}

const REDUNDANT_WITHIN_US = 10_000_000;
const SEEDS = 1_000_000;

/**
 * @returns the exit status: 0 after `down`, 130 after Ctrl-C
 * @throws HarnessError CLUSTER_EXISTS and BAD_SCENARIO before anything is started; what a bed throws
 */
export async function upCommand(options: UpOptions, shell: Shell): Promise<number> {
  const root = resolve(shell.cwd, options.out);
  const folder = clusterFolder(root);
  checkName(options.name);
  refuseTaken(folder, options.name);
  const seed = randomInt(SEEDS);
  const scenario = `up/${options.name}`;
  const { path: runDir } = createRunFolder({ root, startedAt: new Date(), scenario, seed });
  const spec = specOf(options, seed);
  const progress = progressTo(shell, { isQuiet: false });
  const rig = await startLocal(spec, { runDir, scenario, env: shell.env, onProgress: progress });
  const writer = openEvents(join(runDir, RUN_FILES.events));
  const copied = copyEvents(writer);
  copied.follow(() => rig.events());
  const kept = new KeptCluster(rig, {
    name: options.name,
    folder,
    runDir,
    shell,
  });
  try {
    const isUp = await rig.waitFor(
      () => shell.signal.aborted || isRedundant(rig.hosts(), spec),
      rig.now() + REDUNDANT_WITHIN_US,
    );
    if (!isUp) progress("the pair is not redundant yet");
    if (shell.signal.aborted) return STATUS.interrupted;
    await kept.open();
    shell.out(renderCluster(kept.status(), shortPath(runDir, shell.cwd), shell.outScreen));
    return await kept.keep();
  } finally {
    kept.leave();
    const left = await rig.teardown();
    copied.close();
    writer.close();
    if (left.length > 0) shell.err(`not ended: ${left.join("; ")}\n`);
  }
}

function specOf({ quorum, sites, preferred, peerLoss }: UpOptions, seed: number): ClusterSpec {
  return {
    seed,
    quorum,
    switches: sites,
    confirmAfterRestart: false,
    preferred,
    memoryPages: 64,
    volumeBlocks: 16_384,
    peerLoss,
    bootDelayMs: 0,
    linkDelayMs: 0,
  };
}
