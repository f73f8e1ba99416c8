/**
 * Goal: a key with a time to live is there until exactly then and never again, over reboots and power failures too.
 * Method: virtual time moved by hand, with the ticks that the guest asks for; boots from what it wrote.
 */
import t from "tap";
import { survivors } from "./lives.ts";
import { command, type Rig, startRig, volumeAfter } from "./rig.ts";

const MS = 1000;
const SECOND = 1_000_000;

function start(options: Parameters<typeof startRig>[0] = {}, before: Rig | null = null): Rig {
  const rig = startRig(options, before === null ? [] : volumeAfter([], before.writes));
  rig.open(1);
  return rig;
}

const ask = (rig: Rig, line: string): string => rig.ask(1, `${line}\r\n`);
const number = (reply: string): number => Number(/^:(-?\d+)\r\n$/.exec(reply)?.[1]);

await t.test("a key lives to the microsecond, and no command sees it afterwards", async (t) => {
  const gone: readonly (readonly [string, string])[] = [
    ["GET k", "$-1\r\n"],
    ["EXISTS k", ":0\r\n"],
    ["TTL k", ":-2\r\n"],
    ["STRLEN k", ":0\r\n"],
    ["TYPE k", "+none\r\n"],
    ["DEL k", ":0\r\n"],
    ["DBSIZE", ":0\r\n"],
    ["KEYS *", "*0\r\n"],
    ["SCAN 0", "*2\r\n$1\r\n0\r\n*0\r\n"],
    ["INCR k", ":1\r\n"],
    ["APPEND k x", ":1\r\n"],
    ["RPUSH k x", ":1\r\n"],
    ["SET k w XX", "$-1\r\n"],
    ["SET k w NX", "+OK\r\n"],
    ["SET k w GET", "$-1\r\n"],
    ["EXPIRE k 1", ":0\r\n"],
    ["PERSIST k", ":0\r\n"],
  ];
  for (const [line, reply] of gone) {
    const rig = start();
    ask(rig, "SET k 5 PX 100");
    // Its entry has time 30; the next two come at 40 and 50.
    rig.wait(100 * MS - 20);
    t.equal(ask(rig, "PTTL k"), ":1\r\n", "its last 10 microseconds");
    t.equal(ask(rig, line), reply, line);
  }
  const list = start();
  ask(list, "RPUSH l a b");
  ask(list, "PEXPIRE l 100");
  list.wait(100 * MS);
  t.equal(ask(list, "LRANGE l 0 -1"), "*0\r\n");
  t.equal(ask(list, "RPUSH l c"), ":1\r\n", "a new list is a new one");
  t.equal(ask(list, "TTL l"), ":-1\r\n", "that lives on");
});

await t.test("the guest asks for a tick to remove what nobody asks for", async (t) => {
  const rig = start();
  t.equal(rig.last().timerAt, null, "no key expires");
  ask(rig, "SET k v PX 500");
  t.ok((rig.last().timerAt ?? 0) > 0, "a timer is set");
  const before = rig.writes.length;
  rig.live(700 * MS);
  t.ok(rig.writes.length > before, "its end is logged");
  t.equal(rig.last().timerAt, null, "nothing is left to wait for");
  t.match(ask(rig, "INFO"), /expired_keys:1\r\n/);
  const next = start({ seed: 2 }, rig);
  t.equal(ask(next, "EXISTS k"), ":0\r\n", "a boot does not bring it back");

  ask(rig, "SET k v PX 500");
  ask(rig, "PERSIST k");
  t.equal(rig.last().timerAt, null, "a key that lives on needs none");
});

await t.test("what remains of a time to live goes on over a boot, the outage aside", async (t) => {
  const rig = start();
  ask(rig, "SET k v EX 100");
  ask(rig, "RPUSH l a");
  ask(rig, "EXPIRE l 100");
  rig.live(40 * SECOND);
  const remains = number(ask(rig, "PTTL k"));
  t.ok(remains > 59_990 && remains <= 60_000, `${remains} ms remain`);
  const next = start({ seed: 2 }, rig);
  for (const key of ["k", "l"]) {
    const left = number(ask(next, `PTTL ${key}`));
    t.ok(left >= remains - 1 && left <= remains + 1000, `${left} ms remain after the boot`);
  }
  next.live(61 * SECOND);
  t.equal(ask(next, "EXISTS k l"), ":0\r\n", "then they end");
  const third = start({ seed: 3 }, { ...next, writes: [...rig.writes, ...next.writes] });
  t.equal(ask(third, "EXISTS k l"), ":0\r\n", "for good");
});

