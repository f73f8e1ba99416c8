/**
 * Goal: in the local bed a process dies, lives again, stands still and goes on; a link is slow, a disk exchanged, a command given, each proven from
 * outside; and nothing of it outlives the run.
 * Method: the bed of fake-bed.ts.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { listeningIn } from "../../harness/local/leftovers.ts";
import { startLocal } from "../../harness/local/start-local.ts";
import { findProxy } from "../../harness/proxy/find-proxy.ts";
import type { Rig } from "../../harness/rig/rig.ts";
import { clusterOf, LINKS, optionsFor, processesWith, SECOND, SPEC, start } from "./fake-bed.ts";

// The first run ever builds the proxy.
t.setTimeout(240_000);
await findProxy({ env: process.env, onProgress: (line) => t.comment(line) });

await t.test("a process that was killed has another life, in its own place", async (t) => {
  const options = optionsFor(t);
  const rig = await startLocal(SPEC, options);
  t.teardown(() => rig.teardown());
  const cluster = clusterOf(options.runDir);
  const isHeard = (): boolean => rig.hosts().every(({ derived }) => derived === "duplex");
  t.ok(await rig.waitFor(isHeard, rig.now() + SECOND), "both hosts are heard");
  for (const life of [2, 3]) {
    await rig.kill("a", "q1");
    t.same([rig.alive("a"), rig.alive("q1")], [false, false], "both at once");
    const before = rig.now();
    const at = await rig.start("a");
    t.ok(at >= before && at <= rig.now(), "the instant lies around the call");
    await rig.start("q1");
    t.match(rig.hosts()[0], { alive: true, derived: null, right: null }, "nothing is known of it");
    const isStarted = (): boolean => startsOf(rig).filter((it) => it["life"] === life).length === 2;
    t.ok(await rig.waitFor(isStarted, rig.now() + 5 * SECOND), "it says when it is ready");
    t.ok(await rig.waitFor(isHeard, rig.now() + SECOND), "and is heard again");
    await rig.start("a");
  }
  t.equal(startsOf(rig).length, 4, "one that lives is not started again");
  const ends = rig.exits().filter(({ process }) => process === "a");
  t.same(ends.length, 2);
  await rig.quiesce();
  await rig.release();
  t.same(await rig.teardown(), [], "nothing is left");
  t.same(listeningIn(cluster), [], "no port");
  t.same(processesWith(options.runDir), [], "no process");
});

function startsOf(rig: Rig) {
  return rig.events().filter(({ source, what }) => source === "harness" && what === "started");
}

await t.test(
  "a next life that never begins breaks the run; one that ends is a finding",
  async (t) => {
    const mute = await startLocal(SPEC, { ...optionsFor(t, "then-never"), readyMs: 1_500 });
    t.teardown(() => mute.teardown());
    await mute.kill("a");
    await mute.start("a");
    const wait = mute.waitFor(() => false, mute.now() + 5 * SECOND);
    await t.rejects(wait, { code: "PROCESS_NOT_READY" });
    const dying = await start(t, {}, "then-exits");
    await dying.kill("a");
    await dying.start("a");
    const hasEnded = (): boolean => dying.exits().length === 2;
    t.ok(await dying.waitFor(hasEnded, dying.now() + 5 * SECOND), "the rig goes on");
    t.match(dying.exits()[1], { process: "a", status: 12, expected: false });
  },
);

await t.test("a process stands still until it is told to go on", async (t) => {
  const options = optionsFor(t);
  const rig = await startLocal(SPEC, options);
  t.teardown(() => rig.teardown());
  const before = rig.now();
  const at = await rig.pause("a");
  t.ok(at >= before && at <= rig.now(), "the instant lies around the call");
  t.same([rig.isPaused("a"), rig.isPaused("b"), rig.alive("a")], [true, false, true]);
  await rig.pause("a");
  await rig.resume("a");
  await rig.resume("a");
  t.equal(rig.isPaused("a"), false);
  await rig.pause("b");
  await rig.kill("b");
  t.same([rig.isPaused("b"), rig.alive("b")], [false, false], "a kill ends it all the same");
  await rig.resume("b");
  await t.rejects(rig.pause("b"), { code: "BAD_SCENARIO" });
  await rig.quiesce();
  await rig.pause("a");
  t.same(await rig.teardown(), [], "nor does one that stands survive");
  t.same(processesWith(options.runDir), [], "no process, no watcher");
});

await t.test("a slow link proves that it is, and only while it does", async (t) => {
  const rig = await start(t);
  const [slow = "", other = ""] = LINKS;
  await rig.delay([slow], { latencyMs: 30, jitterMs: 5 }, "both");
  const isProven = (): boolean => rig.delayed(slow) > 0;
  t.ok(await rig.waitFor(isProven, rig.now() + 3 * SECOND), "a probe took longer");
  t.equal(rig.delayed(other), 0);
  await rig.undelay([slow]);
  await rig.undelay([slow]);
  const seen = rig.delayed(slow);
  await rig.delay([other], { latencyMs: 40, jitterMs: 0 }, "backward");
  const isOther = (): boolean => rig.delayed(other) > 0;
  t.ok(await rig.waitFor(isOther, rig.now() + 3 * SECOND), "one way is enough");
  t.equal(rig.delayed(slow), seen, "the first one is fast again");
  await t.rejects(rig.delay(["a>b/none"], { latencyMs: 1, jitterMs: 0 }, "both"), {
    code: "BAD_SCENARIO",
  });
});

await t.test(
  "a dead host's disk is exchanged for an image of itself, or a blank one",
  async (t) => {
    const options = optionsFor(t);
    const rig = await startLocal(SPEC, options);
    t.teardown(() => rig.teardown());
    const path = join(options.runDir, "disks", "a.disk");
    const old = diskOf({ 0: 1, 9: 2 });
    writeFileSync(path, old);
    const saved = await rig.saveDisk("a");
    t.equal(rig.isPaused("a"), false, "its host stood still for the copy alone");
    writeFileSync(path, diskOf({ 0: 1, 9: 3, 300: 4 }));
    await t.rejects(
      rig.replaceDisk("a", saved),
      { code: "BAD_SCENARIO" },
      "not under a living host",
    );
    await rig.kill("a");
    t.equal(await rig.replaceDisk("a", saved), 2, "two blocks held something else");
    t.ok(readFileSync(path).equals(old), "the old content, to the byte");
    t.ok(statSync(path).blocks * 512 < old.length, "and its holes");
    t.equal(await rig.replaceDisk("a", saved), 0);
    t.equal(await rig.replaceDisk("a", null), 2, "a blank one lacks both");
    t.equal(await rig.replaceDisk("a", null), 0);
    t.notOk(existsSync(path), "the host makes its own");
    await t.rejects(rig.saveDisk("q1"), { code: "BAD_SCENARIO" });
    await rig.teardown();
    t.same(readdirSync(join(options.runDir, "disks")), [], "no image is left");
  },
);

/** A file of 2 MiB with these blocks filled. */
function diskOf(blocks: Readonly<Record<number, number>>): Buffer {
  const bytes = Buffer.alloc(512 * 4_096);
  for (const [index, fill] of Object.entries(blocks)) {
    bytes.fill(fill, 4_096 * Number(index), 4_096 * (Number(index) + 1));
  }
  return bytes;
}

await t.test("an operator's command reaches its host", async (t) => {
  const rig = await start(t);
  const at = await rig.operator("b", { op: "force-boot", damaged: false });
  const heard = (): readonly unknown[] => rig.events().filter(({ what }) => what === "operator");
  t.ok(await rig.waitFor(() => heard().length === 1, rig.now() + SECOND));
  t.match(heard()[0], { source: "host b", op: "force-boot", why: /"wallMs":\d{13}/ });
  t.ok(at <= rig.now());
  await rig.kill("b");
  await t.rejects(rig.operator("b", { op: "drain" }), { code: "BAD_SCENARIO" });
});
