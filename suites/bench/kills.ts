/**
 * SIGKILL after SIGKILL in one cluster that lives on under the reference workload: the active host, the standby, and again; each returns and the pair
 * is whole before the next one dies. The clients delete what they have read back in the calm between two kills, so the guest's keys are bounded.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isServed } from "../../chaos/converge.ts";
import { auditDisks } from "../../harness/check/divergence.ts";
import { durabilityOf } from "../../harness/check/durability.ts";
import { checkInvariants } from "../../harness/check/invariants.ts";
import { judgeLinearizability } from "../../harness/check/linearizability.ts";
import { checkOneRunner } from "../../harness/check/one-runner.ts";
import { operationsOf } from "../../harness/check/operations.ts";
import { judgeWrites } from "../../harness/check/read-back.ts";
import { checkRecovery } from "../../harness/check/recovery.ts";
import { startLocal } from "../../harness/local/start-local.ts";
import { readHistory } from "../../harness/record/reader.ts";
import { RUN_FILES } from "../../harness/record/run-folder.ts";
import type { CheckResult, Divergence, Recovery, RunEvent } from "../../harness/record/types.ts";
import type { Rig, Workload } from "../../harness/rig/rig.ts";
import type { Bench } from "./bench.ts";
import { interruptionRows, resolutionOf, spansOf } from "./interruption.ts";
import { memoryRow, pidOf, residentMib } from "./memory.ts";
import { isPairRedundant, REFERENCE, referenceLoad, until, untilRedundant } from "./pair.ts";
import { type Bound, fact, figure, type Row } from "./row.ts";

const ROLES = ["active", "standby"] as const;
type Role = (typeof ROLES)[number];

/** A kill's window: from the kill to the return of the killed host. Unit: microseconds. */
const DEAD_US = 1_200_000;
/** From duplex to the next kill: what is old is deleted, and the next gap has a calm to be compared with. Unit: microseconds. */
const CALM_US = 1_500_000;
const FINISH_WITHIN_US = 30_000_000;
/** Judging the keys of two hundred kills. Unit: milliseconds. */
const LINEARIZABILITY_BUDGET_MS = 240_000;

const BOUNDS: Readonly<Record<Role, readonly Bound[]>> = {
  active: [
    { of: "p50", atMost: 350 },
    { of: "p95", atMost: 500 },
  ],
  standby: [{ of: "p95", atMost: 60 }],
};

interface Kill {
  readonly role: Role;
  readonly host: string;
}

interface Driven {
  readonly kills: readonly Kill[];
  /** Of every host that lived, right before each kill. Unit: MiB. */
  readonly residentMib: readonly number[];
  readonly whole: number;
  /** Null: all kills came to their end. */
  readonly stoppedBy: string | null;
  readonly convergedAt: number;
}

export async function kills(bench: Bench): Promise<readonly Row[]> {
  const count = bench.count(10, 200);
  const runDir = mkdtempSync(join(tmpdir(), "faultline-kills-"));
  const rig = await startLocal(REFERENCE, { runDir, scenario: "bench/kills", env: process.env });
  let orphans: readonly string[] = ["not looked for"];
  try {
    await untilRedundant(rig);
    const spec = referenceLoad("local", 1);
    const workload = await rig.startWorkload(spec);
    await rig.until(rig.now() + spec.warmUpMs * 1_000);
    await workload.phase("calm");
    await rig.until(rig.now() + spec.calmMs * 1_000);
    const driven = await killInTurn(rig, workload, { count, say: bench.say });
    await workload.finish(rig.now() + FINISH_WITHIN_US);
    await rig.quiesce();
    const divergence = auditOf(rig, driven.stoppedBy === null);
    const events = [...rig.events()];
    orphans = await rig.teardown();
    bench.say(`kills: judging ${driven.kills.length}`);
    return rowsOf({ driven, divergence, events, orphans, runDir, count });
  } finally {
    await rig.teardown();
    rmSync(runDir, { recursive: true, force: true });
  }
}

async function killInTurn(
  rig: Rig,
  workload: Workload,
  { count, say }: { readonly count: number; readonly say: (line: string) => void },
): Promise<Driven> {
  const done: Kill[] = [];
  const resident: number[] = [];
  let stoppedBy: string | null = null;
  for (let number = 1; number <= count; number += 1) {
    const role = ROLES[(number - 1) % ROLES.length] ?? "active";
    const host = rig.resolve(role);
    for (const name of rig.topology.hosts) {
      const mib = residentMib(pidOf(name, rig.events()));
      if (mib !== null) resident.push(mib);
    }
    try {
      await killAndReturn(rig, workload, { host, number });
      done.push({ role, host });
    } catch (error: unknown) {
      stoppedBy = `kill ${number}, of ${host} (${role}): ${error instanceof Error ? error.message : String(error)}`;
      break;
    }
    if (number % 10 === 0) say(`kills: ${number} of ${count}`);
  }
  const whole = done.length;
  return { kills: done, residentMib: resident, whole, stoppedBy, convergedAt: rig.now() };
}

