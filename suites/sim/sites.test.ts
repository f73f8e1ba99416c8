/**
 * Goal: two sites with a switch each serve their clients as one LAN does: over the trunk where their own link to the VM is gone, each byte
 * once; in a split brain each its own host. A second quorum service takes over from the first, and one that wants to be confirmed waits for it.
 * Method: simulated runs with load at both sites; what happened is read from the history and the events, and judged by the checkers.
 */
import t, { type Test } from "tap";
import { checkDurability } from "../../harness/check/durability.ts";
import { checkInvariants } from "../../harness/check/invariants.ts";
import { checkLinearizability } from "../../harness/check/linearizability.ts";
import { checkOneRunner } from "../../harness/check/one-runner.ts";
import { type Operation, operationsOf } from "../../harness/check/operations.ts";
import type { Micros } from "../../harness/record/types.ts";
import type { ClusterSpec, Workload, WorkloadSpec } from "../../harness/rig/rig.ts";
import type { SimRigMore } from "../../harness/sim/sim-rig.ts";
import { startSim } from "../../harness/sim/start-sim.ts";

const MS = 1_000;
const SPEC = {
  quorum: "one",
  switches: "two",
  confirmAfterRestart: false,
  preferred: "a",
  memoryPages: 64,
  volumeBlocks: 16_384,
  peerLoss: "preferred",
  bootDelayMs: 0,
  linkDelayMs: 0,
} as const satisfies Omit<ClusterSpec, "seed">;
const LOAD = { kind: "reference", clients: 4, thinkMs: 100, warmUpMs: 0, calmMs: 0 } as const;

interface Scene {
  readonly rig: SimRigMore;
  readonly workload: Workload;
}

/** A pair that is duplex with host a running the VM, and clients at both sites. */
async function scene(
  seed: number,
  spec: Partial<ClusterSpec> = {},
  load: Partial<WorkloadSpec> = {},
): Promise<Scene> {
  const rig = await startSim(
    { ...SPEC, ...spec, seed },
    { scenario: "sites", runDir: null, isEncoded: seed % 2 === 0 },
  );
  await until(rig, () => isServedBy(rig, "a"), "host a runs the VM");
  const workload = await rig.startWorkload({ ...LOAD, sites: ["a", "b"], seed, ...load });
  await pass(rig, 500);
  return { rig, workload };
}

async function until(rig: SimRigMore, holds: () => boolean, what: string): Promise<void> {
  if (await rig.waitFor(holds, rig.now() + 5_000 * MS)) return;
  throw new Error(`not within 5 s: ${what}; last events ${JSON.stringify(rig.events().slice(-5))}`);
}

const pass = (rig: SimRigMore, ms: number): Promise<void> => rig.until(rig.now() + ms * MS);

function isServedBy(rig: SimRigMore, host: string): boolean {
  const quorum = rig.topology.services.length > 0;
  return rig.hosts().some((view) => {
    const isReady = quorum ? view.derived !== "pre-elected" : true;
    return view.host === host && view.runs && isReady && view.derived !== "starting";
  });
}

/** Writes acknowledged at a site inside a window. */
function acksAt(rig: SimRigMore, site: string, from: Micros, to: Micros): number {
  const isAck = (it: Operation): boolean =>
    it.site === site && it.role === "probe" && it.end.kind === "ok" && it.invokedAt >= from;
  return operationsOf(rig.history).filter((it) => isAck(it) && it.invokedAt < to).length;
}

/** What a switch said since then of its way to the VM's host, in order. */
function waysOf(rig: SimRigMore, name: string, since: Micros): readonly unknown[] {
  return rig
    .events()
    .filter(({ at, source, what }) => at >= since && source === `switch ${name}` && what === "way")
    .map(({ via }) => via);
}

async function end({ rig, workload }: Scene): Promise<void> {
  await workload.finish(rig.now() + 5_000 * MS);
  await rig.quiesce();
}

/** No rule broken, nothing lost, nothing twice, nothing out of order. */
function isSound(t: Test, rig: SimRigMore, what: string): void {
  const events = rig.events();
  const operations = operationsOf(rig.history);
  const checks = [
    checkInvariants(events),
    checkLinearizability(rig.history).check,
    checkDurability(operations, events).check,
    checkOneRunner(events).check,
  ];
  t.same(
    checks.filter(({ verdict }) => verdict !== "pass"),
    [],
    what,
  );
}

