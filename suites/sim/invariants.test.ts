/**
 * Goal: every rule that a simulated run asserts is able to fail, and holds in the lawful neighbour of each bad state. Method: forged states
 * for each rule, and cores with one planted mistake in whole runs.
 */
import { crc32 } from "node:zlib";
import t from "tap";
import { type MakeCore, makeCore } from "../../harness/sim/core.ts";
import {
  bootHoldsAcknowledged,
  newestBootRuns,
} from "../../harness/sim/invariants/acknowledged.ts";
import {
  dirtyBeforeAck,
  epochGiven,
  epochOrder,
  intentFirst,
  noSilentDivergence,
  peerCurrent,
} from "../../harness/sim/invariants/copies.ts";
import { type BlockKey, type DiskImage, keyOf } from "../../harness/sim/invariants/disk-image.ts";
import { intakeHasRight, promiseCoversLease } from "../../harness/sim/invariants/intake.ts";
import { createLedger, type Ledger } from "../../harness/sim/invariants/ledger.ts";
import type { HostLook, PairLook } from "../../harness/sim/invariants/look.ts";
import { oneGrant, oneRight, oneRunner } from "../../harness/sim/invariants/rights.ts";
import { RULES } from "../../harness/sim/invariants/rule-watch.ts";
import { sessionTruth } from "../../harness/sim/invariants/session-truth.ts";
import { startSim } from "../../harness/sim/start-sim.ts";
import type { HostEffect } from "../../node/core/host/contract.ts";
import type { HostPeek } from "../../node/core/host/host.ts";
import type { Generation } from "../../node/core/identity.ts";
import type { GuestWrite, MachineResult } from "../../node/core/machine/entry.ts";
import { blankPage, type CopyState, type Page, type Right } from "../../node/core/pair/page.ts";
import type { QuorumRecord } from "../../node/core/quorum/messages.ts";
import { BLOCK_SIZE } from "../../node/core/units.ts";

const GEN: Generation = { n: 3, id: "3".repeat(32), kind: "joint", by: "a" };
const NEXT: Generation = { n: 4, id: "4".repeat(32), kind: "alone", by: "b" };
const BOOT = { id: "b".repeat(32), n: 1 };
const X = keyOf(0, 7);
const Y = keyOf(0, 8);

interface Forged {
  readonly right?: Right;
  readonly copy?: CopyState;
  readonly gen?: Generation;
  readonly peek?: Partial<HostPeek> | null;
  readonly sums?: Readonly<Record<BlockKey, number>>;
  readonly intents?: readonly BlockKey[];
  readonly dirty?: readonly BlockKey[];
}

function pageOf({ right = "open", copy = "in-sync", gen = GEN }: Forged): Page {
  const arbiter = { service: "q1", instance: "1".repeat(32), counter: 1 };
  const blank = blankPage({ cluster: "c", vm: "vm1", volumes: [{ id: 0, blocks: 64 }] });
  return { ...blank, right, copy, gen, arbiter };
}

function look(name: string, forged: Forged = {}): HostLook {
  const page = pageOf(forged);
  const image: DiskImage = {
    page: () => page,
    hasIntent: (key) => forged.intents?.includes(key) ?? false,
    hasDirty: (key) => forged.dirty?.includes(key) ?? false,
    sum: (key) => forged.sums?.[key] ?? null,
    blocksIn: () => [],
    land: () => ({ isPage: false, isCleared: false, blocks: [] }),
  };
  const peek: HostPeek = {
    page,
    pageNext: page,
    right: page.right,
    copy: page.copy,
    running: false,
    vmBoot: null,
    leaseUntil: null,
    promiseUntil: 0,
    session: null,
    durable: 0,
    completed: 0,
    intents: new Map(),
    derived: "duplex",
    barred: null,
    commitsUnderWay: 0,
    mayIntake: () => false,
    ...forged.peek,
  };
  const clock = { read: (at: number) => at / 1_000, when: (instant: number) => instant * 1_000 };
  return { name, clock, image, isForeign: false, peek: forged.peek === null ? null : peek };
}

function pair(
  low: Forged,
  high: Forged,
  more: { now?: number; record?: QuorumRecord } = {},
): PairLook {
  const { now = 1_000_000, record } = more;
  return { now, hosts: [look("a", low), look("b", high)], record: () => record ?? null };
}

const RUNS = { running: true, vmBoot: BOOT, mayIntake: () => true };

