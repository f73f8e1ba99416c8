/**
 * Goal: whatever a power failure leaves of a volume, the guest boots from it to a state that every released reply still fits.
 * Method: cut the power after some flush, keep a random part of the epoch in progress, sector by sector, boot from what is left, and
 * look for the point in the order of commands at which a model is in the state that was found. Several boots in a row, seeded.
 */
import t from "tap";
import type { BootBlock, GuestWrite } from "../../node/core/machine/entry.ts";
import { BLOCK_SIZE, SECTOR_SIZE } from "../../node/core/units.ts";
import { command, type Rig, startRig, volumeAfter } from "./rig.ts";

type Chance = (below: number) => number;
type Store = ReadonlyMap<string, string | readonly string[]>;

const TEXTS = ["t0", "t1", "t2", "t3"];
const COUNTERS = ["n0", "n1"];
const LISTS = ["l0", "l1"];
const SESSIONS = [1, 2, 3];

/** mulberry32, small and seeded. */
function chanceFrom(seed: number): Chance {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

interface Played {
  /** Model after each command, the state before the first one at index 0. */
  readonly states: readonly Store[];
  /** For each entry: barrier of its replies, and commands up to its end. */
  readonly replies: readonly { readonly barrier: number; readonly commands: number }[];
}

/** Plays random entries of some commands each, on several sessions, beside the model. */
function play(rig: Rig, model: Store, chance: Chance): Played {
  const states: Store[] = [model];
  const replies: { barrier: number; commands: number }[] = [];
  for (const session of SESSIONS) rig.open(session);
  for (let left = 2 + chance(8); left > 0; left -= 1) {
    const parts = Array.from({ length: 1 + chance(4) }, () => {
      const words = randomCommand(chance);
      states.push(after(states.at(-1) ?? model, words));
      return [SESSIONS[chance(SESSIONS.length)] ?? 1, command(...words)] as const;
    });
    const barriers = rig.feed(parts).outputs.map(({ barrier }) => barrier);
    replies.push({ barrier: Math.max(...barriers), commands: states.length - 1 });
  }
  return { states, replies };
}

function randomCommand(chance: Chance): readonly string[] {
  const one = (names: readonly string[]): string => names[chance(names.length)] ?? "";
  const value = (): string => String.fromCharCode(97 + chance(26)).repeat(1 + chance(3) ** 7 * 20);
  switch (chance(6)) {
    case 0:
      return ["INCR", one(COUNTERS)];
    case 1:
      return ["RPUSH", one(LISTS), value(), value()];
    case 2:
      return ["DEL", one(TEXTS), one(LISTS)];
    case 3:
      return ["GET", one(TEXTS)];
    default:
      return ["SET", one(TEXTS), value()];
  }
}

function after(store: Store, [name, key = "", ...rest]: readonly string[]): Store {
  const next = new Map(store);
  const old = store.get(key);
  if (name === "SET") next.set(key, rest[0] ?? "");
  if (name === "INCR") next.set(key, `${Number(old ?? 0) + 1}`);
  if (name === "RPUSH") next.set(key, [...(typeof old === "object" ? old : []), ...rest]);
  if (name === "DEL") for (const gone of [key, ...rest]) next.delete(gone);
  return next;
}

/** All that a client can see, as one text. */
const seen = (rig: Rig): string =>
  rig.ask(
    1,
    [
      ...[...TEXTS, ...COUNTERS].map((key) => command("GET", key)),
      ...LISTS.map((key) => command("LRANGE", key, "0", "-1")),
    ].join(""),
  );

function expected(store: Store): string {
  const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;
  const texts = [...TEXTS, ...COUNTERS].map((key) => {
    const value = store.get(key);
    return typeof value === "string" ? bulk(value) : "$-1\r\n";
  });
  const lists = LISTS.map((key) => {
    const value = store.get(key) ?? [];
    return typeof value === "string" ? "" : `*${value.length}\r\n${value.map(bulk).join("")}`;
  });
  return [...texts, ...lists].join("");
}

/** What is on the disk after a power failure: epochs through `through` whole, any sectors of the next one, nothing else. */
function survivors(
  before: readonly BootBlock[],
  writes: readonly GuestWrite[],
  cut: { readonly through: number; readonly keeps: () => boolean },
): readonly BootBlock[] {
  const contents = new Map(before.map(({ lba, data }) => [lba, data.slice()]));
  for (const { epoch, lba, data } of writes) {
    if (epoch > cut.through + 1) break;
    const content = contents.get(lba) ?? new Uint8Array(BLOCK_SIZE);
    contents.set(lba, content);
    for (let at = 0; at < BLOCK_SIZE; at += SECTOR_SIZE) {
      const isKept = epoch <= cut.through || cut.keeps();
      if (isKept) content.set(data.subarray(at, at + SECTOR_SIZE), at);
    }
  }
  return [...contents].map(([lba, data]) => ({ volume: 0, lba, data }));
}

/** One life of several boots; returns a sentence when a boot found what no prefix of the commands explains. */
function liveThrough(seed: number, forget: number): string | null {
  const chance = chanceFrom(seed);
  let blocks: readonly BootBlock[] = [];
  let model: Store = new Map();
  for (let boot = 1; boot <= 4; boot += 1) {
    const rig = startRig({ volumeBlocks: 256, seed: seed * 8 + boot }, blocks);
    const { states, replies } = play(rig, model, chance);
    const through = chance(rig.last().flushes + 1);
    const released = replies.filter(({ barrier }) => barrier <= through);
    const acknowledged = Math.max(0, ...released.map(({ commands }) => commands));
    const density = chance(3);
    const keeps = (): boolean => chance(2) < density;
    blocks = survivors(blocks, rig.writes, { through: Math.max(0, through - forget), keeps });

    const next = startRig({ volumeBlocks: 256, seed: seed * 8 + 7 }, blocks);
    next.open(1);
    const found = seen(next);
    const explained = states.slice(acknowledged).find((state) => expected(state) === found);
    if (explained === undefined)
      return `seed ${seed}, boot ${boot}: no prefix from ${acknowledged} on fits`;
    model = explained;
  }
  return null;
}

await t.test("every released reply is still true after any power failure", async (t) => {
  const failures = Array.from({ length: 200 }, (_, seed) => liveThrough(seed, 0));
  t.same(
    failures.filter((why) => why !== null),
    [],
    "every boot finds a prefix of the commands",
  );
});

await t.test("a disk that loses flushed writes is found out", async (t) => {
  const failures = Array.from({ length: 60 }, (_, seed) => liveThrough(seed, 2));
  t.ok(
    failures.some((why) => why !== null),
    "some lost reply shows",
  );
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
