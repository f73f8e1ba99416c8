/**
 * Goal: schedules that once broke the pair stay harmless.
 * Method: each schedule is told step by step to two host cores in a small world (world.ts), which then are looked at from outside. Times are
 * milliseconds of virtual time.
 */
import t, { type Test } from "tap";
import { timingFor } from "../../node/core/timing.ts";
import {
  blocksOf,
  boot,
  close,
  completeOf,
  cutService,
  input,
  inputEvery,
  kill,
  lackedBy,
  lackedByPeer,
  mendService,
  open,
  openAll,
  restart,
  stand,
} from "./world.ts";
import { tell } from "./world-effects.ts";
import { at, blankDisk, createWorld, HOSTS, runTo, WAYS, type World } from "./world-state.ts";

const AT_PAR = { right: "open", durableRight: "open", derived: "duplex", session: true } as const;
/** As good as for ever. Unit: milliseconds. */
const SWALLOWED = 1e9;
const RUNS_ALONE = { right: "sole", durableRight: "sole", running: true, intake: true } as const;

/** Both hosts start on blank disks and meet at 5: protected and armed at 11, `a` runs from 194 on. */
function started(world = createWorld()): World {
  for (const host of HOSTS) boot(world, host);
  at(world, 5, () => openAll(world));
  return world;
}

/** The same, and the guest took ten inputs from 400 to 900. */
function written(): World {
  const world = started();
  inputEvery(world, 400, 900, 50);
  return world;
}

/** Collects writes that completed, at any time, without the peer. */
function watchCompletion(world: World): ReadonlySet<string> {
  const lacked = new Set<string>();
  world.afterEach = () => {
    for (const write of lackedByPeer(world)) lacked.add(write);
  };
  return lacked;
}

/** The runner serves and its peer backs it. */
function isAtPar(t: Test, world: World): void {
  t.match(stand(world, "a"), { ...AT_PAR, running: true, intake: true, barred: null }, "a serves");
  t.match(stand(world, "b"), { ...AT_PAR, running: false, barred: null }, "b backs it");
}

/** Notes since a time, as one line each. */
function notesSince(world: World, since: number): readonly string[] {
  return world.notes
    .filter(({ time }) => time >= since)
    .map(({ time, host, note }) => `${time.toFixed(1)} ${host} ${JSON.stringify(note)}`);
}

await t.test(
  "no write completes that a standby lacks which missed the first beat of its boot",
  (t) => {
    // 1. `a`'s machine is ready and its first beat is on its way. 2. alink0 closes at both ends, and the session with it. 3. The next session opens
    // over alink1, and the boot's first write is sent on it. Only a beat told the standby which boot to follow, so it dropped that write, and its
    // `wrote` for a later one completed both.
    const world = started();
    const lacked = watchCompletion(world);
    world.onMachineReady = () => close(world, "alink0");
    inputEvery(world, 600, 1_000, 50);
    runTo(world, 3_000);
    isAtPar(t, world);
    t.equal(stand(world, "a").completed, 9, "the boot's write and eight inputs are complete");
    t.same([...lacked], [], "the peer has all that is complete");
    t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
    t.end();
  },
);

await t.test(
  "no write of a new boot completes on the word of a standby that follows an older one",
  (t) => {
    // 1. The pair runs boot 1 with writes. 2. `a` restarts and boots the VM anew. 3. Its first beat is lost with alink0. 4. Writes follow on the
    // next session. The standby's page still named boot 1, so it took the new writes for boot 1's and answered for them; the beat that named boot 2
    // then found them under way, and the core ended by an InvariantViolation.
    const world = started();
    const lacked = watchCompletion(world);
    inputEvery(world, 600, 1_000, 50);
    at(world, 3_000, () => {
      world.onMachineReady = () => close(world, "alink0");
      restart(world, "a");
    });
    at(world, 3_010, () => openAll(world));
    inputEvery(world, 3_600, 3_800, 50);
    runTo(world, 5_000);
    isAtPar(t, world);
    t.equal(stand(world, "a").completed, 5, "the boot's write and four inputs are complete");
    t.same([...lacked], [], "the peer has all that is complete");
    t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
    t.end();
  },
);

