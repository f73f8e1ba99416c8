/**
 * Goal: what an operator asks is done, safely, or refused with a reason; and what follows when the hosts meet again.
 * Method: each course is told step by step to two host cores in the small world of world.ts. Times are milliseconds of virtual time.
 */
import t, { type Test } from "tap";
import type { OperatorCommand } from "../../node/core/host/contract.ts";
import {
  blocksOf,
  boot,
  close,
  completeOf,
  cutService,
  inputEvery,
  kill,
  lackedBy,
  mendService,
  openAll,
  restart,
  stand,
} from "./world.ts";
import { tell } from "./world-effects.ts";
import { at, createWorld, HOSTS, type Host, runTo, WAYS, type World } from "./world-state.ts";

/** Protected, armed, and `a` runs from 194 on; eleven inputs from 400 to 900. */
function written(): World {
  const world = createWorld();
  for (const host of HOSTS) boot(world, host);
  at(world, 5, () => openAll(world));
  inputEvery(world, 400, 900, 50);
  return world;
}

function ask(world: World, host: Host, command: OperatorCommand): void {
  tell(world, world.hosts[host], { kind: "operator", command });
}

/** What the host answered since a time. */
function answersOf(world: World, host: Host, since: number): readonly string[] {
  return world.notes.flatMap(({ time, host: of, note }) =>
    time >= since && of === host && note.what === "operator" ? [`${note.op} ${note.state}`] : [],
  );
}

function codesOf(world: World): readonly string[] {
  return world.notes.flatMap(({ note }) => (note.what === "alert" ? [note.code] : []));
}

/** `name` serves, backed by the other. */
function isDuplex(t: Test, world: World, name: Host): void {
  for (const host of HOSTS) {
    t.match(
      stand(world, host),
      { right: "open", derived: "duplex", running: host === name, barred: null },
      `${host} is duplex`,
    );
  }
  t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
}

function die(world: World, victim: Host): void {
  kill(world, victim);
  for (const way of WAYS) close(world, way, victim === "a" ? "b" : "a");
}

await t.test("a switch-over moves the VM with everything that was complete", (t) => {
  const world = written();
  inputEvery(world, 1_000, 4_000, 100);
  let owed = new Map() as ReturnType<typeof completeOf>;
  at(world, 1_999, () => {
    owed = completeOf(world, "a");
  });
  at(world, 2_000, () => ask(world, "a", { op: "switch-over" }));
  runTo(world, 2_030);
  t.match(stand(world, "b"), { running: true, intake: true }, "b runs within 30 ms");
  runTo(world, 5_000);
  isDuplex(t, world, "b");
  t.same(lackedBy(world, "b", owed), [], "nothing is missing");
  t.same(answersOf(world, "a", 0), ["switch-over accepted", "switch-over done"]);
  t.end();
});

await t.test("a host that dies right after its handover costs a boot and nothing else", (t) => {
  const world = written();
  at(world, 2_000, () => ask(world, "a", { op: "switch-over" }));
  at(world, 2_010.05, () => die(world, "a"));
  runTo(world, 4_000);
  t.match(stand(world, "b"), { right: "sole", running: true, intake: true });
  t.end();
});

await t.test("a host that is asked for its VM and has none, or no peer, refuses", (t) => {
  const world = written();
  at(world, 2_000, () => ask(world, "b", { op: "switch-over" }));
  at(world, 2_100, () => die(world, "b"));
  at(world, 3_000, () => ask(world, "a", { op: "switch-over" }));
  at(world, 3_001, () => ask(world, "a", { op: "drain" }));
  runTo(world, 3_100);
  t.same(answersOf(world, "b", 0), ["switch-over refused"]);
  t.same(answersOf(world, "a", 0), ["switch-over refused", "drain refused"]);
  t.match(stand(world, "a"), { right: "sole", running: true, intake: true });
  t.end();
});

await t.test("a drained host leaves at once, and returns as a target", (t) => {
  const world = written();
  inputEvery(world, 1_000, 8_000, 100);
  at(world, 2_000, () => ask(world, "a", { op: "drain" }));
  runTo(world, 2_060);
  t.match(stand(world, "b"), { right: "sole", running: true, intake: true }, "b needs no silence");
  t.match(stand(world, "a"), { right: "ceded", running: false, barred: "drained" });
  t.same(answersOf(world, "a", 0), ["drain accepted", "drain done"]);
  at(world, 5_000, () => restart(world, "a"));
  at(world, 5_005, () => openAll(world));
  runTo(world, 9_000);
  isDuplex(t, world, "b");
  t.end();
});

await t.test("a copy is booted by force, and the peer that comes back follows it", (t) => {
  const world = written();
  at(world, 2_000, () => {
    die(world, "a");
    cutService(world);
  });
  at(world, 2_500, () => ask(world, "b", { op: "force-boot", damaged: false, wallMs: 1 }));
  inputEvery(world, 3_200, 4_000, 100);
  runTo(world, 4_100);
  t.match(stand(world, "b"), { right: "sole", running: true, intake: true, completed: 9 });
  t.equal(world.hosts.b.disk.page?.gen?.kind, "forced", "its generation says so");
  t.match(world.hosts.b.disk.page?.hold, { kind: "force", wallMs: 1 });
  t.ok(codesOf(world).includes("forced"), "and an alert");
  at(world, 4_200, () => {
    mendService(world);
    restart(world, "a");
  });
  at(world, 4_205, () => openAll(world));
  runTo(world, 9_000);
  isDuplex(t, world, "b");
  t.equal(world.hosts.b.disk.page?.hold, null, "the pairing ends the hold");
  t.end();
});

