/**
 * Goal: a guest in a memory that cannot grow lives on: full is an answer and not an end, and space that was given back is used again.
 * Method: fill it, churn it, on a small volume too, and boot it again from what it wrote.
 */
import t from "tap";
import { chanceFrom } from "./lives.ts";
import { command, startRig, volumeAfter } from "./rig.ts";

const OOM = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
/** 64 MiB. */
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

type Model = Map<string, string | string[]>;

/** What a model answers; it changes only when the guest did not refuse. */
function answer(model: Model, words: readonly string[], found: string): string {
  const [name, key = "", ...rest] = words;
  if (found === OOM) return OOM;
  const held = model.get(key);
  const list = typeof held === "object" ? held : [];
  const array = (items: readonly string[]): string =>
    `*${items.length}\r\n${items.map(bulk).join("")}`;
  const [first = ""] = rest;
  if (name === "SET") model.set(key, first);
  if (name === "SET") return "+OK\r\n";
  if (name === "DEL") return `:${model.delete(key) ? 1 : 0}\r\n`;
  if (name === "APPEND") model.set(key, `${String(held ?? "")}${first}`);
  if (name === "APPEND") return `:${model.get(key)?.length}\r\n`;
  if (name === "RPUSH") list.push(...rest);
  if (name === "LPUSH") list.unshift(...rest.toReversed());
  if (name === "RPUSH" || name === "LPUSH") model.set(key, list);
  if (name === "RPUSH" || name === "LPUSH") return `:${list.length}\r\n`;
  if (name === "LRANGE") return array(list.slice(Number(first), Number(rest[1]) + 1));
  if (held === undefined) return "*-1\r\n";
  const count = Math.min(Number(first), list.length);
  const taken =
    name === "LPOP" ? list.splice(0, count) : list.splice(list.length - count).reverse();
  if (list.length === 0) model.delete(key);
  return array(taken);
}

await t.test("random work in a memory that is nearly full is answered as by a model", async (t) => {
  const wrong: string[] = [];
  let refused = 0;
  for (const seed of [1, 2, 3]) {
    const chance = chanceFrom(seed);
    let rig = startRig({ ...LARGE, seed });
    rig.open(1);
    let volume = volumeAfter([], []);
    const model: Model = new Map();
    const text = (most: number): string => `${chance(10)}`.repeat(1 + chance(most));
    // Short ones, long ones, and in between longer than a node.
    const value = (): string => text([12, 300, 300, 3000, 20_000][chance(5)] ?? 1);
    for (let step = 1; step <= 12_000 && wrong.length === 0; step += 1) {
      const [list, one] = [`l${chance(200)}`, `t${chance(4_000)}`];
      const many = Array.from({ length: 1 + chance(6) }, value);
      const all: readonly (readonly string[])[] = [
        ["SET", one, value()],
        ["SET", one, value()],
        ["APPEND", one, text(400)],
        ["RPUSH", list, ...many],
        ["LPUSH", list, ...many],
        ["LPOP", list, `${chance(9)}`],
        ["RPOP", list, `${chance(9)}`],
        ["LRANGE", list, `${chance(30)}`, `${chance(60)}`],
        ["DEL", chance(3) > 0 ? list : one],
      ];
      const words = all[chance(all.length)] ?? [];
      const held = model.get(words[1] ?? "");
      if (words[0] === "APPEND" && (held?.length ?? 0) > 30_000) continue;
      const found = rig.ask(1, command(...words));
      if (found === OOM) refused += 1;
      if (found !== answer(model, words, found))
        wrong.push(`${seed}/${step}: ${words.slice(0, 2).join(" ")}`);
      if (step % 3000 !== 0) continue;
      volume = volumeAfter(volume, rig.writes);
      rig = startRig({ ...LARGE, seed: step }, volumeAfter(volume, []));
      rig.open(1);
    }
    for (const [key, held] of model) {
      const words = typeof held === "string" ? ["GET", key] : ["LRANGE", key, "0", "-1"];
      const expected =
        typeof held === "string" ? bulk(held) : `*${held.length}\r\n${held.map(bulk).join("")}`;
      if (rig.ask(1, command(...words)) !== expected) wrong.push(`${seed}, at the end: ${key}`);
    }
  }
  t.same(wrong, []);
  t.ok(refused > 100, `${refused} commands were refused for want of memory`);
});

