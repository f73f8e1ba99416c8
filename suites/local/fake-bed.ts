/** The local bed with programs that stand in for hosts, quorum service and switch (fixtures/fake-process.js), behind the real Toxiproxy. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { type LocalOptions, startLocal } from "../../harness/local/start-local.ts";
import type { ClusterSpec, Rig } from "../../harness/rig/rig.ts";

export const FIXTURES = join(import.meta.dirname, "fixtures");
export const SPEC: ClusterSpec = {
  seed: 1,
  quorum: "one",
  switches: "one",
  confirmAfterRestart: false,
  preferred: "a",
  memoryPages: 64,
  volumeBlocks: 64,
  peerLoss: "preferred",
  bootDelayMs: 0,
  linkDelayMs: 0,
};
export const LINKS = ["a>b/alink0", "a>b/alink1", "b>a/mgmt"];
export const SECOND = 1_000_000;

const fake = (mode: string): readonly string[] => {
  return [process.execPath, join(FIXTURES, "fake-process.js"), mode];
};

export function optionsFor(t: Test, hostMode = "ready"): LocalOptions {
  return optionsOf(t.testdir({}), hostMode);
}

export function optionsOf(runDir: string, hostMode = "ready"): LocalOptions {
  return {
    runDir,
    scenario: "none",
    env: process.env,
    commands: { host: fake(hostMode), quorum: fake("ready"), switch: fake("ready") },
  };
}

/** Ends the rig after the test, whatever came of it. */
export async function start(
  t: Test,
  spec: Partial<ClusterSpec> = {},
  hostMode = "ready",
): Promise<Rig> {
  const rig = await startLocal({ ...SPEC, ...spec }, optionsFor(t, hostMode));
  t.teardown(() => rig.teardown());
  return rig;
}

/** Numbers of living processes whose command line contains `text`. */
export function processesWith(text: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      // It ended between the two calls.
      return false;
    }
  });
}

export const clusterOf = (runDir: string): number => {
  const file: unknown = JSON.parse(readFileSync(join(runDir, ".private", "a.json"), "utf8"));
  return Number(/"address":"127\.(\d+)\./.exec(JSON.stringify(file))?.[1]);
};