await t.test("a disk once found to be an old image counts again only after a full resync", (t) => {
  // 1. An image of `b`'s disk is kept before the first inputs. 2. `b` restarts, and `a` remembers its new start. 3. `b` is set back to the image:
  // the hello shows it (D4). 4. `b` restarts once more. The hello that found the old image was remembered as the newest word of `b`, so the
  // next one agreed with it.
  const world = written();
  let image = blankDisk();
  at(world, 350, () => {
    image = structuredClone(world.hosts.b.disk);
  });
  at(world, 2_000, () => restart(world, "b"));
  at(world, 3_000, () => {
    kill(world, "b");
    world.hosts.b.disk = image;
    restart(world, "b");
  });
  at(world, 4_000, () => restart(world, "b"));
  for (const time of [2_005, 3_005, 4_005]) at(world, time, () => openAll(world));
  at(world, 5_000, () => input(world));
  runTo(world, 2_900);
  isAtPar(t, world);
  runTo(world, 3_990);
  t.match(stand(world, "b"), { right: "none", durableRight: "none", running: false });
  t.match(stand(world, "a"), RUNS_ALONE);
  runTo(world, 7_000);
  isAtPar(t, world);
  t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
  const verdicts = world.notes.flatMap(({ time, note }) =>
    time > 3_000 && note.what === "session" && note.state === "open" ? [note.verdict] : [],
  );
  t.same([...new Set(verdicts)], ["D4", "D16"], "no session after the image is at par by itself");
  const resyncs = world.notes.flatMap(({ note }) =>
    note.what === "resync" && note.state === "started" ? [note.isFull] : [],
  );
  t.ok(resyncs.length > 0 && resyncs.every((isFull) => isFull), "every block was looked at");
  t.end();
});

await t.test(
  "a hello that arrives after its connection is closed for the sender bars nobody",
  (t) => {
    // 1. The service goes; the pair disarms. 2. The A-links flap, and alink0 carries `a`'s hello in 300 ms. 3. The service is back; `a` sees alink0
    // close and opens a session over alink1, where the pair arms again. 4. The old hello arrives over alink0, whose end at `b` is still open, and
    // says what `a` was before. `b` acted on its verdict at once: beside the new generation it was impossible (D17), and `b` stayed barred.
    const world = written();
    at(world, 1_500, () => cutService(world));
    at(world, 4_000, () => {
      close(world, "alink0");
      close(world, "alink1");
      world.delay = (way, from) => (way === "alink0" && from === "a" ? 300 : 0.3);
      open(world, "alink0");
    });
    at(world, 4_005, () => {
      mendService(world);
      close(world, "alink0", "a");
      open(world, "alink1");
    });
    at(world, 4_600, () => {
      close(world, "alink0", "b");
      world.delay = () => 0.3;
      open(world, "alink0");
    });
    runTo(world, 3_990);
    t.match(stand(world, "b"), { right: "ceded", session: true });
    runTo(world, 4_290);
    isAtPar(t, world);
    runTo(world, 7_300);
    isAtPar(t, world);
    inputEvery(world, 7_300, 8_000, 100);
    runTo(world, 9_000);
    t.equal(stand(world, "a").completed, 18, "inputs complete again");
    t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
    t.end();
  },
);

