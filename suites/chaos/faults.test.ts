/**
 * Goal: every fault breaks what it names, proves that it bit, says so when it did not, and is undone as often as one likes, also when only half of
 * it was injected.
 * Method: each fault on a bed in memory that does exactly what it is told to do wrong; then the same faults in simulated runs.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import type { ActiveFault, FaultContext, FaultKind } from "../../chaos/faults/fault.ts";
import { resolveLinks } from "../../chaos/faults/link-target.ts";
import { describeFaults, type FaultSpec, inject } from "../../chaos/faults/registry.ts";
import { HarnessError } from "../../harness/errors.ts";
import type { Rig } from "../../harness/rig/rig.ts";
import { startSim } from "../../harness/sim/start-sim.ts";
import type { Wrongs } from "./fake-parts.ts";
import { createFakeRig, type FakeRig } from "./fake-rig.ts";

const root = mkdtempSync(join(tmpdir(), "faultline-faults-"));
t.teardown(() => rmSync(root, { recursive: true, force: true }));

const NONE: FaultContext = { images: [] };

interface Case {
  readonly spec: FaultSpec;
  /** What the rig was told at the injection. */
  readonly injected: readonly string[];
  /** What it was told at the heal; a second heal tells it at most the same. */
  readonly healed: readonly string[];
  readonly target: string;
  /** With this the fault does not bite. */
  readonly toothless: Wrongs;
  readonly why: RegExp;
}

const A_LINKS = ["a>b/alink0", "a>b/alink1", "b>a/mgmt", "a>q1/quorum"].join(" ");
const ALL_OF_A = `${A_LINKS} a>s1/lan`;
const both = { way: "both" } as const;
const DEAD = { killMisses: true };

const CASES: { readonly [Kind in FaultKind]: Case } = {
  "kill-host": {
    spec: { fault: "kill-host", on: "active" },
    injected: ["kill a"],
    healed: [],
    target: "a",
    toothless: DEAD,
    why: /a is alive after its kill/,
  },
  "restart-host": {
    spec: { fault: "restart-host", on: "standby" },
    injected: ["kill b"],
    healed: ["start b"],
    target: "b",
    toothless: DEAD,
    why: /b is alive after its kill/,
  },
  "pause-host": {
    spec: { fault: "pause-host", on: "active" },
    injected: ["pause a"],
    healed: ["resume a"],
    target: "a",
    toothless: { pauseMisses: true },
    why: /a was not seen to stand still/,
  },
  "cut-power": {
    spec: { fault: "cut-power", first: "standby", forMs: 100, secondAfterMs: 50 },
    injected: ["kill a b"],
    healed: ["start b", "start a"],
    target: "a and b, b first",
    toothless: DEAD,
    why: /a is alive after its kill, b is alive after its kill/,
  },
  "kill-quorum": {
    spec: { fault: "kill-quorum", on: "quorum" },
    injected: ["kill q1"],
    healed: ["start q1"],
    target: "q1",
    toothless: DEAD,
    why: /q1 is alive after its kill/,
  },
  "isolate-host": {
    spec: { fault: "isolate-host", on: "active", cut: "jam" },
    injected: [`cut ${A_LINKS} jam both`],
    healed: [`mend ${A_LINKS}`],
    target: "a",
    toothless: { leaksOn: "b>a/mgmt" },
    why: /4 links cut, but nothing was stopped on b>a\/mgmt/,
  },
  "refuse-link": {
    spec: { fault: "refuse-link", on: "a", channels: ["alink"] },
    injected: ["cut a>b/alink0 a>b/alink1 refuse both"],
    healed: ["mend a>b/alink0 a>b/alink1"],
    target: "a (alink)",
    toothless: { leaksOn: "a>b/alink1" },
    why: /nothing was stopped on a>b\/alink1/,
  },
  "blackhole-link": {
    spec: { fault: "blackhole-link", on: "active", ...both },
    injected: [`cut ${ALL_OF_A} blackhole both`],
    healed: [`mend ${ALL_OF_A}`],
    target: "a",
    toothless: { leaksOn: "a>s1/lan" },
    why: /5 links cut, but nothing was stopped on a>s1\/lan/,
  },
  "jam-link": {
    spec: { fault: "jam-link", on: "a>b/alink0", way: "in" },
    injected: ["cut a>b/alink0 jam backward"],
    healed: ["mend a>b/alink0"],
    target: "a>b/alink0",
    toothless: { leaksOn: "a>b/alink0" },
    why: /nothing was stopped on a>b\/alink0/,
  },
  "delay-link": {
    spec: {
      fault: "delay-link",
      on: "all",
      channels: ["mgmt"],
      latencyMs: 20,
      jitterMs: 5,
      ...both,
    },
    injected: ["delay b>a/mgmt both"],
    healed: ["undelay b>a/mgmt"],
    target: "all (mgmt)",
    toothless: { leaksOn: "b>a/mgmt" },
    why: /1 links slowed, but nothing took longer on b>a\/mgmt/,
  },
  "blank-disk": {
    spec: { fault: "blank-disk", on: "standby" },
    injected: ["kill b", "replace b blank"],
    healed: ["start b"],
    target: "b",
    toothless: { sameDisk: true },
    why: /b ended by SIGKILL, 0 blocks of its disk hold something else/,
  },
  "break-disk": {
    spec: { fault: "break-disk", on: "standby", how: "full", slowMs: 1 },
    injected: ['break b {"kind":"error","on":["write"],"code":"ENOSPC"}'],
    healed: ['break b {"kind":"none"}', "kill b", "start b"],
    target: "b",
    toothless: { diskIdle: true },
    why: /0 calls of the disk failed/,
  },
  "old-disk": {
    spec: { fault: "old-disk", on: "active", image: "calm" },
    injected: ["kill a", "replace a 5"],
    healed: ["start a"],
    target: "a",
    toothless: { sameDisk: true },
    why: /0 blocks of its disk hold something else/,
  },
};

