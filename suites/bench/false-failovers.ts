/**
 * Nothing is broken, and nothing may be suspected, claimed or booted: minutes of real time beside two busy loops with nothing being spawned, and hours
 * of simulated time.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startLocal } from "../../harness/local/start-local.ts";
import type { RunEvent } from "../../harness/record/types.ts";
import type { Bench } from "./bench.ts";
import { memoryRow, pidOf, residentMib } from "./memory.ts";
import { REFERENCE, referenceLoad, untilRedundant } from "./pair.ts";
import { fact, type Row } from "./row.ts";

const BUSY_LOOPS = 2;
const SAMPLE_EVERY_US = 5_000_000;
const FINISH_WITHIN_US = 30_000_000;
/** Simulated time of one seed: short enough that the history of a run stays small. Unit: seconds. */
export const SIM_SPELL_S = 600;

/** `failover`: a claim, a right to be alone, a boot. `doubt`: a suspicion, a suspension or a lost session that came to nothing. Null: neither. */
export function alarmOf({ what, ...fields }: RunEvent): "failover" | "doubt" | null {
  switch (what) {
    case "suspect":
      return "doubt";
    case "claim":
      return "failover";
    case "session":
      return fields["state"] === "closed" ? "doubt" : null;
    case "page":
      return fields["right"] === "sole" ? "failover" : null;
    case "vm":
      if (fields["state"] === "suspended") return "doubt";
      return fields["state"] === "booting" ? "failover" : null;
    default:
      return null;
  }
}

export async function falseFailovers(bench: Bench): Promise<readonly Row[]> {
  const local = await inRealTime(bench);
  return [...local, await inSimulatedTime(bench)];
}

async function inRealTime(bench: Bench): Promise<readonly Row[]> {
  const spanUs = bench.count(30, 600) * 1_000_000;
  bench.say(`false failovers: ${spanUs / 1e6} s of local`);
  const runDir = mkdtempSync(join(tmpdir(), "faultline-calm-"));
  const rig = await startLocal(REFERENCE, { runDir, scenario: "bench/calm", env: process.env });
  const busy: ChildProcess[] = [];
  const resident: number[] = [];
  try {
    await untilRedundant(rig);
    const spec = referenceLoad("local", 3);
    const workload = await rig.startWorkload(spec);
    for (let loop = 0; loop < BUSY_LOOPS; loop += 1) {
      busy.push(spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }));
    }
    // What starting the processes delayed is over then.
    await rig.until(rig.now() + spec.warmUpMs * 1_000);
    await workload.phase("calm");
    const from = rig.now();
    while (rig.now() < from + spanUs) {
      for (const host of rig.topology.hosts) {
        const mib = residentMib(pidOf(host, rig.events()));
        if (mib !== null) resident.push(mib);
      }
      await rig.until(Math.min(rig.now() + SAMPLE_EVERY_US, from + spanUs));
    }
    const until = rig.now();
    const seen = rig.events().filter((event) => event.at >= from && event.at <= until);
    await workload.finish(rig.now() + FINISH_WITHIN_US);
    return [
      failoverRow(
        `false failovers in \`local\`, reference workload, ${BUSY_LOOPS} busy loops`,
        `${(until - from) / 1e6} s`,
        seen.flatMap(alarmLine),
      ),
      memoryRow("… resident memory of the hosts meanwhile", resident, "sample of 5 s"),
    ];
  } finally {
    for (const loop of busy) loop.kill("SIGKILL");
    await rig.teardown();
    rmSync(runDir, { recursive: true, force: true });
  }
}

async function inSimulatedTime(bench: Bench): Promise<Row> {
  const hours = bench.isFull ? 30 : 1 / 3;
  const spells = Math.ceil((hours * 3_600) / SIM_SPELL_S);
  bench.say(`false failovers: ${hours.toFixed(1)} h of sim`);
  const seen: string[] = [];
  let next = 1;
  const worker = async (): Promise<void> => {
    while (next <= spells) {
      const seed = next;
      next += 1;
      seen.push(...(await simulateSpell(seed)));
    }
  };
  await Promise.all(cpus().map(worker));
  const span = `${((spells * SIM_SPELL_S) / 3_600).toFixed(1)} simulated hours in ${spells} seeds`;
  return failoverRow("false failovers in `sim`, reference workload", span, seen);
}

/** In a process of its own: one a core. @returns what happened and must not have */
function simulateSpell(seed: number): Promise<readonly string[]> {
  const main = fileURLToPath(new URL("./calm-sim.js", import.meta.url));
  const child = spawn(process.execPath, [main, String(seed), String(SIM_SPELL_S)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => said.push(line));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => {
      if (status === 0) resolve(said);
      else reject(new Error(`the simulation of seed ${seed} ended with ${status}`));
    });
  });
}

/** A line for an alarm, its kind first; nothing for any other event. */
export function alarmLine(event: RunEvent): readonly string[] {
  const alarm = alarmOf(event);
  if (alarm === null) return [];
  const { at, source, what } = event;
  const more = JSON.stringify([event["state"], event["right"], event["why"]]);
  return [`${alarm}: ${(at / 1e6).toFixed(1)} s ${source} ${what} ${more}`];
}

function failoverRow(what: string, span: string, seen: readonly string[]): Row {
  const failovers = seen.filter((line) => line.startsWith("failover"));
  const doubts = seen.length - failovers.length;
  const first = seen[0] === undefined ? "" : `; the first ${seen[0]}`;
  const found = `${failovers.length} claims, boots and pages \`sole\` in ${span}; ${doubts} suspicions, suspensions and lost sessions that came to nothing${first}`;
  const isMet = failovers.length === 0;
  return fact(what, found, { target: "0", isMet, by: `${failovers.length}` });
}
