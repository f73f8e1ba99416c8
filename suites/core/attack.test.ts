/**
 * Goal: schedules found by attacking the finished core, which each broke a rule or left the pair stuck, stay harmless.
 * Method: each schedule is told step by step to two host cores in the small world of world.ts, which then are looked at from outside. Times are
 * milliseconds of virtual time.
 */
import t from "tap";
import { codesOf, die, isDuplex, resyncing, watchPeerCurrent, written } from "./courses.ts";
import {
  boot,
  close,
  completeOf,
  inputEvery,
  kill,
  lackedBy,
  mendService,
  openAll,
  restart,
  stand,
} from "./world.ts";
import { tell } from "./world-effects.ts";
import { at, blankDisk, createWorld, HOSTS, runTo, WAYS } from "./world-state.ts";

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

await t.test("a dirty block that rotted is copied once the guest has written it anew", (t) => {
  // 1. A dirty block of the source rots; the target cannot become current, and somebody is told. 2. The guest writes over it. The block counted as being copied for
  // the rest of the session.
  const world = resyncing();
  world.lbaOf = (number) => (number <= 11 ? number % 7 : 3);
  inputEvery(world, 10_500, 10_520, 10);
  at(world, 10_900, () => world.hosts.a.disk.rotten.add(3));
  runTo(world, 14_000);
  t.match(stand(world, "a"), { right: "sole", derived: "resync-source" });
  t.same(codesOf(world, 10_000), ["bad-block"]);
  inputEvery(world, 14_000, 14_001, 5);
  runTo(world, 14_500);
  isDuplex(t, world, "a");
  t.end();
});

await t.test("an old image taken amid a resync is made whole by a full one", (t) => {
  // 1. `b` is a target; an image of its disk is kept. 2. The link fails, `b` restarts, and `a` remembers it. 3. The image is put back: its page names `a`'s
  // generation as the one it is resynced from, and half of what it names as copied it lacks. D4 made it a target, but the named generation
  // made a delta do.
  const world = resyncing();
  world.lbaOf = (number) => (number <= 12 ? number % 7 : 64 * (number % 15));
  inputEvery(world, 10_500, 10_800, 10);
  let image = blankDisk();
  world.onSend = (frame) => {
    const { body } = frame;
    if (world.now < 10_000) return frame;
    if (body.kind === "sums" && image.page?.resyncFrom == null)
      image = structuredClone(world.hosts.b.disk);
    // Never `copied` to the end.
    return body.kind === "pair" && world.now < 15_000 ? null : frame;
  };
  at(world, 13_000, () => restart(world, "b"));
  at(world, 13_005, () => openAll(world));
  at(world, 14_900, () => {
    kill(world, "b");
    world.hosts.b.disk = structuredClone(image);
    restart(world, "b");
  });
  at(world, 14_905, () => openAll(world));
  runTo(world, 17_000);
  t.ok(image.page?.resyncFrom, "the image names a source");
  isDuplex(t, world, "a");
  const fulls = world.notes.flatMap(({ time, note }) =>
    time > 14_905 && note.what === "resync" && note.state === "started" ? [note.isFull] : [],
  );
  t.same(fulls, [true], "every block was looked at");
  t.end();
});

await t.test(
  "a standby that lost blocks is not believed because its first session was cut",
  (t) => {
    // 1. `b`'s disk is set back to an image of 100 ms ago, within one start; its extents are warm. 2. It meets the runner: it restarted and differs, so `a` is to go
    // alone. 3. The session dies at once. `a` had remembered the new process, and took the next hello's for the one that had answered for everything.
    const world = written();
    inputEvery(world, 1_000, 2_000, 10);
    let image = blankDisk();
    at(world, 1_900, () => {
      image = structuredClone(world.hosts.b.disk);
    });
    let owed: ReturnType<typeof completeOf> = new Map();
    at(world, 2_005, () => {
      owed = completeOf(world, "a");
      kill(world, "b");
      world.hosts.b.disk = image;
      restart(world, "b");
    });
    at(world, 2_006, () => openAll(world));
    at(world, 2_007, () => {
      for (const way of WAYS) close(world, way);
      openAll(world);
    });
    runTo(world, 5_000);
    isDuplex(t, world, "a");
    t.ok(owed.size > 3, "blocks were complete");
    t.same(lackedBy(world, "b", owed), [], "and are on both");
    t.end();
  },
);

await t.test("an answer of another service is not taken for the one that was asked", (t) => {
  // 1. `a` registers with q1, whose answer takes a second. 2. The session is cut; in the next one q1 is unseen, and `a` registers with q2. 3. q1's answer arrives,
  // under the same number: requests are counted by connection. `a` armed with q1 a generation that q1 never heard of, showed duplex, and lost its
  // VM to a refused claim when `b` died.
  const world = createWorld();
  for (const host of HOSTS) boot(world, host);
  at(world, 250, () => {
    mendService(world, "q2");
    world.serviceDelays.set("q1", 500);
  });
  at(world, 400, () => openAll(world));
  at(world, 410, () => {
    for (const way of WAYS) close(world, way);
  });
  at(world, 580, () => world.serviceDelays.set("q2", 800));
  at(world, 590, () => openAll(world));
  at(world, 3_000, () => world.serviceDelays.clear());
  runTo(world, 5_900);
  isDuplex(t, world, "a");
  at(world, 6_000, () => die(world, "b"));
  runTo(world, 7_000);
  t.match(stand(world, "a"), { right: "sole", running: true, intake: true });
  t.end();
});