await t.test("one-runner", (t) => {
  t.match(oneRunner(pair({ peek: RUNS }, { peek: RUNS })), /a \(open\) and b \(open\) both/);
  t.equal(oneRunner(pair({ peek: RUNS }, { peek: { ...RUNS, mayIntake: () => false } })), null);
  t.equal(oneRunner(pair({ peek: RUNS }, { peek: null })), null);
  t.end();
});

await t.test("one-right", (t) => {
  for (const [low, high] of [
    ["sole", "sole"],
    ["elected", "elected"],
    ["sole", "elected"],
    ["open", "elected"],
    ["ceded", "ceded"],
  ] as const) {
    t.equal(oneRight(pair({ right: low }, { right: high })), `the pages say ${low} and ${high}`);
  }
  t.equal(oneRight(pair({ right: "sole" }, { right: "open" })), null);
  t.equal(oneRight(pair({ right: "elected" }, { right: "ceded" })), null);
  t.end();
});

await t.test("one-grant", (t) => {
  const blank = { cluster: "c", vm: "vm1", counter: 1, instance: "1".repeat(32) };
  const ungranted: QuorumRecord = { ...blank, gen: GEN, holder: null, from: null };
  const toArmed: QuorumRecord = { ...blank, gen: NEXT, holder: "a", from: GEN };
  const toSole: QuorumRecord = { ...blank, gen: NEXT, holder: "b", from: GEN };
  const judged = (record: QuorumRecord): string | null =>
    oneGrant(pair({ right: "open" }, { right: "sole", gen: NEXT }, { record }));
  t.match(judged(ungranted), /would still grant the generation of a/);
  t.match(judged(toArmed), /has granted the same generation to a/);
  t.equal(judged(toSole), null);
  t.end();
});

const RUN_INPUT: HostEffect = { kind: "machine-run", vmBoot: BOOT, entries: [] };

await t.test("intake-has-right", (t) => {
  const judged = (forged: Forged): string | null =>
    intakeHasRight(pair(forged, {}), "a", RUN_INPUT);
  t.match(judged({ peek: { leaseUntil: 999.9 } }), /without a lease/);
  t.match(judged({ right: "ceded" }), /without a lease/);
  t.match(judged({ right: "sole", copy: "behind" }), /over a copy that is behind/);
  t.match(judged({ right: "none" }), /with no right/);
  t.equal(judged({ peek: { leaseUntil: 1_000.1 } }), null);
  t.equal(judged({ right: "sole", copy: "ahead" }), null);
  t.end();
});

await t.test("promise-covers-lease", (t) => {
  const judged = (leaseUntil: number, promiseUntil: number): string | null =>
    promiseCoversLease(pair({ peek: { leaseUntil } }, { peek: { promiseUntil } }));
  t.match(judged(1_100, 1_099), /the lease of a outlives the promise of b by 1\.000 ms/);
  t.equal(judged(1_100, 1_100), null);
  t.equal(judged(999, 0), null, "a lease that has ended needs no promise");
  t.end();
});

await t.test("session-truth", (t) => {
  const doubts = new Map();
  const session = { id: "s", peerRight: "elected" as const, peerGen: GEN.id };
  const back = { ...session, peerRight: "open" as const };
  const at = (now: number, right: Right): string | null =>
    sessionTruth(
      pair({ peek: { session } }, { right, peek: { session: back } }, { now }),
      doubts,
      100,
    );
  t.equal(at(0, "open"), null, "a message may be under way");
  t.equal(at(100, "open"), null);
  t.match(at(101, "open"), /a believes .* that its peer is elected; its page says open/);
  t.equal(at(102, "elected"), null);
  t.equal(at(300, "open"), null, "the doubt begins anew");
  t.end();
});

const data = (value: number): Uint8Array => new Uint8Array(BLOCK_SIZE).fill(value);
const sumOf = (value: number): number => crc32(data(value));

function write(number: number, epoch: number, key: BlockKey, value: number): GuestWrite {
  const bytes = data(value);
  return { number, epoch, cause: 1, volume: 0, lba: key, data: bytes, sum: crc32(bytes) };
}

/** X is written in epoch 1 and, after Y in epoch 2, again in epoch 3; the output after epoch 2 shows the first two. */
const NOTHING_DONE: MachineResult = {
  exec: 1,
  writes: [],
  flushes: 0,
  outputs: [],
  receives: [],
  timerAt: null,
  trap: null,
};