const IMAGES: FaultContext = {
  images: [
    { host: "a", at: 5 },
    { host: "b", at: 6 },
  ],
};

function fakeRig(wrongs: Wrongs = {}): FakeRig {
  return createFakeRig("a", root, wrongs);
}

/** Lets the bed run for a while, so that a fault has its effect. */
async function strike(spec: FaultSpec, rig: Rig, context = IMAGES): Promise<ActiveFault> {
  const fault = await inject(spec, rig, context);
  await rig.until(rig.now() + 20_000);
  return fault;
}

await t.test("every fault is looked at here", (t) => {
  t.same(
    describeFaults().map(({ fault }) => fault),
    Object.keys(CASES).sort((left, right) => (left < right ? -1 : 1)),
  );
  t.end();
});

for (const [kind, { spec, injected, healed, target, toothless, why }] of Object.entries(CASES)) {
  await t.test(`${kind} breaks what it names, proves it, and is undone`, async (t) => {
    const rig = fakeRig();
    const before = rig.now();
    const fault = await strike(spec, rig);
    t.same(rig.calls, injected);
    t.equal(fault.target, target);
    t.equal(fault.at, before, "the fault instant is before the first call");
    t.match(fault.proof(), { hasBitten: true, why: /./ });
    await fault.heal();
    await fault.heal();
    t.same(new Set(rig.calls.slice(injected.length)), new Set(healed), "healing twice is harmless");
    t.same([rig.cutLinks.size, rig.slowLinks.size, rig.isPaused(target)], [0, 0, false]);
  });

  await t.test(`${kind} says so when it did not bite`, async (t) => {
    const fault = await strike(spec, fakeRig(toothless));
    t.match(fault.proof(), { hasBitten: false, why });
    await fault.heal();
  });
}

await t.test("a process that is dead already is not killed again", async (t) => {
  const rig = fakeRig();
  await strike({ fault: "restart-host", on: "b" }, rig);
  const second = await strike({ fault: "kill-host", on: "b" }, rig);
  t.match(second.proof(), { hasBitten: false, why: /b was dead before its kill/ });
  await rig.start("b");
  const third = await strike({ fault: "kill-host", on: "b" }, rig);
  t.match(third.proof(), { hasBitten: true }, "its next life ends anew");
});