await t.test("a key that was seen expired stays so after any power failure", async (t) => {
  for (const line of ["GET k", "DBSIZE", "KEYS *", "MULTI\r\nGET k\r\nEXEC"]) {
    const rig = start();
    ask(rig, "SET k v PX 100");
    rig.wait(SECOND);
    ask(rig, line);
    const barrier = rig.outputs.at(-1)?.barrier ?? 0;
    t.equal(barrier, rig.last().flushes, `the reply to ${JSON.stringify(line)} waits for a flush`);
    const cut = { through: barrier, keeps: () => false };
    const next = startRig({ seed: 2 }, survivors([], rig.writes, cut));
    next.open(1);
    t.equal(ask(next, "EXISTS k"), ":0\r\n", "whose boot does not bring it back");
  }
});

await t.test("a time to live that is not acknowledged does not outlive itself", async (t) => {
  const rig = start();
  ask(rig, "SET old v");
  // Nothing is logged in this hour, since nothing expires.
  rig.live(3600 * SECOND);
  ask(rig, "SET k v PX 1000");
  // Sectors of the last epoch that a boot replays its records from, one after the other.
  for (let kept = 1; kept <= 8; kept += 1) {
    let sectors = 0;
    const keeps = (): boolean => {
      sectors += 1;
      return sectors <= kept;
    };
    const blocks = survivors([], rig.writes, { through: rig.last().flushes - 1, keeps });
    const next = startRig({ seed: 2 }, blocks);
    next.open(1);
    const left = number(ask(next, "PTTL k"));
    t.ok(left <= 1000, `${left} ms remain, with ${kept} sectors`);
  }
});

await t.test(
  "what changes a value keeps its time to live, what replaces it does not",
  async (t) => {
    const rig = start();
    const keeping = [
      "INCR k",
      "APPEND k 1",
      "DECRBY k 2",
      "SET k 1 KEEPTTL",
      "SET k 2 XX KEEPTTL GET",
    ];
    for (const line of keeping) {
      ask(rig, "SET k 5 EX 100");
      ask(rig, line);
      t.equal(ask(rig, "TTL k"), ":100\r\n", line);
    }
    for (const line of ["SET k 1", "MSET k 1", "PERSIST k"]) {
      ask(rig, "SET k 5 EX 100");
      ask(rig, line);
      t.equal(ask(rig, "TTL k"), ":-1\r\n", line);
    }
    const next = start({ seed: 2 }, rig);
    t.equal(ask(next, "TTL k"), ":-1\r\n", "after a boot too");
    t.match(ask(rig, "SET k v EXAT 2000000000"), /^-ERR .*wall clock/, "there is no wall clock");
  },
);

await t.test("thousands of keys that end at once are removed in bounded entries", async (t) => {
  const rig = start({ volumeBlocks: 16_384 });
  const count = 6000;
  const sets = Array.from({ length: count }, (_, n) => command("SET", `k${n}`, "v", "PX", "1000"));
  rig.ask(1, sets.join(""));
  ask(rig, "SET stays v PX 60000");
  const before = rig.writes.length;
  rig.live(2 * SECOND);
  const perEntry = new Map<number, number>();
  for (const { cause } of rig.writes.slice(before)) {
    perEntry.set(cause, (perEntry.get(cause) ?? 0) + 1);
  }
  t.ok(perEntry.size > 5, `${perEntry.size} entries`);
  t.ok(Math.max(...perEntry.values()) < 40, "none wrote more than 40 blocks");
  t.match(ask(rig, "INFO"), new RegExp(`expired_keys:${count}\r\n`));
  t.equal(ask(rig, "DBSIZE"), ":1\r\n", "the others are there");
  const next = start({ volumeBlocks: 16_384, seed: 2 }, rig);
  t.equal(ask(next, "KEYS *"), "*1\r\n$5\r\nstays\r\n");
});

await t.test("checkpoints keep times to live", async (t) => {
  const rig = start({ volumeBlocks: 64 });
  ask(rig, "SET k v EX 1000");
  ask(rig, `RPUSH l ${"e".repeat(3000)} ${"f".repeat(3000)}`);
  ask(rig, "EXPIRE l 1000");
  for (let n = 0; n < 500; n += 1) ask(rig, `SET other${n % 9} ${"x".repeat(2000)}`);
  t.match(ask(rig, "INFO"), /checkpoints:[1-9]\d\r\n/);
  const next = start({ volumeBlocks: 64, seed: 2 }, rig);
  for (const key of ["k", "l"]) t.equal(ask(next, `TTL ${key}`), ":1000\r\n", key);
  t.equal(ask(next, "DBSIZE"), ":11\r\n");
});
