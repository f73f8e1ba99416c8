/**
 * Goal: schedules found by attacking the finished core with an operator's commands, which each broke a rule or left the pair stuck, stay harmless.
 * Method: each schedule is told step by step to two host cores in the small world of world.ts, which then are looked at from outside. Times are
 * milliseconds of virtual time.
 */
import t from "tap";
import { timingFor } from "../../node/core/timing.ts";
import { answersOf, ask, die, isDuplex, written } from "./courses.ts";
import {
  boot,
  close,
  cutService,
  inputEvery,
  kill,
  mendService,
  openAll,
  restart,
  stand,
} from "./world.ts";
import { at, blankDisk, createWorld, HOSTS, runTo, WAYS, type World } from "./world-state.ts";

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

const FORCE = { op: "force-boot", damaged: false, wallMs: 1 } as const;

await t.test("a host that is forced while its claim is out takes no grant", (t) => {
  // 1. `a` dies; `b` claims, and the service is slow. 2. An operator forces `b`. 3. The grant arrives: the core ended by an InvariantViolation, for only a copy in
  // sync is granted anything.
  const world = written();
  at(world, 2_000, () => die(world, "a"));
  at(world, 2_100, () => {
    world.serviceDelay = 300;
  });
  at(world, 2_400, () => ask(world, "b", FORCE));
  runTo(world, 5_000);
  t.match(stand(world, "b"), { right: "sole", running: true, intake: true });
  t.equal(world.hosts.b.disk.page?.gen?.kind, "forced");
  t.end();
});

await t.test("no session opens on what a host was before it was forced", (t) => {
  // 1. Service and link are gone. 2. The link is back; `b` has answered the hello as `open`. 3. An operator forces `b`. 4. `a`'s first frame opened the session at par
  // beside a host that was alone (P8).
  const world = written();
  at(world, 2_000, () => {
    cutService(world);
    for (const way of WAYS) close(world, way);
  });
  at(world, 4_500, () => openAll(world));
  at(world, 4_500.65, () => ask(world, "b", FORCE));
  runTo(world, 4_550);
  t.match(stand(world, "b"), { right: "sole", session: false });
  runTo(world, 7_000);
  t.match(stand(world, "a"), { derived: "pre-elected", running: false });
  t.match(stand(world, "b"), { derived: "pre-elected", running: true, intake: true });
  t.end();
});

await t.test("an elected host follows the peer that was booted by force in its absence", (t) => {
  // 1. The service is lost: `a` is elected. 2. It dies, and an operator forces `b`, the only way out. 3. `a` returns, elected beside sole: the table knew no such
  // pair, and `a` was unrelated for ever (5.3).
  const world = written();
  at(world, 2_000, () => cutService(world));
  at(world, 4_000, () => die(world, "a"));
  at(world, 5_000, () => ask(world, "b", FORCE));
  inputEvery(world, 5_500, 6_000, 100);
  at(world, 7_000, () => {
    mendService(world);
    boot(world, "a");
  });
  at(world, 7_005, () => openAll(world));
  runTo(world, 9_000);
  isDuplex(t, world, "b");
  t.end();
});

await t.test("a host barred by a verdict boots when it is forced", (t) => {
  // 1. The service is lost: `a` is elected. 2. Its disk is replaced; `b`, ceded, meets a blank peer and is barred until a later session. 3. `a` is taken away, and
  // an operator forces `b`: it was alone, and still barred.
  const world = written();
  at(world, 2_000, () => cutService(world));
  at(world, 4_000, () => {
    die(world, "a");
    world.hosts.a.disk = blankDisk();
    boot(world, "a");
  });
  at(world, 4_005, () => openAll(world));
  at(world, 6_000, () => die(world, "a"));
  runTo(world, 5_900);
  t.match(stand(world, "b"), { barred: "D2" });
  at(world, 7_000, () => ask(world, "b", FORCE));
  runTo(world, 7_100);
  t.match(stand(world, "b"), { right: "sole", running: true, intake: true, barred: null });
  t.end();
});

/** Ways and service are cut at 10,000, `b` is forced, `a` is granted: both are alone, and meet at 13,000. */
function split(world: World): void {
  inputEvery(world, 1_000, 15_000, 50);
  at(world, 10_000, () => {
    cutService(world);
    for (const way of WAYS) close(world, way);
  });
  at(world, 11_000, () => ask(world, "b", FORCE));
  at(world, 11_500, () => mendService(world));
  at(world, 13_000, () => openAll(world));
}

await t.test("an operator's word for one copy is not kept for a later split brain", (t) => {
  // 1. `b` is away; an operator says on `a` that its copy stays, though nobody contradicts. 2. `b` returns as a target, and the pair is whole. 3. Much later both go
  // alone. `a` still had the word, and made `b` give up what it had acknowledged, unasked.
  const world = written();
  at(world, 2_000, () => die(world, "b"));
  at(world, 3_000, () => ask(world, "a", { op: "resolve", keep: "a", damaged: false }));
  at(world, 4_000, () => boot(world, "b"));
  at(world, 4_005, () => openAll(world));
  split(world);
  runTo(world, 9_900);
  isDuplex(t, world, "a");
  runTo(world, 16_000);
  for (const host of HOSTS)
    t.match(stand(world, host), { right: "sole", derived: "split-brain" }, `${host} waits`);
  t.same(world.saved, [], "nothing was given up");
  t.end();
});

await t.test("of two words that contradict none wins because the other is lost", (t) => {
  // 1. Both are told that their copy stays. 2. They meet; `b`'s word is lost with the link. `a`'s was obeyed.
  const world = written();
  split(world);
  at(world, 12_000, () => {
    for (const keep of HOSTS) ask(world, keep, { op: "resolve", keep, damaged: false });
  });
  let isLost = false;
  world.onSend = (frame, from) => {
    if (isLost || from !== "b" || frame.body.kind !== "discard") return frame;
    isLost = true;
    at(world, world.now, () => close(world, "alink0"));
    return null;
  };
  runTo(world, 16_000);
  t.ok(isLost);
  for (const host of HOSTS)
    t.match(stand(world, host), { right: "sole", derived: "split-brain" }, `${host} waits`);
  at(world, 16_000, () => ask(world, "b", { op: "resolve", keep: "a", damaged: false }));
  runTo(world, 19_000);
  isDuplex(t, world, "a");
  t.end();
});