await t.test("a host that hangs may be killed meanwhile, and that is no miss", async (t) => {
  const rig = fakeRig();
  const hang = await strike({ fault: "pause-host", on: "a" }, rig);
  await rig.kill("a");
  t.match(hang.proof(), { hasBitten: true, why: /until it was killed/ });
  const other = await strike({ fault: "pause-host", on: "b" }, rig);
  await rig.resume("b");
  t.match(other.proof(), { hasBitten: false, why: /ran again before/ });
});

await t.test("a cut that fails half-way leaves no link cut", async (t) => {
  const rig = fakeRig();
  const cut = rig.cut.bind(rig);
  rig.cut = async (links, kind, direction) => {
    await cut(links.slice(0, 2), kind, direction);
    throw new HarnessError("PROXY_FAILED", "half", { hint: "None." });
  };
  const delay = rig.delay.bind(rig);
  rig.delay = async (links, by, direction) => {
    if (rig.slowLinks.size === 1) throw new HarnessError("PROXY_FAILED", "half", { hint: "None." });
    return delay(links, by, direction);
  };
  await t.rejects(inject(CASES["isolate-host"].spec, rig, NONE), { message: "half" });
  await t.rejects(inject({ fault: "jam-link", on: "b", way: "out" }, rig, NONE), {
    message: "half",
  });
  const slow = { fault: "delay-link", on: "a", latencyMs: 5, jitterMs: 0, ...both } as const;
  await t.rejects(inject(slow, rig, NONE), { message: "half" });
  t.same([rig.cutLinks.size, rig.slowLinks.size], [0, 0]);
});

await t.test("a disk that cannot be exchanged leaves its host alive", async (t) => {
  const rig = fakeRig({ diskStuck: true });
  await t.rejects(inject({ fault: "blank-disk", on: "b" }, rig, NONE), { code: "BAD_DISK" });
  t.equal(rig.alive("b"), true);
  t.same(rig.calls.at(-1), "start b");
});

await t.test("an old disk without an image is refused before anything is killed", async (t) => {
  const rig = fakeRig();
  await t.rejects(inject(CASES["old-disk"].spec, rig, NONE), { code: "BAD_SCENARIO" });
  t.same(rig.calls, []);
});

await t.test("healing one of two cuts of a link leaves the other", async (t) => {
  const rig = fakeRig();
  const first = await inject({ fault: "jam-link", on: "a>b/alink0", ...both }, rig, NONE);
  const second = await inject({ fault: "isolate-host", on: "a", cut: "blackhole" }, rig, NONE);
  t.equal(rig.cutLinks.get("a>b/alink0"), "blackhole both", "the newer one counts");
  await second.heal();
  t.same([...rig.cutLinks], [["a>b/alink0", "jam both"]], "then the older one again");
  await second.heal();
  t.same([...rig.cutLinks], [["a>b/alink0", "jam both"]]);
  await first.heal();
  t.same([...rig.cutLinks], []);
  const third = await inject({ fault: "jam-link", on: "a>b/alink0", ...both }, rig, NONE);
  const fourth = await inject({ fault: "refuse-link", on: "a>b/alink0" }, rig, NONE);
  await third.heal();
  t.same([...rig.cutLinks], [["a>b/alink0", "refuse both"]], "in either order");
  await fourth.heal();
  t.same([...rig.cutLinks], []);
});

await t.test("out is what the target sends, whoever dialled", async (t) => {
  const rig = fakeRig();
  const spec = { fault: "blackhole-link", on: "b", channels: ["alink", "mgmt"] } as const;
  const out = await inject({ ...spec, way: "out" }, rig, NONE);
  const backward = "blackhole backward";
  t.same(Object.fromEntries(rig.cutLinks), {
    "a>b/alink0": backward,
    "a>b/alink1": backward,
    "b>a/mgmt": "blackhole forward",
  });
  await out.heal();
  await inject({ ...spec, way: "in" }, rig, NONE);
  t.equal(rig.cutLinks.get("b>a/mgmt"), backward);
});