await t.test("force is refused while the peer is there, and for a copy that is not whole", (t) => {
  const world = written();
  at(world, 2_000, () => ask(world, "b", { op: "force-boot", damaged: false, wallMs: 1 }));
  // b becomes a target, and its source dies amid the resync.
  at(world, 2_100, () => die(world, "b"));
  at(world, 3_000, () => boot(world, "b"));
  at(world, 3_005, () => openAll(world));
  world.onSend = (frame, from) => {
    if (frame.body.kind === "sums" && from === "b") at(world, world.now, () => die(world, "a"));
    return frame;
  };
  inputEvery(world, 2_500, 3_000, 50);
  runTo(world, 6_000);
  t.match(world.hosts.b.disk.page, { right: "ceded", copy: "inconsistent" });
  t.match(stand(world, "b"), { running: false, derived: "resync-target" });
  at(world, 6_100, () => ask(world, "b", { op: "force-boot", damaged: false, wallMs: 1 }));
  runTo(world, 6_500);
  t.same(answersOf(world, "b", 0), ["force-boot refused", "force-boot refused"]);
  t.match(stand(world, "b"), { running: false });
  at(world, 6_600, () => ask(world, "b", { op: "force-boot", damaged: true, wallMs: 2 }));
  runTo(world, 7_000);
  t.match(stand(world, "b"), { right: "sole", running: true, intake: true });
  t.equal(world.hosts.b.disk.page?.gen?.kind, "damaged", "marked for ever");
  t.end();
});

/** Both were forced while they did not see each other, and wrote; they meet at 4,100. */
function splitBrain(): World {
  const world = written();
  at(world, 2_000, () => {
    for (const host of HOSTS) kill(world, host);
    cutService(world);
  });
  at(world, 2_100, () => {
    for (const host of HOSTS) boot(world, host);
  });
  at(world, 3_000, () => {
    for (const host of HOSTS) ask(world, host, { op: "force-boot", damaged: false, wallMs: 1 });
  });
  inputEvery(world, 3_300, 4_000, 100);
  at(world, 4_100, () => openAll(world));
  return world;
}

await t.test("a split brain is found by both, nothing is copied, and both go on", (t) => {
  const world = splitBrain();
  inputEvery(world, 4_200, 5_000, 100);
  runTo(world, 6_000);
  for (const host of HOSTS) {
    t.match(stand(world, host), { right: "sole", derived: "split-brain", running: true });
    t.match(world.hosts[host].disk.page?.hold, { kind: "split-brain" }, `${host} remembers it`);
  }
  t.equal(codesOf(world).filter((code) => code === "split-brain").length, 2, "both alert");
  t.end();
});

for (const [told, keep] of [
  ["a", "a"],
  ["b", "a"],
  ["a", "b"],
] as const) {
  await t.test(`${told} is told to keep ${keep}: the other's blocks are saved first`, (t) => {
    const world = splitBrain();
    const loser = keep === "a" ? "b" : "a";
    let wasUnsaved = false;
    at(world, 5_000, () => {
      mendService(world);
      ask(world, told, { op: "resolve", keep, damaged: false });
    });
    world.afterEach = () => {
      const isGivenUp = world.hosts[loser].disk.page?.copy === "behind";
      if (isGivenUp && world.saved.length === 0) wasUnsaved = true;
    };
    runTo(world, 9_000);
    t.notOk(wasUnsaved, "no page gave the copy up before its blocks were saved");
    isDuplex(t, world, keep);
    t.match(world.saved, [{ host: loser }], "once");
    t.end();
  });
}

await t.test("contradicting words resolve nothing", (t) => {
  const world = splitBrain();
  at(world, 5_000, () => {
    for (const host of HOSTS) ask(world, host, { op: "resolve", keep: host, damaged: false });
  });
  runTo(world, 9_000);
  for (const host of HOSTS) t.match(stand(world, host), { right: "sole", derived: "split-brain" });
  t.same(world.saved, [], "nothing was given up");
  t.end();
});

await t.test("a word given without a session waits for one", (t) => {
  const world = splitBrain();
  at(world, 4_500, () => {
    for (const way of WAYS) close(world, way);
  });
  at(world, 5_000, () => {
    mendService(world);
    ask(world, "b", { op: "resolve", keep: "a", damaged: false });
  });
  runTo(world, 6_000);
  t.match(stand(world, "b"), { running: false }, "b stopped");
  t.match(world.hosts.b.disk.page?.hold, { kind: "discard" }, "durably");
  at(world, 6_000, () => openAll(world));
  runTo(world, 10_000);
  isDuplex(t, world, "a");
  t.match(world.saved, [{ host: "b" }]);
  t.end();
});
