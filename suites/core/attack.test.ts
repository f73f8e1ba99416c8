/**
 * Goal: schedules found by attacking the finished core, which each broke a rule or left the pair stuck, stay harmless.
 * Method: each schedule is told step by step to two host cores in the small world of world.ts, which then are looked at from outside. Times are
 * milliseconds of virtual time.
 */
import t, { type Test } from "tap";
import {
  blocksOf,
  boot,
  close,
  inputEvery,
  kill,
  lackedByPeer,
  openAll,
  stand,
} from "./world.ts";
import { tell } from "./world-effects.ts";
import {
  at,
  createWorld,
  HOSTS,
  type Host,
  otherOf,
  runTo,
  WAYS,
  type World,
} from "./world-state.ts";

/** Protected, armed, and `a` runs from 194 on; eleven inputs from 400 to 900. */
function written(): World {
  const world = createWorld();
  for (const host of HOSTS) boot(world, host);
  at(world, 5, () => openAll(world));
  inputEvery(world, 400, 900, 50);
  return world;
}

/** The guest rests until every extent is cold; `b` dies at 10,000, and returns at 11,000: the resync begins at 12,000. */
function resyncing(): World {
  const world = written();
  at(world, 10_000, () => die(world, "b"));
  at(world, 11_000, () => boot(world, "b"));
  at(world, 11_005, () => openAll(world));
  return world;
}

function die(world: World, victim: Host): void {
  kill(world, victim);
  for (const way of WAYS) close(world, way, otherOf(victim));
}

/** `name` serves, backed by the other, and both hold the same. */
function isDuplex(t: Test, world: World, name: Host): void {
  for (const host of HOSTS) {
    const duplex = { right: "open", durableRight: "open", derived: "duplex", barred: null };
    t.match(stand(world, host), { ...duplex, running: host === name }, `${host} is duplex`);
  }
  t.match(stand(world, name), { intake: true }, `${name} serves`);
  t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
}

/** Collects writes that completed without the peer's disk while neither disk says `sole`. */
function watchPeerCurrent(world: World): ReadonlySet<string> {
  const lacked = new Set<string>();
  world.afterEach = () => {
    if (HOSTS.some((host) => world.hosts[host].disk.page?.right === "sole")) return;
    for (const write of lackedByPeer(world)) lacked.add(write);
  };
  return lacked;
}

function codesOf(world: World, since: number): readonly string[] {
  return world.notes.flatMap(({ time, note }) =>
    time >= since && note.what === "alert" ? [note.code] : [],
  );
}

await t.test("a peer that was away while nothing was written is paired again", (t) => {
  // 1. The guest rests, and every intent is cleared. 2. `b` dies, `a` goes alone: its dirty map is empty. 3. `b` returns. `pair` followed `merged` at
  // once and met a target whose page `inconsistent` was still on its way; it was ignored, timed out, and so again in every session. Every course
  // told before had written something.
  const world = resyncing();
  runTo(world, 12_100);
  isDuplex(t, world, "a");
  t.end();
});

await t.test(
  "writes that wait for the disk when the maps become one do not hold up the pairing",
  (t) => {
    // 1. `a` is alone, its disk slow. 2. The guest writes to cold extents; the writes stay here, and wait in the queue. 3. The merged map is durable.
    // 4. Their rounds begin, and only then set their dirty bits: in blocks that nobody had queued for copying. The map never became empty.
    const world = resyncing();
    world.commitTime = (host) => (host === "a" && world.now > 11_900 ? 3 : 0.5);
    world.lbaOf = (number) => (number < 20 ? number % 7 : ((number >> 1) * 64) % 1_000);
    inputEvery(world, 11_996, 12_020, 0.7);
    runTo(world, 13_000);
    isDuplex(t, world, "a");
    t.end();
  },
);

await t.test(
  "a block with a write that waits for the disk is not mirrored beside its own copy",
  (t) => {
    // 1. `a` is alone. Of an extent one block is dirty; another one, X, is clean. 2. w1 to X stays here and waits for the disk while the maps become one. 3. w2 to X
    // found it clean, for the bit comes with w1's data, and was mirrored. 4. The target's sums arrive, X is dirty and is copied, with w3 in it. 5. The
    // target's disk is slow: the copy lands, then w2 over it (P21). Both were said to be equal.
    const world = resyncing();
    const lacked = watchPeerCurrent(world);
    world.commitTime = (host) => {
      if (world.now < 11_900) return 0.5;
      if (host === "b") return 9;
      return world.now < 12_013.7 ? 2 : 0.5;
    };
    world.lbaOf = (number) => (number <= 12 ? number % 7 : 64 * 5 + (number === 13 ? 1 : 2));
    inputEvery(world, 10_500, 10_520, 10);
    inputEvery(world, 12_011.7, 12_030, 0.33);
    runTo(world, 13_500);
    isDuplex(t, world, "a");
    t.same([...lacked], [], "the peer has all that is complete");
    t.end();
  },
);

await t.test(
  "what a resync mirrored and the peer did not answer is marked when the peer is lost amid its pairing",
  (t) => {
    // 1. `paired` arrives; the page `elected` is on its way to a slow disk. 2. The guest writes w: mirrored, for the disk still says `sole`, and it waits in the
    // queue. 3. `b` dies. `a` is elected, then alone. 4. w's round took the word that it is mirrored and set no dirty bit; the intent is cleared a
    // second later. 5. The next resync did not copy w, and its extent's digest was not looked at, since another block of it was dirty.
    const world = resyncing();
    world.commitTime = (host) => (host === "a" && world.now > 11_900 ? 5 : 0.5);
    world.lbaOf = (number) => (number <= 12 ? number % 7 : (number * 64) % 1_000);
    inputEvery(world, 12_006, 12_250, 0.66);
    let isCut = false;
    world.onSend = (frame) => {
      if (isCut || world.now < 11_000 || frame.body.kind !== "paired") return frame;
      isCut = true;
      at(world, world.now + 5, () => {
        die(world, "b");
        for (const path of ["alink0", "alink1"])
          tell(world, world.hosts.a, { kind: "path-refused", path });
      });
      return frame;
    };
    at(world, 15_000, () => boot(world, "b"));
    at(world, 15_005, () => openAll(world));
    runTo(world, 14_900);
    t.ok(isCut, "the cut came amid the pairing");
    t.match(stand(world, "a"), { right: "sole", running: true, intake: true });
    runTo(world, 19_000);
    isDuplex(t, world, "a");
    t.same(codesOf(world, 15_000), [], "and nothing differed unseen");
    t.end();
  },
);

await t.test("a block that a target lost is found beside a dirty one", (t) => {
  // 1. `b` dies and loses a block, as a disk does that is set back to an image within one start. 2. `a` writes to another block of that extent. 3. `b`
  // returns: the extent has a dirty block, so its digest is no news, and only its dirty blocks were compared.
  const world = resyncing();
  at(world, 10_010, () => world.hosts.b.disk.blocks.delete(3));
  world.lbaOf = (number) => (number <= 12 ? number % 7 : 20);
  inputEvery(world, 10_500, 10_520, 10);
  runTo(world, 13_500);
  isDuplex(t, world, "a");
  t.ok(codesOf(world, 12_000).includes("silent-divergence"), "and somebody was told");
  t.end();
});
