/**
 * Goal: whatever a power failure leaves of a volume, the guest boots from it to a state that every released reply still fits.
 * Method: cut the power after some flush, keep a random part of the epoch in progress, sector by sector, boot from what is left, and
 * look for the point in the order of commands at which a model is in the state that was found. Several boots in a row, seeded.
 */
import t from "tap";
import type { BootBlock } from "../../node/core/machine/entry.ts";
import { BLOCK_SIZE } from "../../node/core/units.ts";
import { chanceFrom, type Played, play, type Store, seen, survivors } from "../machine/lives.ts";
import { command, type Rig, startRig, volumeAfter } from "../machine/rig.ts";

/** What the next boot may show: a state not older than what was acknowledged. Returns a sentence when it does not. */
interface Found {
  readonly why: string | null;
  /** Which of the states it is. */
  readonly explained: number;
}

function bootFrom(
  blocks: readonly BootBlock[],
  volumeBlocks: number,
  played: Played,
  through: number,
): Found {
  const released = played.replies.filter(({ barrier }) => barrier <= through);
  const acknowledged = Math.max(0, ...released.map(({ commands }) => commands));
  const rig = startRig({ volumeBlocks, seed: 7 }, volumeAfter(blocks, []));
  const trap = rig.last().trap;
  if (trap !== null) return { why: trap.why, explained: -1 };
  rig.open(1);
  const explained = played.states.lastIndexOf(seen(rig));
  const why = explained < acknowledged ? `no prefix from ${acknowledged} on fits` : null;
  return { why, explained };
}

interface Life {
  readonly seed: number;
  readonly volumeBlocks: number;
  /** Most entries of one boot. */
  readonly entries: number;
  /** Flushed epochs that the disk loses. */
  readonly forget: number;
}

/** One life of several boots; returns a sentence when a boot found what no prefix of the commands explains. */
function liveThrough({ seed, volumeBlocks, entries, forget }: Life): string | null {
  const chance = chanceFrom(seed);
  let blocks: readonly BootBlock[] = [];
  let model: Store = new Map();
  for (let boot = 1; boot <= 4; boot += 1) {
    const rig = startRig({ volumeBlocks, seed: seed * 8 + boot }, volumeAfter(blocks, []));
    const played = play(rig, model, chance, 2 + chance(entries));
    const name = `seed ${seed}, boot ${boot}`;
    if (played.errors.length > 0) return `${name}: ${played.errors[0]}`;
    const through = chance(rig.last().flushes + 1);
    const density = chance(3);
    const keeps = (): boolean => chance(2) < density;
    blocks = survivors(blocks, rig.writes, { through: Math.max(0, through - forget), keeps });
    const { why, explained } = bootFrom(blocks, volumeBlocks, played, through);
    if (why !== null) return `${name}: ${why}`;
    model = played.stores[explained] ?? model;
  }
  return null;
}

const failures = (count: number, life: Omit<Life, "seed">): readonly string[] =>
  Array.from({ length: count }, (_, seed) => liveThrough({ ...life, seed })).filter(
    (why) => why !== null,
  );

/** Logs that are never cut, cut about every 60 KiB and kept in place, and cut rarely but brought back to their beginning. */
const LIVES = [
  { volumeBlocks: 256, entries: 8, count: 100 },
  { volumeBlocks: 64, entries: 160, count: 80 },
  { volumeBlocks: 400, entries: 900, count: 6 },
] as const;

await t.test("every released reply is still true after any power failure", async (t) => {
  for (const { count, ...life } of LIVES) {
    const name = `every boot from ${life.volumeBlocks} blocks finds a prefix of the commands`;
    t.same(failures(count, { ...life, forget: 0 }), [], name);
  }
});

const ANCHORS = [1, 2];

