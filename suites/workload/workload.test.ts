/**
 * Goal: probe and clients record what a guest did, keep to their timetable whatever it does, and keep the rule of histories.
 * Method: run them against a fake guest that falls silent, resets its connections and refuses, and read the history as it grows.
 */
import t from "tap";
import { checkDurability } from "../../harness/check/durability.ts";
import { checkLinearizability } from "../../harness/check/linearizability.ts";
import { operationsOf } from "../../harness/check/operations.ts";
import { startClient } from "../../harness/workload/client.ts";
import { createConnection } from "../../harness/workload/connection.ts";
import { createReferenceLoad } from "../../harness/workload/generator.ts";
import { PROBE_PERIOD_US, startProbe } from "../../harness/workload/probe.ts";
import { untilAnswered } from "../../harness/workload/workload.ts";
import { at, bench, guestOf, SPEC, targetOf, workloadOf } from "./bench.ts";
import { brokenRules, endsIn, invokesIn } from "./kept-history.ts";

await t.test(
  "the probe writes a new key on each slot of its timetable and keeps it through a stall of the guest",
  async (t) => {
    const guest = await guestOf(t);
    const { history, recorder, now } = bench();
    const startedAt = now();
    const probe = startProbe({
      target: targetOf(guest.port),
      recorder,
      now,
      late: () => undefined,
    });
    await history.until("50 acks", () => endsIn(history.lines).length >= 50);
    guest.silence();
    const before = invokesIn(history.lines).length;
    const silentFrom = now();
    await history.until("50 ms of silence", () => now() - silentFrom >= 50_000);
    const issued = invokesIn(history.lines).length - before;
    t.ok(issued >= 24, `${issued} slots in 50 ms`);
    guest.wake();
    await history.until("the rest", () => endsIn(history.lines).length >= before + issued);
    probe.stop();
    await recorder.idle();
    probe.close();
    await guest.close();
    const invokes = invokesIn(history.lines);
    t.equal(new Set(invokes.map(({ key }) => key)).size, invokes.length);
    t.ok(invokes.every(({ value, role }) => value?.length === 8 && role === "probe"));
    t.ok(
      invokes.every(({ at }, slot) => at - startedAt > slot * PROBE_PERIOD_US - 1_000),
      "never early",
    );
    const first = invokes[0]?.at ?? 0;
    const slots = Math.floor(((invokes.at(-1)?.at ?? 0) - first + 1_000) / PROBE_PERIOD_US) + 1;
    t.ok(slots - invokes.length <= 1, `${invokes.length} of ${slots} slots`);
    t.ok(endsIn(history.lines).every(({ type }) => type === "ok"));
    t.equal(probe.live.size(), invokes.length);
    t.same(brokenRules(history.lines), []);
  },
);

await t.test(
  "a reset makes what is under way info, and without a connection a slot fails at once",
  async (t) => {
    const guest = await guestOf(t);
    const { history, recorder, now } = bench();
    const probe = startProbe({
      target: targetOf(guest.port),
      recorder,
      now,
      late: () => undefined,
    });
    await history.until("an ack", () => endsIn(history.lines).length > 0);
    guest.silence();
    await history.until("10 under way", () => recorder.inFlightWrites() >= 10);
    await guest.close();
    await history.until("failures", () => recorder.counts().fail >= 5);
    const back = await guestOf(t, guest.port);
    const failed = recorder.counts().fail;
    const known = recorder.counts().ok;
    await history.until("acks after the reset", () => recorder.counts().ok >= known + 10);
    probe.stop();
    await recorder.idle();
    probe.close();
    await back.close();
    const operations = operationsOf(history.lines);
    const ends = endsIn(history.lines);
    t.ok(recorder.counts().info >= 10);
    t.ok(ends.every((end) => end.type !== "fail" || end.error === "NOT_CONNECTED"));
    t.ok(
      operations.every(({ end, invokedAt }) => end.kind !== "fail" || end.at - invokedAt < 1_000),
    );
    t.ok(ends.every((end) => end.type !== "info" || /ECONNRESET|CLOSED/.test(end.error)));
    t.ok(failed >= 5);
    t.same(brokenRules(history.lines), []);
  },
);