await t.test("a small volume answers OOM, and the log never fills", async (t) => {
  const small = { memoryPages: 64, volumeBlocks: 64 };
  const rig = startRig(small);
  rig.open(1);
  const value = (n: number): string => `${n}`.padStart(1000, "v");
  let count = 0;
  while (rig.ask(1, command("SET", `k${count}`, value(count))) === "+OK\r\n") count += 1;
  t.ok(count > 45, `${count} keys of 1000 bytes fit the checkpoints of 64 blocks`);
  for (const words of [
    ["SET", "more", value(0)],
    ["RPUSH", "l", value(0), value(1)],
    ["MSET", "more", value(0), "l", value(1)],
    ["APPEND", "k1", "x".repeat(2000)],
  ]) {
    t.equal(rig.ask(1, command(...words)), OOM, `${words[0]} is refused`);
  }
  t.equal(rig.ask(1, command("EXISTS", "l", "more")), ":0\r\n", "what was refused is not there");
  let refused = 0;
  for (let turn = 0; turn < 5000; turn += 1) {
    const n = (turn * 7) % count;
    if (rig.ask(1, command("SET", `k${n}`, value(n))) !== "+OK\r\n") refused += 1;
  }
  t.equal(refused, 0, "20 times its size goes through the log");
  t.ok(
    rig.writes.every(({ lba }) => lba < 64),
    "no write left the volume",
  );
  const next = startRig({ ...small, seed: 2 }, volumeAfter([], rig.writes));
  next.open(1);
  const lost = Array.from({ length: count }, (_, n) => n).filter(
    (n) => next.ask(1, command("GET", `k${n}`)) !== bulk(value(n)),
  );
  t.same(lost, [], "every value is there after a boot");
  t.equal(next.ask(1, command("SET", "more", value(0))), OOM, "which is as full as before");
  t.equal(next.ask(1, command("DEL", "k0", "k1")), ":2\r\n");
  t.equal(next.ask(1, command("SET", "more", value(0))), "+OK\r\n", "its space can be used again");
});

await t.test("one entry of more changes than the log holds is carried out", async (t) => {
  const rig = startRig({ memoryPages: 64, volumeBlocks: 64 });
  rig.open(1);
  const text = Array.from({ length: 400 }, (_, n) =>
    command("SET", `k${n % 20}`, "v".repeat(2000)),
  );
  t.equal(rig.ask(1, text.join("")), "+OK\r\n".repeat(400), "800 KB through 244");
  t.ok(rig.last().flushes > 5, "with checkpoints in the middle");
});

await t.test("a transaction that cannot be logged whole is none", async (t) => {
  const rig = startRig({ memoryPages: 64, volumeBlocks: 64 });
  rig.open(1);
  const sets = Array.from({ length: 12 }, (_, n) => command("SET", `k${n}`, "v".repeat(4000)));
  const found = rig.ask(1, `MULTI\r\n${sets.join("")}EXEC\r\nDBSIZE\r\n`);
  t.match(found, /-EXECABORT Transaction discarded because of: OOM [^\n]*\r\n:0\r\n$/);

  const other = startRig(LARGE);
  other.open(1);
  let reply = other.ask(1, "MULTI\r\n");
  const piece = command("SET", "k", "v".repeat(30_000)).repeat(2);
  for (let n = 0; n < 6 && !reply.includes("-OOM"); n += 1) reply += other.ask(1, piece);
  t.match(reply, /-OOM too many unfinished commands\r\n$/, "a sixteenth of memory is for such");
  t.match(other.ask(1, "EXEC\r\n"), /^-EXECABORT /, "and the transaction is none");
  t.equal(other.ask(1, piece), "+OK\r\n+OK\r\n", "its memory is free again");
});

await t.test("a memory that is smaller than before says so at boot", async (t) => {
  const large = { memoryPages: 128, volumeBlocks: 16_384 };
  const rig = startRig(large);
  rig.open(1);
  for (let n = 0; n < 4000; n += 1) rig.ask(1, command("SET", `k${n}`, "v".repeat(1000)));
  const next = startRig({ ...large, memoryPages: 64 }, volumeAfter([], rig.writes));
  t.match(next.last().trap?.why, /memory is too small for the log/, "the boot traps and says why");
});