async function killAndReturn(
  rig: Rig,
  workload: Workload,
  { host, number }: { readonly host: string; readonly number: number },
): Promise<void> {
  await workload.phase("fault");
  const killedAt = await rig.kill(host);
  mark(rig, { fault: "kill-host", host, step: number, at: killedAt });
  await until(rig, "served again", () => isServed(rig.hosts()));
  await rig.until(Math.max(rig.now(), killedAt + DEAD_US));
  const returnedAt = await rig.start(host);
  // Its own entry, so that what the return costs is not taken for what the kill did.
  mark(rig, { fault: "return-host", host, step: number, at: returnedAt });
  await untilRedundant(rig);
  await workload.phase("calm");
  await rig.until(rig.now() + CALM_US);
  if (!isPairRedundant(rig)) throw new Error("duplex did not last");
}

function mark(
  rig: Rig,
  of: {
    readonly fault: string;
    readonly host: string;
    readonly step: number;
    readonly at: number;
  },
): void {
  const { fault, host, step, at } = of;
  rig.report("fault", { fault, target: host, step, state: "injected", atInjectUs: at });
}

function auditOf(rig: Rig, mustBeEqual: boolean): Divergence {
  const disks = rig.disks();
  try {
    const [left, right] = disks;
    if (left === undefined || right === undefined) throw new Error("there are not two disks");
    return auditDisks(left, right, { mustBeEqual }).divergence;
  } finally {
    for (const disk of disks) disk.close();
  }
}

interface Evidence {
  readonly driven: Driven;
  readonly divergence: Divergence;
  readonly events: readonly RunEvent[];
  readonly orphans: readonly string[];
  readonly runDir: string;
  readonly count: number;
}

function rowsOf(evidence: Evidence): readonly Row[] {
  const { driven, divergence, events, orphans, runDir, count } = evidence;
  const { lines } = readHistory(join(runDir, RUN_FILES.history));
  const operations = operationsOf(lines);
  const writes = judgeWrites(operations);
  const durability = durabilityOf(writes, events);
  const { recovery } = checkRecovery(
    { lines, operations, events, writes },
    { convergedAt: driven.convergedAt, probePeriodUs: 2_000 },
  );
  const checks: readonly CheckResult[] = [
    judgeLinearizability(operations, { budgetMs: LINEARIZABILITY_BUDGET_MS }).check,
    durability.check,
    checkOneRunner(events).check,
    checkInvariants(events),
  ];
  const wrong = checks.filter(({ verdict }) => verdict !== "pass");
  const killed = recovery.filter(({ fault }) => fault === "kill-host");
  const returned = recovery.filter(({ fault }) => fault === "return-host");
  const ofRole = (role: Role): readonly Recovery[] =>
    killed.filter((_, index) => driven.kills[index]?.role === role);
  const perHost = REFERENCE.preferred === "a" ? ["a", "b"] : ["b", "a"];
  const deaths = perHost
    .map((host) => `${host} ${driven.kills.filter((kill) => kill.host === host).length}`)
    .join(", ");
  return [
    ...ROLES.flatMap((role) =>
      interruptionRows(`SIGKILL of the ${role}`, ofRole(role), BOUNDS[role]),
    ),
    figure("interruption by the return of a killed host, its resync included", spansOf(returned), {
      unit: "ms",
      note: resolutionOf(returned),
    }),
    figure(
      "from a SIGKILL to duplex again, the 1.2 s dead included",
      killed.flatMap(({ redundantMs }) => redundantMs ?? []),
      {
        unit: "ms",
      },
    ),
    fact(
      `${count} kills in a row, one cluster, each back to duplex`,
      `${driven.whole} of ${count} (${deaths})${driven.stoppedBy === null ? "" : `; stopped by ${driven.stoppedBy}`}; ${operations.length} operations, ${durability.judged} of ${durability.acknowledged} acknowledged writes judged`,
      {
        target: "all",
        isMet: driven.whole === count,
        by: `${count - driven.whole} kills`,
      },
    ),
    fact(
      "… what was lost, diverged or left",
      `${durability.lost.acknowledged} acknowledged writes lost, ${divergence.silentBlocks} blocks diverged silently, ${orphans.length} left over${wrong.map(({ name, verdict, why }) => `; ${name} ${verdict}: ${why}`).join("")}`,
      {
        target: "0, 0, 0; every check passes",
        isMet:
          durability.lost.acknowledged + divergence.silentBlocks + orphans.length === 0 &&
          wrong.length === 0,
      },
    ),
    memoryRow("… resident memory of a host before each kill", driven.residentMib, "sample"),
  ];
}
