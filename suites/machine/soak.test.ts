/**
 * Goal: the guest lives for hours in its memory and its volume: the log never fills, neither memory nor the part of the volume in use
 * grows, no entry stalls, and a boot is short whatever came before.
 * Method: a million changes, many to an entry, of the kinds that the reference workload makes; then a boot from what they left. Speeds are
 * comments: a shared core makes them vary.
 */
import t from "tap";
import type { BootBlock, GuestWrite, Segment } from "../../node/core/machine/entry.ts";
import { command, kvFactory, startRig, volumeAfter } from "./rig.ts";

const LARGE = { memoryPages: 64, volumeBlocks: 16_384 };
const CHANGES = 1_000_000;
const BATCH = 50;
const ONCE_LIVE = 8000;
const LIST_LENGTH = 64;
const LISTS_LIVE = 20;
const SHARED = 128;

interface Model {
  readonly texts: Map<string, string>;
  readonly lists: Map<string, string[]>;
}

/** The next change, and the same to the model: a third each to shared keys, to keys written once, and to lists; what is old is deleted. */
function change(model: Model, n: number): string {
  const value = `${n}`.padEnd(100, "v");
  const third = Math.floor(n / 3);
  if (n % 3 === 0) {
    model.texts.set(`shared-${third % SHARED}`, value);
    return command("SET", `shared-${third % SHARED}`, value);
  }
  if (n % 3 === 1) {
    model.texts.set(`once-${third}`, value);
    const set = command("SET", `once-${third}`, value);
    if (!model.texts.delete(`once-${third - ONCE_LIVE}`)) return set;
    return set + command("DEL", `once-${third - ONCE_LIVE}`);
  }
  const list = Math.floor(third / LIST_LENGTH);
  const elements = model.lists.get(`list-${list}`) ?? [];
  elements.push(value);
  model.lists.set(`list-${list}`, elements);
  const push = command("RPUSH", `list-${list}`, value);
  if (!model.lists.delete(`list-${list - LISTS_LIVE}`)) return push;
  return push + command("DEL", `list-${list - LISTS_LIVE}`);
}

await t.test("a million changes go through 64 MiB, and a boot from them is short", async (t) => {
  const machine = kvFactory(LARGE).start([]);
  const model: Model = { texts: new Map(), lists: new Map() };
  const volume = new Map<number, Uint8Array>();
  const inUse: number[] = [];
  let entries = 0;
  let position = 1;
  let mostWrites = 0;
  let errors = 0;

  function enter(payload: Parameters<typeof machine.run>[0][number]): void {
    entries = payload.i;
    const { writes, outputs, trap } = machine.run([payload]);
    if (trap !== null) throw new Error(`entry ${trap.at}: ${trap.why}`);
    mostWrites = Math.max(mostWrites, writes.length);
    for (const { lba, data } of writes) volume.set(lba, data);
    for (const { bytes } of outputs) if (bytes.includes(0x2d)) errors += 1;
  }

  const at = () => ({ i: entries + 1, t: (entries + 1) * 1000 });
  enter({ ...at(), kind: "boot", vmBoot: { id: "0".repeat(32), n: 1 }, seed: new Uint8Array(32) });
  enter({ ...at(), kind: "session", session: 1, what: "open" });
  const begin = process.cpuUsage();
  for (let n = 0; n < CHANGES; n += BATCH) {
    const text = Array.from({ length: BATCH }, (_, k) => change(model, n + k)).join("");
    const bytes = Buffer.from(text, "latin1");
    const segment: Segment = { session: 1, position, bytes };
    position += bytes.length;
    enter({ ...at(), kind: "input", segments: [segment] });
    enter({ ...at(), kind: "sent-through", session: 1, position: Number.MAX_SAFE_INTEGER });
    if (n % (CHANGES / 10) === 0) inUse.push(volume.size);
  }
  const spent = process.cpuUsage(begin);
  t.equal(errors, 0, "no change was refused");
  t.ok(mostWrites < 20, `no entry of ${BATCH} changes wrote more than ${mostWrites} blocks`);
  const [early = 0, late = 0] = [inUse[3], inUse.at(-1)];
  t.ok(late <= early * 1.1, `${late} blocks in use, ${early} after a third of the way`);
  t.comment(
    `${((spent.user + spent.system) / CHANGES).toFixed(2)} µs a change, the test's own work included`,
  );

  const blocks = [...volume].map(([lba, data]): BootBlock => ({ volume: 0, lba, data }));
  const started = process.cpuUsage();
  const next = startRig({ ...LARGE, seed: 2 }, blocks);
  const boot = process.cpuUsage(started);
  t.comment(
    `boot from ${blocks.length} blocks in ${((boot.user + boot.system) / 1000).toFixed(1)} ms`,
  );
  next.open(1);
  const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;
  const wrong = [
    ...[...model.texts].filter(([key, value]) => next.ask(1, command("GET", key)) !== bulk(value)),
    ...[...model.lists].filter(
      ([key, list]) =>
        next.ask(1, command("LRANGE", key, "0", "-1")) !==
        `*${list.length}\r\n${list.map(bulk).join("")}`,
    ),
  ].map(([key]) => key);
  t.same(wrong, [], "every key has its last value");
  const size = model.texts.size + model.lists.size;
  t.equal(next.ask(1, command("DBSIZE")), `:${size}\r\n`, "and no other key is there");
});

