/**
 * Goal: schedules found by attacking the finished core, which each broke a rule or left the pair stuck, stay harmless.
 * Method: each schedule is told step by step to two host cores in the small world of world.ts, which then are looked at from outside. Times are
 * milliseconds of virtual time.
 */
import t, { type Test } from "tap";
import type { OperatorCommand } from "../../node/core/host/contract.ts";
import { timingFor } from "../../node/core/timing.ts";
import {
  blocksOf,
  boot,
  close,
  cutService,
  inputEvery,
  kill,
  lackedByPeer,
  openAll,
  restart,
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
function written(world = createWorld()): World {
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

function ask(world: World, host: Host, command: OperatorCommand): void {
  tell(world, world.hosts[host], { kind: "operator", command });
}

function answersOf(world: World, host: Host): readonly string[] {
  return world.notes.flatMap(({ host: of, note }) =>
    of === host && note.what === "operator" ? [`${note.op} ${note.state}`] : [],
  );
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

await t.test("a VM does not stand still when the peer dies amid a switch-over", (t) => {
  // 1. `b` dies; nobody knows yet. 2. An operator asks `a` for a switch-over: the VM takes in nothing more until all is complete. 3. `a` goes on alone. The move
  // was still wanted, and waited for a peer at par.
  const world = written();
  inputEvery(world, 1_000, 5_000, 50);
  at(world, 2_000, () => kill(world, "b"));
  at(world, 2_049, () => ask(world, "a", { op: "switch-over" }));
  runTo(world, 2_300);
  const before = stand(world, "a").completed;
  runTo(world, 4_000);
  t.match(stand(world, "a"), { right: "sole", running: true, intake: true });
  t.ok(stand(world, "a").completed >= before + 30, "inputs complete");
  t.same(answersOf(world, "a"), ["switch-over accepted", "switch-over refused"]);
  t.end();
});

for (const [how, cut] of [
  ["its session with the peer ends", (world: World) => close(world, "alink0")],
  ["the peer dies", (world: World) => die(world, "b")],
] as const) {
  await t.test(`a drained VM runs again when, after its handover, ${how}`, (t) => {
    // 1. `a` is drained: it hands the VM over. 2. The word is lost. 3. A new session gives the turn to boot to `a` again, or `a` goes alone. It went on draining
    // and booted nothing, beside a peer that waited for its turn, or was gone.
    const world = written();
    at(world, 2_000, () => ask(world, "a", { op: "drain" }));
    let isLost = false;
    world.onSend = (frame) => {
      if (frame.body.kind !== "handover") return frame;
      isLost = true;
      at(world, world.now, () => cut(world));
      return null;
    };
    runTo(world, 4_000);
    t.ok(isLost, "the handover is lost");
    t.match(stand(world, "a"), { running: true, intake: true });
    t.same(answersOf(world, "a"), ["drain accepted", "drain refused"]);
    t.end();
  });
}

await t.test("a host that is drained while its VM boots hands it over", (t) => {
  // 1. The VM boots on `a`. 2. An operator drains `a`. Since the VM did not run yet nothing was handed over, and since it ran then nothing was left: the drain
  // never ended, and forbade another.
  const world = createWorld();
  for (const host of HOSTS) boot(world, host);
  at(world, 5, () => openAll(world));
  at(world, 192, () => ask(world, "a", { op: "drain" }));
  runTo(world, 400);
  t.match(stand(world, "b"), { right: "sole", running: true, intake: true });
  t.same(answersOf(world, "a"), ["drain accepted", "drain done"]);
  t.end();
});

await t.test("a drained host is silent only after its peer can do without it", (t) => {
  // 1. The service is gone. 2. `a` is drained: `b` asks it to cede. 3. `ceded` is lost with every way. `a` had said it was done, and was silent for ever,
  // beside a `b` that was neither elected nor could claim.
  const world = written();
  inputEvery(world, 1_000, 6_000, 50);
  at(world, 2_000, () => {
    cutService(world);
    ask(world, "a", { op: "drain" });
  });
  let isLost = false;
  world.onSend = (frame) => {
    if (isLost || frame.body.kind !== "ceded") return frame;
    isLost = true;
    for (const way of WAYS) at(world, world.now, () => close(world, way));
    return null;
  };
  at(world, 3_000, () => openAll(world));
  runTo(world, 5_000);
  t.ok(isLost, "the word is lost");
  t.match(stand(world, "a"), { right: "ceded", session: true, barred: null });
  t.match(stand(world, "b"), { right: "elected", running: true, intake: true });
  t.same(answersOf(world, "a"), ["drain accepted", "drain refused"]);
  at(world, 5_000, () => ask(world, "a", { op: "drain" }));
  runTo(world, 5_100);
  t.match(
    stand(world, "b"),
    { right: "sole", running: true, intake: true },
    "asked again it leaves",
  );
  t.match(stand(world, "a"), { barred: "drained" });
  t.end();
});

await t.test("a VM is handed over to a standby that restarted while its extents were warm", (t) => {
  // 1. `b` restarts within 2 ms of the last write: it knows of itself only what the last commit but one made durable. 2. No write follows. 3. The VM is handed
  // over. `b` cleared its intents only up to what it knew, never had none, and never booted, in a healthy session.
  const world = written();
  inputEvery(world, 1_000, 2_000, 1);
  at(world, 2_010, () => restart(world, "b"));
  at(world, 2_012, () => openAll(world));
  at(world, 2_500, () => ask(world, "a", { op: "switch-over" }));
  runTo(world, 2_600);
  isDuplex(t, world, "b");
  t.end();
});

await t.test(
  "a beat of the boot that ended, late over a slow path, does not stop a handover",
  (t) => {
    // 1. 5 ms one way, and 9 over mgmt. 2. `a` beats, and hands over behind it. 3. The beat arrives over mgmt after the handover: `b` took the ended boot for
    // running and neither beat nor booted; both fell silent.
    const world = written(createWorld(timingFor({ peer: 10, quorum: 0 })));
    world.delay = (way) => (way === "mgmt" ? 9 : 5);
    at(world, 3_001, () => ask(world, "a", { op: "switch-over" }));
    runTo(world, 3_100);
    isDuplex(t, world, "b");
    t.end();
  },
);

await t.test("a host that alone is elected is not drained while no service is seen", (t) => {
  // The peer, ceded, could not go on alone: T6 begins from `open`. The drain was accepted, moved the VM to the peer, and never ended.
  const world = written();
  at(world, 2_000, () => cutService(world));
  at(world, 4_000, () => ask(world, "a", { op: "drain" }));
  runTo(world, 4_100);
  t.same(answersOf(world, "a"), ["drain refused"]);
  t.match(stand(world, "a"), { right: "elected", running: true, intake: true });
  t.end();
});