const CUTS = [
  ["refuse", "both"],
  ["blackhole", "both"],
  ["blackhole", "forward"],
  ["blackhole", "backward"],
  ["jam", "both"],
  ["jam", "forward"],
  ["jam", "backward"],
] as const;

await t.test("a site whose link to the VM's host is cut is served over the trunk", async (t) => {
  for (const [index, [kind, direction]] of CUTS.entries()) {
    const what = `${kind}, ${direction}`;
    const it = await scene(index + 1);
    const { rig } = it;
    await it.workload.phase("fault");
    const at = await rig.cut(["a>s1/lan"], kind, direction);
    await pass(rig, 600);
    t.same(waysOf(rig, "s1", at), ["trunk"], what);
    await pass(rig, 1_000);
    const served = acksAt(rig, "s1", at + 500 * MS, rig.now() - 50 * MS);
    t.ok(served >= 95, `${what}: ${served} of 105 writes of the probe`);
    t.ok(
      acksAt(rig, "s2", at, rig.now() - 50 * MS) >= 150,
      `${what}: the other site is not touched`,
    );
    await rig.mend(["a>s1/lan"]);
    await pass(rig, 500);
    t.same(waysOf(rig, "s1", at), ["trunk", "lan"], `${what}: back on its own link`);
    await end(it);
    isSound(t, rig, what);
  }
});

await t.test("a cut trunk is no client's business while the own links stand", async (t) => {
  for (const [index, [kind, direction]] of CUTS.entries()) {
    const it = await scene(index + 20);
    const { rig } = it;
    const at = await rig.cut(["s1>s2/trunk"], kind, direction);
    await pass(rig, 1_000);
    await rig.mend(["s1>s2/trunk"]);
    await pass(rig, 500);
    for (const site of ["s1", "s2"]) {
      const served = acksAt(rig, site, at, at + 1_450 * MS);
      t.ok(served >= 140, `${kind}, ${direction}: ${served} of 145 at ${site}`);
      t.same(waysOf(rig, site, at), []);
    }
    await end(it);
    isSound(t, rig, `${kind}, ${direction}`);
  }
});

await t.test("ways that come and go, and a runner that dies behind the trunk", async (t) => {
  for (const seed of [31, 32, 33]) {
    const it = await scene(seed);
    const { rig } = it;
    await it.workload.phase("fault");
    const begin = rig.now();
    for (const [link, kind] of [
      ["a>s1/lan", "jam"],
      ["s1>s2/trunk", "jam"],
      ["a>s2/lan", "blackhole"],
    ] as const) {
      await rig.cut([link], kind, "both");
      await pass(rig, 450);
    }
    await rig.mend(["s1>s2/trunk", "a>s1/lan"]);
    await pass(rig, 700);
    t.equal(waysOf(rig, "s2", begin).at(-1), "trunk", "site b reaches host a by site a");
    const at = await rig.kill("a");
    await until(rig, () => isServedBy(rig, "b"), "host b took over");
    await pass(rig, 500);
    for (const site of ["s1", "s2"])
      t.ok(acksAt(rig, site, at, rig.now()) >= 30, `${site} is served`);
    await end(it);
    isSound(t, rig, `seed ${seed}`);
  }
});

await t.test("a switch that comes back serves its site again", async (t) => {
  const it = await scene(41);
  const { rig } = it;
  await rig.kill("s1");
  await pass(rig, 300);
  const from = rig.now();
  t.equal(acksAt(rig, "s1", from - 250 * MS, from), 0, "its clients are cut off");
  await rig.start("s1");
  await pass(rig, 1_000);
  const served = acksAt(rig, "s1", from + 300 * MS, rig.now() - 50 * MS);
  t.ok(served >= 60, `${served} of 65 writes of the probe`);
  t.ok(acksAt(rig, "s2", from, rig.now() - 50 * MS) >= 90, "the other site's are not touched");
  await end(it);
  isSound(t, rig, "after a restart of s1");
});