await t.test("a late hello of a former process bars nobody", (t) => {
  // 1. The A-links flap, and alink0 carries `a`'s hello in 250 ms. 2. `a` dies and starts again; `b` does not see alink0 close. 3. A session opens
  // over alink1. 4. The dead process's hello arrives over alink0 and tells of fewer starts than `b` remembers. `b` acted on it at once and
  // took `a`'s disk for an old image.
  const world = written();
  at(world, 3_000, () => {
    close(world, "alink0");
    close(world, "alink1");
    world.delay = (way, from) => (way === "alink0" && from === "a" ? 250 : 0.3);
    open(world, "alink0");
  });
  at(world, 3_005, () => {
    kill(world, "a");
    close(world, "mgmt", "b");
    boot(world, "a");
  });
  at(world, 3_010, () => {
    open(world, "alink1");
    open(world, "mgmt");
  });
  at(world, 3_400, () => {
    close(world, "alink0", "b");
    world.delay = () => 0.3;
    open(world, "alink0");
  });
  runTo(world, 3_240);
  t.match(stand(world, "b"), { session: true, barred: null }, "`b` met the new process before");
  inputEvery(world, 5_000, 6_000, 200);
  runTo(world, 6_250);
  isAtPar(t, world);
  t.equal(stand(world, "a").completed, 6, "the second boot's write and five inputs are complete");
  t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
  t.end();
});

for (const [victim, other] of [
  ["a", "b"],
  ["b", "a"],
] as const) {
  const title = victim === "a" ? "its VM goes on over the other's" : "the runner goes on alone";
  await t.test(`when ${victim}'s disk dies, ${title}`, (t) => {
    // 1. A new session makes both remember each other as armed. 2. The disk of one host fails every commit. 3. Inputs go on. The host with the dead
    // disk went on saying hello, so the other one met it again and again, never suspected it and never claimed.
    const world = written();
    at(world, 950, () => {
      close(world, "alink0");
      open(world, "alink0");
    });
    at(world, 1_500, () => {
      world.hosts[victim].disk.isDead = true;
    });
    inputEvery(world, 2_600, 5_000, 300);
    runTo(world, 1_490);
    isAtPar(t, world);
    runTo(world, 4_500);
    const alone = { right: "sole", durableRight: "sole" };
    t.match(stand(world, other), alone, `${other} is alone`);
    t.match(stand(world, "a"), { running: true, intake: true }, "the VM never moved");
    t.match(stand(world, "b"), { running: false });
    const before = stand(world, "a").completed;
    runTo(world, 5_500);
    t.ok(stand(world, "a").completed > before, "inputs complete");
    if (victim === "b") return t.end();
    const owed = completeOf(world, "a");
    // The disk's holder boots only after the session, and its promise, have ended.
    at(world, 5_600, () => {
      kill(world, "a");
      for (const way of WAYS) close(world, way, "b");
    });
    runTo(world, 7_000);
    t.match(stand(world, "b"), RUNS_ALONE, "b boots from its own copy");
    t.ok(owed.size > 3, `${owed.size} blocks were written completely`);
    t.same(lackedBy(world, "b", owed), [], "with every write that was complete");
    return t.end();
  });
}

for (const how of ["blank", "unreadable"] as const) {
  await t.test(
    `beside a standby that returns with a page that is ${how}, the runner goes on and makes it whole`,
    (t) => {
      // 1. The standby restarts within 5 ms, before it is suspected, with a blank disk or with both page slots unreadable. 2. It meets the runner. The
      // refusal barred the runner too: its lease ended, it could not claim, and the VM stood still beside a peer without a copy.
      const world = written();
      at(world, 2_000, () => {
        kill(world, "b");
        const { disk } = world.hosts.b;
        world.hosts.b.disk = how === "blank" ? blankDisk() : { ...disk, page: null, applied: null };
        restart(world, "b");
      });
      at(world, 2_005, () => openAll(world));
      inputEvery(world, 2_100, 6_000, 300);
      runTo(world, 5_000);
      isAtPar(t, world);
      const before = stand(world, "a").completed;
      runTo(world, 7_500);
      t.ok(stand(world, "a").completed > before, "inputs complete");
      t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
      t.end();
    },
  );
}

