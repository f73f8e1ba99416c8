/**
 * Goal: two sites of real processes serve their clients as one LAN does: over the trunk where a site's own link to the VM's host is gone, and
 * after a takeover.
 * Method: one run with load at both sites, through the real proxy; history and events are judged by the checkers.
 */
import t from "tap";
import { checkDurability } from "../../harness/check/durability.ts";
import { checkLinearizability } from "../../harness/check/linearizability.ts";
import { checkOneRunner } from "../../harness/check/one-runner.ts";
import { operationsOf } from "../../harness/check/operations.ts";
import { startLocal } from "../../harness/local/start-local.ts";
import { readHistory } from "../../harness/record/reader.ts";
import type { Micros } from "../../harness/record/types.ts";
import type { Rig } from "../../harness/rig/rig.ts";

const MS = 1_000;
const { NODE_OPTIONS: _hooks, ...env } = process.env;

async function until(rig: Rig, holds: () => boolean, what: string): Promise<void> {
  if (await rig.waitFor(holds, rig.now() + 10_000 * MS)) return;
  throw new Error(
    `not within 10 s: ${what}; last events ${JSON.stringify(rig.events().slice(-5))}`,
  );
}

const runs = (rig: Rig, host: string): boolean =>
  rig.hosts().some((view) => view.host === host && view.runs);

function hasTurned(rig: Rig, name: string, via: string, since: Micros): boolean {
  return rig
    .events()
    .some(
      (it) =>
        it.at >= since && it.source === `switch ${name}` && it.what === "way" && it["via"] === via,
    );
}

await t.test(
  "a cut link of the runner, a cut trunk and a takeover, with clients at both sites",
  async (t) => {
    const runDir = t.testdir();
    const spec = {
      seed: 1,
      quorum: "two",
      switches: "two",
      confirmAfterRestart: true,
      preferred: "a",
      memoryPages: 64,
      volumeBlocks: 16_384,
      peerLoss: "preferred",
      bootDelayMs: 0,
      linkDelayMs: 0,
    } as const;
    const rig = await startLocal(spec, { runDir, scenario: "sites", env });
    t.teardown(() => rig.teardown());
    const isDuplex = (): boolean => rig.hosts().every(({ derived }) => derived === "duplex");
    await until(rig, () => isDuplex() && runs(rig, "a"), "duplex, host a runs the VM");
    const load = {
      kind: "reference",
      clients: 4,
      thinkMs: 5,
      warmUpMs: 0,
      calmMs: 0,
      seed: 1,
    } as const;
    const workload = await rig.startWorkload({ ...load, sites: ["a", "b"] });
    await workload.phase("fault");
    const cutAt = await rig.cut(["a>s1/lan"], "blackhole", "both");
    await until(rig, () => hasTurned(rig, "s1", "trunk", cutAt), "site a is served over the trunk");
    await rig.until(rig.now() + 500 * MS);
    const mendedAt = rig.now();
    await rig.mend(["a>s1/lan"]);
    await until(rig, () => hasTurned(rig, "s1", "lan", mendedAt), "site a is back on its own link");
    const trunkAt = await rig.cut(["s1>s2/trunk"], "jam", "both");
    await rig.until(rig.now() + 500 * MS);
    const killedAt = await rig.kill("a");
    await until(rig, () => runs(rig, "b"), "host b took over");
    await rig.until(rig.now() + 500 * MS);
    await rig.mend(["s1>s2/trunk"]);
    await workload.finish(rig.now() + 10_000 * MS);
    await rig.quiesce();
    t.same(await rig.teardown(), [], "nothing is left");
    const { lines } = readHistory(`${runDir}/history.ndjson`);
    const operations = operationsOf(lines);
    const acks = (site: string, from: Micros, to: Micros): number =>
      operations.filter(
        ({ site: own, end }) => own === site && end.kind === "ok" && end.at >= from && end.at < to,
      ).length;
    for (const [what, from, to] of [
      ["over the trunk", cutAt, mendedAt],
      ["beside a jammed trunk", trunkAt, killedAt],
      ["after the takeover", killedAt, rig.now()],
    ] as const) {
      for (const site of ["s1", "s2"]) t.ok(acks(site, from, to) > 20, `${site} is served ${what}`);
    }
    for (const { name, verdict, why } of [
      checkLinearizability(lines).check,
      checkDurability(operations, rig.events()).check,
      checkOneRunner(rig.events()).check,
    ]) {
      t.equal(verdict, "pass", `${name}: ${why}`);
    }
  },
);
