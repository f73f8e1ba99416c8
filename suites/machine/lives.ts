/** Lives of a key-value machine: random commands beside a model, and what a power failure leaves of the volume. */
import type { BootBlock, GuestWrite } from "../../node/core/machine/entry.ts";
import { BLOCK_SIZE, SECTOR_SIZE } from "../../node/core/units.ts";
import { command, type Rig } from "./rig.ts";

export type Chance = (below: number) => number;

interface Held {
  readonly value: string | readonly string[];
  /** It has a time to live; all are too long to end here. */
  readonly isMortal: boolean;
}
export type Store = ReadonlyMap<string, Held>;

const TEXTS = ["t0", "t1", "t2", "t3", "t4", "t5"];
const COUNTERS = ["n0", "n1"];
const LISTS = ["l0", "l1", "l2"];
const SESSIONS = [1, 2, 3];
/** Longer lists are deleted, so that all of it fits a small volume. */
const LIST_LENGTH_MAX = 120;
const LONG_MS = "100000000";

/** mulberry32, small and seeded. */
export function chanceFrom(seed: number): Chance {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export interface Played {
  /** The model, as `shown`, after each command; before the first one at index 0. Those of a transaction are one. */
  readonly states: readonly string[];
  readonly stores: readonly Store[];
  /** For each entry: barrier of its replies, and commands up to its end. */
  readonly replies: readonly { readonly barrier: number; readonly commands: number }[];
  /** Error replies; a life has none. */
  readonly errors: readonly string[];
}

/** Plays random entries of some commands each, on several sessions, beside the model. */
export function play(rig: Rig, model: Store, chance: Chance, entries: number): Played {
  const stores: Store[] = [model];
  const states = [shown(model)];
  const replies: { barrier: number; commands: number }[] = [];
  const errors: string[] = [];
  for (const session of SESSIONS) rig.open(session);
  for (let left = entries; left > 0; left -= 1) {
    const parts = Array.from({ length: 1 + chance(4) }, () => {
      const commands = randomCommands(stores.at(-1) ?? model, chance);
      const next = commands.reduce(after, stores.at(-1) ?? model);
      stores.push(next);
      states.push(shown(next));
      const texts = commands.map((words) => command(...words));
      const isAlone = texts.length === 1;
      const text = isAlone ? texts.join("") : ["MULTI\r\n", ...texts, "EXEC\r\n"].join("");
      return [SESSIONS[chance(SESSIONS.length)] ?? 1, text] as const;
    });
    const result = rig.feed(parts);
    for (const session of SESSIONS)
      errors.push(...(rig.sent(result, session).match(/^-.*$/gm) ?? []));
    const barriers = result.outputs.map(({ barrier }) => barrier);
    replies.push({ barrier: Math.max(...barriers), commands: states.length - 1 });
  }
  return { states, stores, replies, errors };
}

/** One command, or those of a transaction. */
function randomCommands(store: Store, chance: Chance): readonly (readonly string[])[] {
  if (chance(8) > 0) return [randomCommand(store, chance)];
  const commands: (readonly string[])[] = [];
  let seen = store;
  for (let left = 2 + chance(4); left > 0; left -= 1) {
    const words = randomCommand(seen, chance);
    commands.push(words);
    seen = after(seen, words);
  }
  return commands;
}

function randomCommand(store: Store, chance: Chance): readonly string[] {
  const one = (names: readonly string[]): string => names[chance(names.length)] ?? "";
  const value = (): string => String.fromCharCode(97 + chance(26)).repeat(1 + chance(3) ** 7 * 15);
  const list = one(LISTS);
  const held = store.get(list)?.value ?? [];
  if (held.length > LIST_LENGTH_MAX) return ["DEL", list, one(TEXTS)];
  const many = Array.from({ length: 1 + chance(12) }, (_, n) =>
    `${n}`.padStart(1 + chance(180), "e"),
  );
  if (chance(400) === 0) return ["FLUSHALL"];
  switch (chance(40)) {
    case 0:
    case 1:
    case 2:
      return ["DEL", one(TEXTS), list];
    case 3:
    case 4:
      return ["INCRBY", one(COUNTERS), `${chance(1000)}`];
    case 5:
      return ["PEXPIRE", one([...TEXTS, ...LISTS]), LONG_MS];
    case 6:
      return ["PERSIST", one([...TEXTS, ...LISTS])];
    case 7:
      return ["GET", one(TEXTS)];
    case 8:
    case 9:
      return ["MSET", one(TEXTS), value(), one(TEXTS), value()];
    case 10:
      return ["SET", one(TEXTS), value(), "PX", LONG_MS];
    case 11:
    case 12:
      return ["LPOP", list, `${1 + chance(20)}`];
    case 13:
    case 14:
      return ["RPOP", list, `${1 + chance(20)}`];
    case 15:
    case 16:
    case 17:
      return ["APPEND", one(TEXTS), value().slice(0, 200)];
    case 18:
    case 19:
    case 20:
    case 21:
    case 22:
      return ["LPUSH", list, ...many];
    case 23:
    case 24:
    case 25:
    case 26:
    case 27:
    case 28:
      return ["RPUSH", list, ...many];
    default:
      return ["SET", one(TEXTS), value()];
  }
}

function after(store: Store, [name, key = "", ...rest]: readonly string[]): Store {
  const next = new Map(store);
  const old = store.get(key);
  const [first = ""] = rest;
  const isMortal = old?.isMortal ?? false;
  const list = typeof old?.value === "object" ? old.value : [];
  const putList = (value: readonly string[]): void => {
    if (value.length === 0) next.delete(key);
    else next.set(key, { value, isMortal });
  };
  if (name === "FLUSHALL") next.clear();
  if (name === "SET") next.set(key, { value: first, isMortal: rest.length > 1 });
  if (name === "MSET") {
    next.set(key, { value: first, isMortal: false });
    next.set(rest[1] ?? "", { value: rest[2] ?? "", isMortal: false });
  }
  if (name === "INCRBY")
    next.set(key, { value: `${Number(old?.value ?? 0) + Number(first)}`, isMortal });
  if (name === "APPEND") next.set(key, { value: `${String(old?.value ?? "")}${first}`, isMortal });
  if (name === "RPUSH") putList([...list, ...rest]);
  if (name === "LPUSH") putList([...rest.toReversed(), ...list]);
  if (name === "LPOP") putList(list.slice(Number(first)));
  if (name === "RPOP") putList(list.slice(0, Math.max(0, list.length - Number(first))));
  if (name === "DEL") for (const gone of [key, ...rest]) next.delete(gone);
  if (name === "PEXPIRE" && old !== undefined) next.set(key, { ...old, isMortal: true });
  if (name === "PERSIST" && old !== undefined) next.set(key, { ...old, isMortal: false });
  return next;
}

/** All that a client can see, as one text. */
export function seen(rig: Rig): string {
  const all = [...TEXTS, ...COUNTERS, ...LISTS];
  const text = rig.ask(
    1,
    [
      ...[...TEXTS, ...COUNTERS].map((key) => command("GET", key)),
      ...LISTS.map((key) => command("LRANGE", key, "0", "-1")),
      command("ECHO", "ttl"),
      ...all.map((key) => command("PTTL", key)),
      command("DBSIZE"),
    ].join(""),
  );
  const [values = "", ttls = ""] = text.split("$3\r\nttl\r\n");
  return values + ttls.replace(/^:\d{6,}/gm, ":long");
}

/** The same of a model. */
export function shown(store: Store): string {
  const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;
  const texts = [...TEXTS, ...COUNTERS].map((key) => {
    const value = store.get(key)?.value;
    return typeof value === "string" ? bulk(value) : "$-1\r\n";
  });
  const lists = LISTS.map((key) => {
    const value = store.get(key)?.value ?? [];
    return typeof value === "string" ? "" : `*${value.length}\r\n${value.map(bulk).join("")}`;
  });
  const ttls = [...TEXTS, ...COUNTERS, ...LISTS].map((key) => {
    const held = store.get(key);
    if (held === undefined) return ":-2\r\n";
    return held.isMortal ? ":long\r\n" : ":-1\r\n";
  });
  return [...texts, ...lists, ...ttls, `:${store.size}\r\n`].join("");
}

export interface Cut {
  /** Epochs through this one are whole. */
  readonly through: number;
  /** Writes after this number never began; undefined: all of the next epoch may have. */
  readonly last?: number;
  /** Whether a sector of the next epoch is on the disk. */
  readonly keeps: () => boolean;
}

/** What is on the disk after a power failure: epochs through `through` whole, any sectors of the next one, nothing else. */
export function survivors(
  before: readonly BootBlock[],
  writes: readonly GuestWrite[],
  cut: Cut,
): readonly BootBlock[] {
  const contents = new Map(before.map(({ lba, data }) => [lba, data.slice()]));
  for (const { epoch, number, lba, data } of writes) {
    if (epoch > cut.through + 1 || number > (cut.last ?? number)) break;
    const content = contents.get(lba) ?? new Uint8Array(BLOCK_SIZE);
    contents.set(lba, content);
    for (let at = 0; at < BLOCK_SIZE; at += SECTOR_SIZE) {
      const isKept = epoch <= cut.through || cut.keeps();
      if (isKept) content.set(data.subarray(at, at + SECTOR_SIZE), at);
    }
  }
  return [...contents].map(([lba, data]) => ({ volume: 0, lba, data }));
}