function ledger(): Ledger {
  const book = createLedger();
  const result: MachineResult = {
    ...NOTHING_DONE,
    writes: [write(1, 1, X, 1), write(2, 2, Y, 2), write(3, 3, X, 3)],
    flushes: 3,
    outputs: [
      { session: 1, position: 1, what: "data", bytes: data(0).slice(0, 4), cause: 1, barrier: 2 },
    ],
  };
  book.begin(BOOT);
  book.execute(BOOT, result);
  return book;
}

const OUTPUT = {
  session: 2,
  position: 0,
  what: "accept",
  bytes: new Uint8Array(0),
  cause: 1,
  barrier: 0,
} as const;
const EMPTY: MachineResult = {
  exec: 1,
  writes: [],
  flushes: 0,
  outputs: [],
  receives: [],
  timerAt: null,
  trap: null,
};

await t.test("no-lost-ack", (t) => {
  const book = ledger();
  const boots = (x: number, y: number): string | null =>
    bootHoldsAcknowledged("b", book, [
      { volume: 0, lba: X, data: data(x) },
      { volume: 0, lba: Y, data: data(y) },
    ]);
  t.equal(boots(9, 9), null, "nothing was released yet");
  t.equal(book.release(BOOT, { session: 1, position: 1 }), 2);
  t.match(boots(1, 0), /b boots with version 0 of block 0\/8, version 1 was acknowledged/);
  t.match(boots(1, 9), /version -1 of block 0\/8/, "no guest wrote that");
  t.equal(boots(9, 2), null, "torn by a newer write that nobody was shown");
  t.equal(boots(1, 2), null);
  t.equal(boots(3, 2), null, "a later version holds the earlier one");
  const newer = { id: "c".repeat(32), n: 2 };
  book.begin(newer);
  t.equal(newestBootRuns(pair({ peek: RUNS }, {}), book), null);
  book.execute(newer, { ...EMPTY, outputs: [{ ...OUTPUT, barrier: 0 }] });
  book.release(newer, { session: 2, position: 0 });
  t.match(newestBootRuns(pair({ peek: RUNS }, {}), book), /after a newer one was heard/);
  t.end();
});

await t.test("peer-current", (t) => {
  const book = ledger();
  const completed = new Map([[X, 1]]);
  const judged = (low: Forged, high: Forged): string | null =>
    peerCurrent(pair(low, high).hosts, book, completed, [X]);
  const holds = { sums: { [X]: sumOf(1) } };
  const torn = { sums: { [X]: 77 } };
  t.match(judged(holds, {}), /b holds version 0 of block 0\/7, version 1 is complete/);
  t.match(judged(holds, torn), /version -1/);
  t.equal(judged(holds, { ...torn, intents: [X] }), null, "torn by a write that its intent names");
  t.equal(judged(holds, { sums: { [X]: sumOf(3) } }), null, "a later one over it");
  t.equal(judged({ ...holds, right: "sole" }, {}), null, "the one that is sole needs nobody");
  t.end();
});

await t.test("no-silent-divergence", (t) => {
  const judged = (low: Forged, high: Forged): string | null =>
    noSilentDivergence(pair(low, high).hosts, [X]);
  t.match(judged({}, {}), /block 0\/7 differs and nothing says so/);
  t.match(judged({ dirty: [X] }, {}), /nothing says so/, "a dirty bit counts while sole");
  t.equal(judged({ intents: [X] }, {}), null);
  t.equal(judged({ right: "sole", dirty: [X] }, {}), null);
  t.end();
});

await t.test("intent-first", (t) => {
  t.match(intentFirst(look("b", { intents: [Y] }), [], [Y, X]), /b writes block 0\/7 before/);
  t.equal(intentFirst(look("b", { intents: [X, Y] }), [], [Y, X]), null);
  t.end();
});

await t.test("dirty-before-ack", (t) => {
  const book = ledger();
  const first = book.boot(BOOT.id)?.write(1);
  if (first === undefined) throw new Error("the ledger has no write");
  const holds = { sums: { [X]: sumOf(1) } };
  const judged = (own: Forged, peer: Forged): string | null =>
    dirtyBeforeAck(look("a", { right: "sole", ...own }), look("b", peer), book, first);
  t.match(judged({}, holds), /that its disk lacks/);
  t.match(judged(holds, {}), /that nothing marks/);
  t.equal(judged({ ...holds, dirty: [X] }, {}), null);
  t.equal(judged(holds, holds), null, "the peer has it");
  t.end();
});