await t.test(
  "an operation without an answer for 2 s is info, and its late answer is nobody's",
  async (t) => {
    const guest = await guestOf(t);
    const { history, recorder } = bench();
    const load = createReferenceLoad({ seed: 1, clients: 1 });
    const client = startClient({
      target: targetOf(guest.port),
      recorder,
      load: load.client(0),
      thinkMs: 1,
      isFaultWindow: () => true,
    });
    await history.until("20 operations", () => recorder.counts().ok >= 20);
    guest.silence();
    await history.until("a timeout", () => recorder.counts().info >= 1);
    guest.wake();
    const known = recorder.counts().ok;
    await history.until("10 more", () => recorder.counts().ok >= known + 10);
    client.stop();
    await recorder.idle();
    client.close();
    await guest.close();
    const timeouts = operationsOf(history.lines).filter(({ end }) => end.kind === "info");
    t.equal(timeouts.length, 1);
    const info = history.lines.find(({ type }) => type === "info");
    const late = (info?.type === "info" ? info.at : 0) - (timeouts[0]?.invokedAt ?? 0);
    t.ok(late >= 2_000_000 && late < 2_200_000, `${late} µs`);
    t.same(brokenRules(history.lines), []);
  },
);

await t.test("clients come back after a reset under new process numbers", async (t) => {
  const guest = await guestOf(t);
  const { history, recorder, now } = bench();
  const workload = workloadOf(t, { spec: SPEC, targets: at(guest), recorder, now });
  await history.until("200 operations", () => recorder.counts().ok >= 200);
  workload.phase("fault");
  guest.silence();
  await history.until("all clients under way", () => {
    const load = operationsOf(history.lines).filter(({ role }) => role === "load");
    return load.slice(-8).filter(({ end }) => end.kind === "info").length === 8;
  });
  guest.reset();
  guest.wake();
  const known = recorder.counts().ok;
  await history.until("200 more", () => recorder.counts().ok >= known + 200);
  await workload.finish(now() + 10_000_000);
  await guest.close();
  const load = operationsOf(history.lines).filter(({ role }) => role === "load");
  t.equal(load.filter(({ end }) => end.kind === "info").length, 8);
  t.equal(new Set(load.map(({ process }) => process)).size, 16);
  t.same(brokenRules(history.lines), []);
});

await t.test(
  "at the end every key that may be there is read, and refused reads are tried again",
  async (t) => {
    const guest = await guestOf(t);
    const { history, recorder, now } = bench();
    const workload = workloadOf(t, { spec: SPEC, targets: at(guest), recorder, now });
    await history.until("2000 operations", () => recorder.counts().ok >= 2_000);
    guest.refuseKeys("o");
    const finished = workload.finish(now() + 10_000_000);
    await history.until("a refused read", () => {
      const last = history.lines.at(-1);
      return (
        last?.type === "fail" &&
        history.lines.some((line) => line.type === "phase" && line.phase === "final-reads")
      );
    });
    guest.refuseKeys("");
    await finished;
    await guest.close();
    const operations = operationsOf(history.lines);
    const from = history.lines.findIndex(
      (line) => line.type === "phase" && line.phase === "final-reads",
    );
    const firstFinal = invokesIn(history.lines.slice(from))[0]?.op ?? 0;
    const read = new Set(
      operations
        .filter(({ op, end }) => op >= firstFinal && end.kind === "ok")
        .map(({ key }) => key),
    );
    t.same(
      [...guest.keys.keys()].filter((key) => !read.has(key)),
      [],
    );
    t.ok(operations.every(({ op, role }) => op < firstFinal || role === "readback"));
    t.match(history.lines.at(-1), { type: "phase", phase: "end" });
    t.same(brokenRules(history.lines), []);
  },
);

await t.test("a final read without an answer ends with the deadline", async (t) => {
  const guest = await guestOf(t);
  const { history, recorder, now } = bench();
  const workload = workloadOf(t, {
    spec: { ...SPEC, kind: "probe" },
    targets: at(guest),
    recorder,
    now,
  });
  await history.until("100 acks", () => recorder.counts().ok >= 100);
  guest.silence();
  const from = now();
  await workload.finish(from + 300_000);
  await guest.close();
  const took = now() - from;
  t.ok(took >= 300_000 && took < 1_000_000, `${took} µs`);
  t.match(history.lines.at(-1), { type: "phase", phase: "end" });
  t.equal(endsIn(history.lines).length, invokesIn(history.lines).length);
  t.same(brokenRules(history.lines), []);
});