await t.test("what does not exist, or is of another kind, is refused", async (t) => {
  const rig = fakeRig();
  const specs: readonly FaultSpec[] = [
    { fault: "kill-host", on: "c" },
    { fault: "kill-host", on: "q1" },
    { fault: "kill-quorum", on: "a" },
    { fault: "pause-host", on: "s1" },
    { fault: "refuse-link", on: "a", channels: ["wan"] },
    { fault: "jam-link", on: "a>c/alink0", ...both },
  ];
  for (const spec of specs) {
    await t.rejects(inject(spec, rig, NONE), { code: "BAD_SCENARIO" }, JSON.stringify(spec));
  }
  t.same(rig.calls, []);
});

/** A simulated pair, redundant and under load. */
async function simRig(seed: number, switches: "one" | "two" = "one"): Promise<Rig> {
  const rig = await startSim(
    {
      seed,
      quorum: "one",
      switches,
      confirmAfterRestart: false,
      preferred: "a",
      memoryPages: 64,
      volumeBlocks: 16_384,
      peerLoss: "preferred",
      bootDelayMs: 0,
      linkDelayMs: 0,
    },
    { scenario: "faults", runDir: null },
  );
  const load = { kind: "reference", clients: 4, thinkMs: 100, warmUpMs: 0, calmMs: 0 } as const;
  await rig.startWorkload({ ...load, seed });
  await rig.until(rig.now() + 200_000);
  return rig;
}

await t.test(
  "in simulated time every fault bites, and the pair lives on when healed",
  async (t) => {
    for (const [kind, { spec }] of Object.entries(CASES)) {
      const rig = await simRig(3);
      const images = await Promise.all(rig.topology.hosts.map((host) => rig.saveDisk(host)));
      await rig.until(rig.now() + 100_000);
      const fault = await inject(spec, rig, { images });
      await rig.until(rig.now() + 400_000);
      t.match(fault.proof(), { hasBitten: true }, kind);
      await fault.heal();
      const isServed = (): boolean => rig.hosts().some(({ alive, runs }) => alive && runs);
      t.ok(await rig.waitFor(isServed, rig.now() + 5_000_000), `${kind}: served`);
      const broken = rig.events().filter(({ source }) => source === "invariant");
      t.same(broken, [], `${kind} breaks no rule`);
    }
  },
);

await t.test("in simulated time a fault of nothing is seen to be none", async (t) => {
  const rig = await simRig(4);
  const images = await Promise.all(rig.topology.hosts.map((host) => rig.saveDisk(host)));
  const dead = await inject({ fault: "restart-host", on: "b" }, rig, NONE);
  const again = await inject({ fault: "kill-host", on: "b" }, rig, NONE);
  t.match([dead.proof(), again.proof()], [{ hasBitten: true }, { hasBitten: false }]);
  const lan = await inject({ fault: "jam-link", on: "b>s1/lan", ...both }, rig, NONE);
  await rig.until(rig.now() + 100_000);
  t.match(lan.proof(), { hasBitten: false, why: /nothing was stopped/ }, "nobody uses that link");
  await rig.kill("a");
  const [image = null] = images;
  await rig.replaceDisk("a", image);
  t.equal(await rig.replaceDisk("a", image), 0, "the same disk once more");
});

await t.test("between two sites lies what has an end at each of them", async (t) => {
  const rig = await simRig(5, "two");
  const { links } = resolveLinks({ on: "between-sites", way: "both" }, rig);
  t.same(
    links.map(({ id }) => id).sort((left, right) => (left < right ? -1 : 1)),
    ["a>b/alink0", "a>b/alink1", "a>s2/lan", "b>a/mgmt", "b>s1/lan", "s1>s2/trunk"],
  );
  const few = resolveLinks({ on: "between-sites", way: "both", channels: ["trunk"] }, rig);
  t.equal(few.links.length, 1);
  t.throws(() => resolveLinks({ on: "between-sites", way: "both" }, fakeRig()), {
    code: "BAD_SCENARIO",
  });
});