/** The longest stall of one entry, in blocks written at once. */
function mostWritesOf(writes: readonly GuestWrite[]): number {
  const counts = new Map<number, number>();
  for (const { cause } of writes) counts.set(cause, (counts.get(cause) ?? 0) + 1);
  return Math.max(...counts.values());
}

const bulks = (elements: readonly string[]): string =>
  `*${elements.length}\r\n${elements.map((it) => `$${it.length}\r\n${it}\r\n`).join("")}`;

await t.test("a long list is saved in parts while it is worked on as a queue", async (t) => {
  const rig = startRig(LARGE);
  rig.open(1);
  const queue: string[] = [];
  let pushed = 0;
  const push = (count: number): string => {
    const words = Array.from({ length: count }, () => {
      pushed += 1;
      return `${pushed}`.padEnd(60, "e");
    });
    queue.push(...words);
    return command("RPUSH", "queue", ...words);
  };
  while (queue.length < 10_000) rig.ask(1, push(100));
  const before = rig.writes.length;
  let wrong = 0;
  let halfway = 0;
  for (let turn = 1; turn <= 4000; turn += 1) {
    const text = push(25) + command("LPOP", "queue", "20") + command("RPOP", "queue", "5");
    const length = queue.length;
    const left = queue.splice(0, 20);
    const right = queue.splice(-5).reverse();
    if (rig.ask(1, text) !== `:${length}\r\n${bulks(left)}${bulks(right)}`) wrong += 1;
    if (turn % 200 !== 0) continue;
    if (rig.ask(1, command("INFO", "persistence")).includes("aof_rewrite_in_progress:1"))
      halfway += 1;
    const next = startRig({ ...LARGE, seed: 2 }, volumeAfter([], rig.writes));
    next.open(1);
    if (next.ask(1, command("LRANGE", "queue", "0", "-1")) !== bulks(queue)) wrong += 1;
  }
  const writes = rig.writes.slice(before);
  const most = mostWritesOf(writes);
  const checkpoints = writes.filter(({ lba }) => lba === 1 || lba === 2).length;
  t.equal(wrong, 0, "each turn is answered, and every boot finds the list");
  t.ok(halfway > 2, `${halfway} of 20 boots came in the middle of a checkpoint`);
  t.ok(checkpoints > 2, `${checkpoints} checkpoints of a list of ${queue.length} elements`);
  t.ok(most < 10, `no entry wrote more than ${most} blocks`);
});