/** Everything that joins the sites. */
const isWan = ({ dialler, listener }: { dialler: string; listener: string }): boolean =>
  ["a", "s1"].includes(dialler) !== ["a", "s1"].includes(listener);

await t.test(
  "in a split brain each site writes to its own host, and what both took can be counted",
  async (t) => {
    for (const kind of ["refuse", "blackhole"] as const) {
      const split = { quorum: "none", peerLoss: "continue" } as const;
      const it = await scene(kind === "refuse" ? 51 : 52, split, { keys: "disjoint" });
      const { rig } = it;
      await it.workload.phase("fault");
      const wan = rig.topology.links.filter(isWan).map(({ id }) => id);
      t.equal(wan.length, 6, "A-links, mgmt, both crossing lan links, trunk");
      await rig.cut(wan, kind, "both");
      await pass(rig, 1_200);
      const from = rig.now();
      await pass(rig, 1_000);
      const to = rig.now();
      for (const site of ["s1", "s2"]) {
        const taken = acksAt(rig, site, from, to - 50 * MS);
        t.ok(taken >= 85, `${kind}: ${taken} of 95 writes at ${site}`);
      }
      await rig.mend(wan);
      await pass(rig, 1_000);
      for (const [site, host] of [
        ["s1", "a"],
        ["s2", "b"],
      ] as const) {
        const last = rig
          .events()
          .filter(({ source, what, state }) => {
            return source === `switch ${site}` && what === "announce" && state === "accepted";
          })
          .at(-1);
        t.equal(last?.["host"], host, `${kind}: ${site} keeps its own host when all is mended`);
      }
      await end(it);
      const { lost, judged } = checkDurability(operationsOf(rig.history), rig.events());
      t.ok(judged > 200, "each side is read back where it was written");
      t.equal(lost.acknowledged, 0);
    }
  },
);

const arbiterOf = (rig: SimRigMore, host: string): string | undefined =>
  rig.peek(host)?.page.arbiter?.service;

await t.test("the second quorum service arbitrates when the first is gone", async (t) => {
  for (const seed of [61, 62]) {
    const it = await scene(seed, { quorum: "two" });
    const { rig } = it;
    t.same([arbiterOf(rig, "a"), arbiterOf(rig, "b")], ["q1", "q1"], "the preferred one");
    await rig.kill("q1");
    const isArmed = (): boolean =>
      ["a", "b"].every((host) => arbiterOf(rig, host) === "q2" && rig.peek(host)?.right === "open");
    await until(rig, isArmed, "armed with q2");
    await it.workload.phase("fault");
    await rig.kill("a");
    await until(rig, () => isServedBy(rig, "b"), "host b took over");
    const grants = rig.events().filter(({ what }) => what === "granted");
    t.same(
      grants.map(({ source, holder }) => [source, holder]),
      [["quorum q2", "b"]],
    );
    await pass(rig, 500);
    await end(it);
    isSound(t, rig, `seed ${seed}`);
  }
});

await t.test("a service that wants to be confirmed is, while both hosts live", async (t) => {
  const it = await scene(71, { confirmAfterRestart: true });
  const { rig } = it;
  await rig.kill("q1");
  await pass(rig, 100);
  await rig.start("q1");
  await pass(rig, 500);
  await it.workload.phase("fault");
  await rig.kill("a");
  await until(rig, () => isServedBy(rig, "b"), "host b took over");
  await pass(rig, 500);
  await end(it);
  isSound(t, rig, "confirmed by both");
});

await t.test("and grants nothing while one of them is dead, until it returns", async (t) => {
  const it = await scene(72, { confirmAfterRestart: true });
  const { rig } = it;
  await it.workload.phase("fault");
  await rig.kill("q1", "a");
  await pass(rig, 100);
  await rig.start("q1");
  await pass(rig, 3_000);
  t.notOk(isServedBy(rig, "b"), "the price: nothing runs");
  const refused = rig
    .events()
    .filter(({ source, what }) => source === "quorum q1" && what === "behind");
  t.ok(refused.length > 0, "its claims are answered");
  await rig.start("a");
  await until(rig, () => isServedBy(rig, "a") || isServedBy(rig, "b"), "somebody serves");
  await pass(rig, 500);
  await end(it);
  isSound(t, rig, "both are back");
});