await t.test("when the preferred host cannot boot, the peer takes over", (t) => {
  // 1. `a` dies, and a block of its disk rots. 2. `a` restarts, meets `b` at par and is to boot. 3. It finds the block and bars itself. It went on
  // beating as the preferred host, and `b`, which promised it the right to run with every beat, waited for ever.
  const world = written();
  at(world, 3_000, () => {
    kill(world, "a");
    world.hosts.a.disk.rotten.add(3);
    restart(world, "a");
  });
  // The peer's block does not help either: what it sends is of no use here.
  world.onSend = (frame) =>
    frame.body.kind === "fetched" ? { ...frame, body: { ...frame.body, block: null } } : frame;
  at(world, 3_005, () => openAll(world));
  runTo(world, 8_000);
  t.match(stand(world, "a"), { running: false, barred: "bad-block" });
  t.match(stand(world, "b"), RUNS_ALONE, "b serves alone");
  t.end();
});

await t.test("a rotten block found at a boot at par is taken from the peer", (t) => {
  const world = written();
  at(world, 3_000, () => {
    kill(world, "a");
    world.hosts.a.disk.rotten.add(3);
    restart(world, "a");
  });
  at(world, 3_005, () => openAll(world));
  runTo(world, 8_000);
  isAtPar(t, world);
  t.notOk(world.hosts.a.disk.rotten.has(3), "it is whole again");
  t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
  const codes = world.notes.flatMap(({ note }) => (note.what === "alert" ? [note.code] : []));
  t.ok(codes.includes("bad-block"), "and somebody was told");
  t.end();
});

await t.test("a host whose claims are refused still meets its peer", (t) => {
  // 1. All ways close; `b` suspects `a` and is refused again and again, since `a` holds the grant. 2. The ways open. Each refusal put the next hello off by a
  // second, and a claim is repeated every 100 ms: the hosts never met.
  const world = written();
  at(world, 2_000, () => {
    for (const way of WAYS) close(world, way);
  });
  runTo(world, 3_000);
  const claims = world.notes.flatMap(({ note }) => (note.what === "claim" ? [note.state] : []));
  t.ok(claims.includes("refused"), "somebody was refused");
  at(world, 3_000, () => openAll(world));
  runTo(world, 6_000);
  isAtPar(t, world);
  t.end();
});

await t.test("intents are cleared though the word that both copies are equal was lost", (t) => {
  // 1. The last `clean-to` is lost with alink0. 2. The next session opens over alink1, and no write follows. The runner remembered that it had
  // said so and never said it again; the standby kept its bits, and a restart of both then found copies that may differ (4.3).
  const world = written();
  let lost = 0;
  world.onSend = (frame, from) => {
    if (lost > 0 || world.now <= 900 || from !== "a" || frame.body.kind !== "clean-to")
      return frame;
    lost = frame.body.number;
    at(world, world.now, () => close(world, "alink0"));
    return null;
  };
  runTo(world, 8_900);
  t.equal(lost, 11, "it told of the last write");
  isAtPar(t, world);
  for (const host of HOSTS) t.same(stand(world, host).intents, [], `no bit is set on ${host}`);
  t.end();
});

await t.test("a session opens between hosts 106 ms of round trip apart", (t) => {
  // 1. Every frame takes 53 ms, under the table of times for 110 ms. 2. `a` says hello. A hello was given up after the 100 ms in which a claim is
  // repeated, so each answer came too late for its hello.
  const world = started(createWorld(timingFor({ peer: 110, quorum: 0 })));
  world.delay = () => 53;
  runTo(world, 5_000);
  isAtPar(t, world);
  t.end();
});