await t.test("the probe's old keys are read back and deleted outside fault windows", async (t) => {
  const guest = await guestOf(t);
  const { history, recorder, now } = bench();
  const workload = workloadOf(t, {
    spec: { ...SPEC, kind: "probe" },
    targets: at(guest),
    recorder,
    now,
    liveMax: 100,
  });
  await history.until(
    "300 slots",
    () => guest.commands.filter(([name]) => name === "SET").length >= 300,
  );
  t.ok(guest.keys.size <= 200, `${guest.keys.size} keys`);
  workload.phase("fault");
  await history.until("the last delete", () => recorder.inFlightWrites() === 0);
  const from = history.lines.length;
  const keys = guest.keys.size;
  await history.until("200 keys more", () => guest.keys.size >= keys + 200);
  t.ok(invokesIn(history.lines.slice(from)).every(({ role }) => role === "probe"));
  workload.phase("calm");
  await history.until("fewer keys", () => guest.keys.size <= 200);
  await workload.finish(now() + 10_000_000);
  await guest.close();
  const deleted = new Map<string, string | undefined>();
  const last = new Map<string, string>();
  for (const { key, f } of invokesIn(history.lines)) {
    if (f === "delete") deleted.set(key, last.get(key));
    last.set(key, f);
  }
  t.ok(deleted.size >= 250, `${deleted.size} deletes`);
  t.ok([...deleted.values()].every((before) => before === "read"));
  t.same(brokenRules(history.lines), []);
});

await t.test("a guest that cannot be reached yet is asked until it answers", async (t) => {
  const gone = await guestOf(t);
  await gone.close();
  const answered = untilAnswered(targetOf(gone.port));
  const refused = createConnection(targetOf(gone.port));
  const answer = await new Promise((resolve) => refused.send(["PING"], resolve));
  t.same(answer, { kind: "lost", error: "NOT_CONNECTED" });
  const guest = await guestOf(t, gone.port);
  await answered;
  refused.close();
  await guest.close();
  t.same(guest.commands[0], ["PING"]);
});

await t.test(
  "a guest that keeps what it acknowledged passes the checkers, one that forgets a key does not",
  async (t) => {
    for (const isForgetful of [false, true]) {
      const guest = await guestOf(t);
      const { history, recorder, now } = bench();
      const workload = workloadOf(t, {
        spec: SPEC,
        targets: at(guest),
        recorder,
        now,
        liveMax: 200,
      });
      await history.until("3000 operations", () => recorder.counts().ok >= 3_000);
      workload.phase("fault");
      guest.silence();
      await history.until("writes under way", () => recorder.inFlightWrites() >= 20);
      guest.reset();
      guest.wake();
      const known = recorder.counts().ok;
      await history.until("500 more", () => recorder.counts().ok >= known + 500);
      // The cleaner may have been about to delete the oldest ones when the guest fell silent: nobody could miss these.
      const cleaned = new Set(
        invokesIn(history.lines).flatMap(({ f, key }) => (f === "delete" ? [key] : [])),
      );
      const isMissed = (key: string): boolean => key.startsWith("o") && !cleaned.has(key);
      const once = [...guest.keys.keys()].find(isMissed) ?? "";
      if (isForgetful) guest.keys.delete(once);
      await workload.finish(now() + 10_000_000);
      const { check, lost, acknowledged, judged } = checkDurability(
        operationsOf(history.lines),
        [],
      );
      t.equal(check.verdict, isForgetful ? "fail" : "pass", check.why);
      t.equal(lost.acknowledged, isForgetful ? 1 : 0);
      t.ok(judged > 0.65 * acknowledged, `${judged} of ${acknowledged} judged`);
      const linear = checkLinearizability(history.lines).check;
      t.equal(linear.verdict, isForgetful ? "fail" : "pass", linear.why);
    }
  },
);