await t.test(
  "a power failure at any write of a checkpoint leaves what was acknowledged",
  async (t) => {
    const volumeBlocks = 64;
    for (const seed of [1, 2]) {
      const chance = chanceFrom(seed);
      const first = startRig({ volumeBlocks, seed });
      const before = play(first, new Map(), chance, 150);
      const blocks = volumeAfter([], first.writes);
      const rig = startRig({ volumeBlocks, seed: seed + 8 }, volumeAfter(blocks, []));
      const played = play(rig, before.stores.at(-1) ?? new Map(), chance, 110);
      const anchors = rig.writes.filter(({ lba }) => ANCHORS.includes(lba));
      t.ok(anchors.length >= 2, `${anchors.length} checkpoints among ${rig.writes.length} writes`);
      const wrong = rig.writes.flatMap(({ number, epoch }) => {
        const density = chance(3);
        const through = epoch - 1;
        const cut = { through, last: number, keeps: () => chance(2) < density };
        const { why } = bootFrom(survivors(blocks, rig.writes, cut), volumeBlocks, played, through);
        return why === null ? [] : [`seed ${seed}, write ${number}: ${why}`];
      });
      t.same(wrong, [], "whatever write was the last one");
    }
  },
);

/** Numbers from `from` on, each to the next of 20 keys, all in one entry, so that checkpoints are completed in the middle of it. */
const KEYS = 20;
const numbered = (n: number): string => `${n}`.padEnd(2000, "v");
const burst = (from: number, count: number): string =>
  Array.from({ length: count }, (_, n) =>
    command("SET", `k${(from + n) % KEYS}`, numbered(from + n)),
  ).join("");

/** The last number that a boot finds; null when the others are not those before it. */
function lastNumber(rig: Rig): number | null {
  const keys = Array.from({ length: KEYS }, (_, n) => `k${n}`);
  const reply = rig.ask(1, command("MGET", ...keys));
  const found = [...reply.matchAll(/^(\d+)v+\r$/gm)].map(([, digits]) => Number(digits));
  const last = Math.max(-1, ...found);
  const expected = keys.map((_, n) => last - ((last - n + KEYS) % KEYS)).filter((n) => n >= 0);
  return found.join() === expected.join() ? last : null;
}

await t.test(
  "power failures in a row, each amid a checkpoint that has to be, lose nothing",
  async (t) => {
    const volumeBlocks = 64;
    const wrong: string[] = [];
    let most = 0;
    for (let seed = 1; seed <= 12; seed += 1) {
      const chance = chanceFrom(seed);
      let blocks: readonly BootBlock[] = [];
      let last = -1;
      for (let boot = 1; boot <= 12; boot += 1) {
        const rig = startRig({ volumeBlocks, seed: seed * 16 + boot }, volumeAfter(blocks, []));
        rig.open(1);
        const found = rig.last().trap === null ? lastNumber(rig) : null;
        if (found === null || found < last) {
          wrong.push(`seed ${seed}, boot ${boot}: ${found} after ${last}, ${rig.last().trap?.why}`);
          break;
        }
        rig.ask(1, burst(found + 1, 150));
        most = Math.max(most, rig.last().flushes);
        const { number = 1, epoch = 1 } = rig.writes[chance(rig.writes.length)] ?? {};
        const density = chance(3);
        const cut = { through: epoch - 1, last: number, keeps: () => chance(2) < density };
        blocks = survivors(blocks, rig.writes, cut);
        last = found;
      }
    }
    t.same(wrong, []);
    t.ok(most > 5, `${most} flushes in an entry`);
  },
);

await t.test(
  "a transaction whose reply is flushed in its middle is still all or nothing",
  async (t) => {
    const volumeBlocks = 1024;
    let blocks: readonly BootBlock[] = [];
    const boot = (from: readonly BootBlock[], seed: number): Rig => {
      const rig = startRig({ volumeBlocks, seed }, volumeAfter(from, []));
      rig.open(1);
      return rig;
    };
    let rig = boot(blocks, 1);
    // Longer than the reply buffer.
    rig.ask(1, command("RPUSH", "big", "e".repeat(30_000)).repeat(10));
    const numbers = (from: Rig): readonly string[] =>
      ["a", "b"].map((key) => /\n(\d*)x/.exec(from.ask(1, command("GET", key)))?.[1] ?? "none");
    const wrong: string[] = [];
    let checkpoints = 0;
    for (let n = 1; n <= 120; n += 1) {
      const set = (key: string, bytes: number): string =>
        command("SET", key, `${n}`.padEnd(bytes, "x"));
      const range = command("LRANGE", "big", "0", "-1");
      const before = rig.writes.length;
      const reply = rig.ask(1, `MULTI\r\n${set("a", 30_000)}${range}${set("b", 100)}EXEC\r\n`);
      if (!reply.endsWith("+OK\r\n")) wrong.push(`${n}: ${reply.slice(-40)}`);
      const writes = rig.writes.slice(before);
      checkpoints += writes.filter(({ lba }) => ANCHORS.includes(lba)).length;
      for (const { number, epoch } of n % 4 === 0 ? writes : []) {
        const cut = { through: epoch - 1, last: number, keeps: () => true };
        const [a, b] = numbers(boot(survivors(blocks, rig.writes, cut), 2));
        if (a !== b) wrong.push(`transaction ${n}, write ${number}: ${a} and ${b}`);
      }
      if (n % 3 > 0) continue;
      blocks = volumeAfter(blocks, rig.writes);
      rig = boot(blocks, n);
      if (numbers(rig).join() !== `${n},${n}`)
        wrong.push(`boot after ${n}: ${rig.last().trap?.why}`);
    }
    t.same(wrong, []);
    t.ok(checkpoints > 2, `${checkpoints} checkpoints meanwhile`);
  },
);