await t.test("a write that the peer stored differently never completes on the peer's word", (t) => {
  // 1. Inputs come faster than the peer answers. 2. A `wrote` of `b` names another sum for write 20. The write was sent again, behind newer ones of
  // its block, and the next `wrote` completed it unproven, with an older block over a newer one at the peer.
  const world = written();
  let forgedAt = 0;
  let isUnproven = false;
  let wasAlone = false;
  world.onSend = (frame, from) => {
    const { body } = frame;
    const isTarget = body.kind === "wrote" && body.sums.some(([number]) => number === 20);
    if (forgedAt > 0 || from !== "b" || !isTarget) return frame;
    forgedAt = world.now;
    const sums = body.sums.map(([number, sum]) => [number, number === 20 ? sum + 1 : sum] as const);
    return { ...frame, body: { ...body, sums } };
  };
  world.afterEach = () => {
    const { right, completed } = stand(world, "a");
    wasAlone ||= right === "sole";
    if (!wasAlone && completed >= 20) isUnproven = true;
  };
  at(world, 1_000, () => {
    world.delay = () => 2;
  });
  inputEvery(world, 1_500, 1_510, 0.4);
  runTo(world, 1_520);
  t.ok(forgedAt > 0, "the sum was forged");
  runTo(world, 4_000);
  t.notOk(isUnproven, "with a peer it stays incomplete");
  t.ok(wasAlone, "a went on alone");
  t.ok(stand(world, "a").completed >= 20, "alone it completes");
  isAtPar(t, world);
  t.same(blocksOf(world, "b"), blocksOf(world, "a"), "the resync made them equal");
  t.end();
});

await t.test(
  "a pair whose arming was cut off and whose claim was cancelled arms again in one session",
  (t) => {
    // 1. `a` registered and is open; its `armed` is lost with every way. 2. `a` suspects `b` and claims; the service answers slowly. 3. The ways are
    // back, and `a` cancels the claim. 4. They meet (D14): `a` sends `armed` again and, since the claim may have been granted, `cede` right behind
    // it. `b` was still writing its page and dropped the `cede`, so the step timed out and took the session with it.
    const world = started();
    let isCut = false;
    world.onSend = (frame) => {
      if (isCut || frame.body.kind !== "armed") return frame;
      isCut = true;
      for (const way of WAYS) at(world, world.now, () => close(world, way));
      return null;
    };
    at(world, 100, () => {
      world.serviceDelay = 100;
    });
    at(world, 250, () => openAll(world));
    at(world, 600, () => {
      world.serviceDelay = 0.3;
    });
    runTo(world, 249);
    t.match(stand(world, "a"), { right: "open", session: false });
    t.match(stand(world, "b"), { right: "ceded", session: false });
    runTo(world, 3_000);
    const claims = world.notes.flatMap(({ note }) => (note.what === "claim" ? [note.state] : []));
    t.same(claims, ["sent", "cancelled"]);
    const sessions = world.notes.filter(({ time, note }) => time > 249 && note.what === "session");
    t.equal(sessions.length, 2, "one session, at both ends", { notes: notesSince(world, 200) });
    isAtPar(t, world);
    t.equal(stand(world, "a").gen, stand(world, "b").gen);
    t.end();
  },
);

await t.test("an A-link that swallows bytes costs one silence, not the service", (t) => {
  // 1. alink0, which carries the stream, swallows everything and closes nothing. 2. Beats over alink1 and mgmt go on, so nobody is suspected; the
  // mirrored write waits on alink0, and the guest with it, for as long as the link stays so. P26 let a session change its A-link only when that one closes.
  const world = written();
  at(world, 2_000, () => {
    world.delay = (way) => (way === "alink0" ? SWALLOWED : 0.3);
  });
  inputEvery(world, 2_100, 3_000, 100);
  runTo(world, 2_150);
  t.equal(stand(world, "a").completed, 11, "the first write after it waits");
  runTo(world, 2_240);
  isAtPar(t, world);
  t.equal(
    stand(world, "a").completed,
    13,
    "after one silence and a beat it is complete, and the next one",
  );
  runTo(world, 3_050);
  isAtPar(t, world);
  t.equal(stand(world, "a").completed, 20, "and so are all others");
  t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
  t.end();
});

await t.test("a hello that a link swallows is said over the other one", (t) => {
  // 1. alink0 is up at both ends and swallows everything. 2. The lower host said every hello over the first A-link that is up.
  const world = createWorld();
  world.delay = (way) => (way === "alink0" ? SWALLOWED : 0.3);
  started(world);
  runTo(world, 1_000);
  isAtPar(t, world);
  t.end();
});

