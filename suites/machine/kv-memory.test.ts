/**
 * Goal: a guest in a memory that cannot grow lives on: full is an answer and not an end, and space that was given back is used again.
 * Method: fill it, churn it, fill its log, and boot it again from what it wrote.
 */
import t from "tap";
import { command, startRig, volumeAfter } from "./rig.ts";

const OOM = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
const LOG_FULL = "-ERR log full\r\n";
/** 64 MiB; its log holds 48. */
const LARGE = { memoryPages: 64, volumeBlocks: 16_384 };

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

await t.test("a full memory answers OOM, and nothing that was acknowledged is lost", async (t) => {
  const rig = startRig(LARGE);
  rig.open(1);
  const value = (n: number): string => `${n}`.padStart(1000, "v");
  let count = 0;
  while (rig.ask(1, command("SET", `k${count}`, value(count))) === "+OK\r\n") count += 1;
  t.ok(count > 2800, `${count} keys of 1000 bytes fit 4 MiB`);
  t.equal(rig.ask(1, command("SET", "more", value(0))), OOM, "SET is refused");
  t.equal(rig.ask(1, command("RPUSH", "list", value(0))), OOM, "RPUSH is refused");
  t.equal(rig.ask(1, command("EXISTS", "more", "list")), ":0\r\n", "what was refused is not there");

  t.equal(
    rig.ask(1, command("SET", "k0", value(7))),
    "+OK\r\n",
    "a value of equal size is replaced",
  );
  t.equal(rig.ask(1, command("SET", "k1", value(1))), "+OK\r\n", "over and over");
  t.equal(rig.ask(1, command("DEL", "k2")), ":1\r\n", "a key is deleted");
  t.equal(rig.ask(1, command("SET", "k2", value(2))), "+OK\r\n", "its space can be used again");
  const allThere = (from: typeof rig): boolean => {
    for (let n = 1; n < count; n += 1) {
      if (from.ask(1, command("GET", `k${n}`)) !== bulk(value(n))) return false;
    }
    return from.ask(1, command("GET", "k0")) === bulk(value(7));
  };
  t.ok(allThere(rig), "every value is as it was acknowledged");
  t.equal(rig.last().trap, null, "the guest lives");

  const next = startRig({ ...LARGE, seed: 2 }, volumeAfter([], rig.writes));
  next.open(1);
  t.ok(allThere(next), "so it is after a boot");
  t.equal(next.ask(1, command("SET", "more", value(0))), OOM, "and memory is as full as before");
});

await t.test("an index without a free slot answers OOM before memory is full", async (t) => {
  const rig = startRig(LARGE);
  rig.open(1);
  let count = 0;
  let answers = "";
  while (!answers.includes("-")) {
    const batch = Array.from({ length: 500 }, (_, n) => command("SET", `k${count + n}`, ""));
    answers = rig.ask(1, batch.join(""));
    count += 500;
  }
  t.ok(answers.endsWith(OOM), "SET of a new key is refused");
  t.equal(rig.ask(1, command("SET", "k0", "1")), "+OK\r\n", "a known key is not");
  t.equal(rig.ask(1, command("GET", "k0")), bulk("1"), "and found");
  t.equal(rig.ask(1, command("GET", `k${count}`)), "$-1\r\n", "a missing one is not found");
});

await t.test(
  "200,000 values of changing sizes go through 4 MiB, and the last of each key stays",
  async (t) => {
    const rig = startRig(LARGE);
    rig.open(1);
    const last = new Map<string, string>();
    let refused = 0;
    for (let batch = 0; batch < 400; batch += 1) {
      const commands: string[] = [];
      for (let n = 0; n < 500; n += 1) {
        const step = batch * 500 + n;
        const key = `k${(step * 7919) % 9001}`;
        const value = `${step}`.padEnd(20 + ((step * 31) % 160), ".");
        last.set(key, value);
        commands.push(command("SET", key, value));
      }
      refused += rig.ask(1, commands.join("")).split("-").length - 1;
    }
    t.equal(refused, 0, "none was refused");
    const wrong = [...last].filter(
      ([key, value]) => rig.ask(1, command("GET", key)) !== bulk(value),
    );
    t.same(wrong, [], "every key has its last value");

    const next = startRig({ ...LARGE, seed: 2 }, volumeAfter([], rig.writes));
    next.open(1);
    const lost = [...last].filter(
      ([key, value]) => next.ask(1, command("GET", key)) !== bulk(value),
    );
    t.same(lost, [], "so it is after a boot");
  },
);

await t.test("lists grow and shrink in a full memory without a trap", async (t) => {
  const rig = startRig(LARGE);
  rig.open(1);
  for (let round = 0; round < 5; round += 1) {
    let length = 0;
    while (rig.ask(1, command("RPUSH", "list", "e".repeat(3000), "f".repeat(100))) !== OOM) {
      length += 2;
    }
    t.ok(length > 500, `round ${round}: ${length} elements`);
    t.equal(rig.ask(1, command("DEL", "list")), ":1\r\n", "the list is deleted");
  }
  t.equal(rig.last().trap, null, "the guest lives");
});

await t.test("a full log refuses changes, and reads go on", async (t) => {
  const small = { memoryPages: 64, volumeBlocks: 64 };
  const rig = startRig(small);
  rig.open(1);
  const value = "v".repeat(1000);
  let count = 0;
  while (rig.ask(1, command("SET", `k${count}`, value)) === "+OK\r\n") count += 1;
  t.ok(count > 150, `${count} records of 1000 bytes fit 47 blocks`);
  for (const words of [
    ["SET", "k0", value],
    ["RPUSH", "l", value],
  ]) {
    t.equal(rig.ask(1, command(...words)), LOG_FULL, `${words[0]} is refused`);
  }
  t.equal(
    rig.ask(1, command("EXISTS", "l", `k${count}`)),
    ":0\r\n",
    "what was refused is not there",
  );
  while (rig.ask(1, command("INCR", "n")).startsWith(":"));
  t.equal(rig.ask(1, command("INCR", "n")), LOG_FULL, "small records fill the rest");
  t.equal(rig.ask(1, command("GET", "k0")), bulk(value), "reads go on");
  t.ok(
    rig.writes.every(({ lba }) => lba < 64),
    "no write left the volume",
  );

  const next = startRig({ ...small, seed: 2 }, volumeAfter([], rig.writes));
  next.open(1);
  t.equal(next.ask(1, command("GET", `k${count - 1}`)), bulk(value), "the last record is replayed");
  t.equal(next.ask(1, command("INCR", "n")), LOG_FULL, "the log is as full as before");
});

await t.test("a memory that is smaller than before says so at boot", async (t) => {
  const large = { memoryPages: 128, volumeBlocks: 16_384 };
  const rig = startRig(large);
  rig.open(1);
  for (let n = 0; n < 4000; n += 1) rig.ask(1, command("SET", `k${n}`, "v".repeat(1000)));
  const next = startRig({ ...large, memoryPages: 64 }, volumeAfter([], rig.writes));
  t.match(next.last().trap?.why, /memory is too small for the log/, "the boot traps and says why");
});