await t.test("a disk that loses flushed writes is found out", async (t) => {
  for (const volumeBlocks of [256, 64]) {
    const found = failures(20, { volumeBlocks, entries: 40, forget: 2 });
    t.ok(found.length > 0, `some lost reply shows on ${volumeBlocks} blocks`);
  }
  const rig = startRig({ volumeBlocks: 64 });
  play(rig, new Map(), chanceFrom(1), 150);
  const volume = volumeAfter([], rig.writes);
  const anchor = rig.writes.filter(({ lba }) => ANCHORS.includes(lba)).at(-1);
  const first = new DataView(anchor?.data.buffer ?? new ArrayBuffer(64)).getUint32(16, true);
  const without = volume.filter(({ lba }) => lba !== first);
  t.equal(without.length, volume.length - 1, "a block of the last checkpoint is gone");
  t.match(startRig({ volumeBlocks: 64 }, without).last().trap?.why, /the log is damaged/);
});

await t.test(
  "a record that outlived its predecessor does not follow that one written again",
  async (t) => {
    const boot = (seed: number, blocks: readonly BootBlock[]): Rig => {
      const rig = startRig({ seed }, volumeAfter(blocks, []));
      rig.open(1);
      return rig;
    };
    const first = boot(1, []);
    first.ask(1, command("SET", "z", "1"));
    const start = volumeAfter([], first.writes);

    // The size makes the record of `a` end with its block, so that of `b` stands in a block of its own.
    const filling = command("SET", "a", "x".repeat(3980));
    const second = boot(2, start);
    second.ask(1, filling + command("SET", "b", "stale"));
    const [begun, outlived] = second.writes.slice(-2);
    t.equal(outlived?.lba, (begun?.lba ?? 0) + 1, "the two records end in two blocks");
    const remains = volumeAfter(start, second.writes.slice(-1));

    const third = boot(3, remains);
    t.equal(third.ask(1, command("EXISTS", "z", "a", "b")), ":1\r\n", "the cut left z alone");
    third.ask(1, filling);

    const fourth = boot(4, volumeAfter(remains, third.writes));
    t.equal(fourth.ask(1, command("EXISTS", "z", "a")), ":2\r\n", "what was flushed is there");
    t.equal(fourth.ask(1, command("GET", "b")), "$-1\r\n", "the stale record is not");
  },
);

await t.test("a reply that shows recovered data waits for a flush", async (t) => {
  const before = startRig();
  before.open(1);
  before.ask(1, command("SET", "a", "1"));
  const rig = startRig({ seed: 2 }, volumeAfter([], before.writes));
  rig.open(1);
  rig.ask(1, command("GET", "a"));
  t.equal(rig.outputs.at(-1)?.barrier, 1, "the boot has flushed");
  t.same(rig.writes, [], "a machine that only reads writes nothing");
});

await t.test("a volume that holds something else is left alone", async (t) => {
  const data = new Uint8Array(BLOCK_SIZE).fill(1);
  const rig = startRig({}, [{ volume: 0, lba: 0, data }]);
  t.match(rig.last().trap?.why, /volume 0 holds something else/, "the boot traps and says why");
  t.same(rig.writes, [], "nothing was written");
});