await t.test(
  "a runner whose A-links both swallow bytes goes on alone although mgmt is there",
  (t) => {
    const world = written();
    at(world, 2_000, () => {
      world.delay = (way) => (way === "mgmt" ? 0.3 : SWALLOWED);
    });
    inputEvery(world, 2_100, 3_000, 100);
    runTo(world, 3_050);
    t.match(stand(world, "a"), RUNS_ALONE, "nothing can be mirrored, and nobody waits for it");
    t.match(stand(world, "b"), { running: false });
    t.equal(stand(world, "a").completed, 20);
    t.end();
  },
);

/** The service is gone, `a` is elected, and the VM was moved to `b`, which ceded; at 5,000 `a` dies with writes that it never answered. */
function movedAndKilled(): World {
  const world = written();
  at(world, 1_500, () => cutService(world));
  at(world, 3_500, () => {
    tell(world, world.hosts.a, { kind: "operator", command: { op: "switch-over" } });
  });
  inputEvery(world, 4_000, 5_100, 20);
  at(world, 4_990, () => {
    world.commitTime = (host) => (host === "a" ? 50 : 1);
  });
  at(world, 5_000, () => kill(world, "a"));
  at(world, 5_300, () => {
    world.commitTime = () => 1;
    restart(world, "a");
  });
  at(world, 5_305, () => openAll(world));
  return world;
}

await t.test(
  "a runner that had ceded goes on when its elected peer returns without a write",
  (t) => {
    // 1. The arbiter is lost: `a` is elected, `b` has ceded. 2. An operator moves the VM to `b`. 3. `a` dies with a write under way and returns: a warm extent
    // differs, and after a restart the runner is to go alone. `b` may not, and `a` does not run: the VM stood still until a service came back.
    const world = movedAndKilled();
    const lacked = watchCompletion(world);
    runTo(world, 4_980);
    t.match(stand(world, "a"), { right: "elected", running: false });
    t.match(stand(world, "b"), { right: "ceded", running: true, intake: true });
    runTo(world, 5_600);
    t.match(stand(world, "b"), { right: "ceded", running: true, intake: true, barred: null });
    t.match(stand(world, "a"), { right: "elected", running: false, barred: null });
    t.same([...lacked], [], "the peer has all that is complete");
    t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
    const again = notesSince(world, 5_300).filter((line) => line.includes("compared again"));
    t.ok(again.length > 0, "the hosts met twice");
    t.end();
  },
);

await t.test("what a ceded runner's peer had answered for and lost is no write owed", (t) => {
  // As above, but an image of `a` from before its last writes is put back: what differs stays so after everything owed was sent again.
  const world = movedAndKilled();
  let image = blankDisk();
  at(world, 4_500, () => {
    image = structuredClone(world.hosts.a.disk);
  });
  at(world, 5_001, () => {
    world.hosts.a.disk = image;
  });
  at(world, 6_000, () => mendService(world));
  runTo(world, 5_900);
  t.match(stand(world, "b"), { right: "ceded", running: true, intake: false });
  t.ok(
    world.notes.some(({ note }) => note.what === "alert" && note.code === "copies-differ"),
    "somebody is told",
  );
  runTo(world, 9_000);
  for (const host of HOSTS)
    t.match(stand(world, host), { ...AT_PAR, running: host === "b", barred: null }, host);
  t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
  t.end();
});

await t.test("a path that the peer gives up as silent puts off no suspicion", (t) => {
  // 1. Every link swallows all bytes. 2. `b` notices a moment earlier, gives alink0 up, and the end of that connection still comes through. 3. A closed path counted
  // its silence from its close, so `a` suspected `b` a whole silence later than it should.
  const world = written();
  at(world, 2_000, () => {
    world.delay = () => SWALLOWED;
  });
  at(world, 2_190, () => close(world, "alink0"));
  runTo(world, 2_260);
  const suspected = world.notes.find(({ host, note }) => host === "a" && note.what === "suspect");
  t.ok(
    suspected !== undefined && suspected.time >= 2_180 && suspected.time < 2_220,
    `${suspected?.time}`,
  );
  t.match(stand(world, "a"), RUNS_ALONE);
  t.end();
});