await t.test("epoch-order", (t) => {
  const book = ledger();
  const landed = (sums: Readonly<Record<BlockKey, number>>, keys: readonly BlockKey[]) =>
    epochOrder(look("b", { sums }), book, new Map(), keys);
  t.match(landed({ [Y]: sumOf(2) }, [Y]), /b holds epoch 2 and lacks block 0\/7 of epoch 1/);
  t.match(landed({ [X]: sumOf(3) }, [X]), /holds epoch 3 and lacks block 0\/8 of epoch 2/);
  t.equal(landed({ [X]: sumOf(1) }, [X]), null);
  t.equal(landed({ [X]: sumOf(1), [Y]: sumOf(2) }, [Y]), null);
  const given = (sums: Readonly<Record<BlockKey, number>>) =>
    epochGiven(look("b", { sums }), book, new Map(), [{ key: Y, sum: sumOf(2) }]);
  const other = { id: "c".repeat(32), n: 2 };
  const writes = [write(1, 1, X, 9), write(2, 2, Y, 2)];
  book.begin(other);
  book.execute(other, { ...NOTHING_DONE, writes, flushes: 2 });
  t.equal(landed({ [X]: sumOf(1), [Y]: sumOf(2) }, [Y]), null, "the bytes that both boots wrote");
  t.equal(landed({ [X]: sumOf(9), [Y]: sumOf(2) }, [Y]), null, "of the other boot");
  t.match(landed({ [Y]: sumOf(2) }, [Y]), /b holds epoch 2 and lacks/, "of neither");
  t.match(given({}), /b gives its disk a write of epoch 2 before block 0\/7 of epoch 1 is durable/);
  t.equal(given({ [X]: sumOf(1) }), null);
  t.end();
});

await t.test("every rule of the list has a test here", async (t) => {
  const { readFileSync } = await import("node:fs");
  const { fileURLToPath } = await import("node:url");
  const text = readFileSync(fileURLToPath(import.meta.url), "utf8");
  for (const rule of RULES) t.ok(text.includes(`t.test("${rule}"`), rule);
  t.end();
});

/** A core whose effects pass through `change`. */
const changed =
  (change: (effect: HostEffect) => readonly HostEffect[]): MakeCore =>
  (config) => {
    const core = makeCore(config);
    return { peek: () => core.peek(), step: (event) => core.step(event).flatMap(change) };
  };

async function violationOf(
  planted: MakeCore,
): Promise<{ readonly name: unknown; readonly isStill: boolean }> {
  const rig = await startSim(
    {
      seed: 1,
      quorum: "one",
      switches: "one",
      confirmAfterRestart: false,
      preferred: "a",
      memoryPages: 64,
      volumeBlocks: 16_384,
      peerLoss: "preferred",
      bootDelayMs: 0,
      linkDelayMs: 0,
    },
    { scenario: "planted", runDir: null, makeCore: planted },
  );
  const spec = { clients: 4, thinkMs: 100, warmUpMs: 0, calmMs: 0, seed: 1 };
  // The run may end before the guest answers.
  await rig.startWorkload({ kind: "probe", ...spec }).catch(() => null);
  await rig.until(3_000_000);
  const found = rig.events().filter(({ source }) => source === "invariant");
  t.equal(found.length, 1, "the first violation ends the run");
  const before = rig.now();
  const isMet = await rig.waitFor(() => rig.now() > before, before + 1_000_000);
  return { name: found[0]?.["name"], isStill: !isMet && rig.now() === before };
}

await t.test(
  "a core that leaves out intents is found in a run, which stands still then",
  async (t) => {
    const planted = changed((effect) =>
      effect.kind === "commit"
        ? [{ ...effect, ops: effect.ops.filter(({ op }) => op !== "intents") }]
        : [effect],
    );
    t.same(await violationOf(planted), { name: "intent-first", isStill: true });
    t.end();
  },
);

await t.test("a core whose lease never ends is found in a run", async (t) => {
  const planted: MakeCore = (config) =>
    makeCore({ ...config, timing: { ...config.timing, lease: config.timing.lease + 30 } });
  t.same(await violationOf(planted), { name: "promise-covers-lease", isStill: true });
  t.end();
});

await t.test("a standby that says wrote before it has written is found in a run", async (t) => {
  const planted = changed((effect) => {
    if (effect.kind !== "commit") return [effect];
    return [{ ...effect, ops: effect.ops.filter(({ op }) => op !== "block") }];
  });
  t.same(await violationOf(planted), { name: "peer-current", isStill: true });
  t.end();
});
