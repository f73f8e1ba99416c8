/**
 * What the clients of the reference workload choose to do. Pure: the same seed and the same outcomes in the same order give the same
 * choices, in the simulator as in the process that drives real hosts.
 *
 * Half of the operations are reads, half are writes; of the writes a third each goes to shared keys, to keys written once, and to lists.
 * Old once-keys and full lists are read back and then deleted, so that a guest with little memory lives for hours; this is held back
 * inside fault windows, where it would hide what the fault did.
 */
import { invariant, unreachable } from "../../node/core/invariant.ts";
import { type AgedQueue, createAgedQueue } from "./aged-queue.ts";
import type { Choice, Ending } from "./choice.ts";
import { forkRandom, type Random } from "./forked-random.ts";

export interface ReferenceLoadOptions {
  readonly seed: number;
  readonly clients: number;
  /** Begin of every key and every client's name: loads with different ones share nothing. Default: none. */
  readonly prefix?: string;
  /** Default 128. */
  readonly sharedKeyCount?: number;
  /** Live once-keys outside fault windows. Inside them half as many more may come, then once-writes go to shared keys. Default 8,000. */
  readonly onceLiveMax?: number;
  /** Elements of a full list. Default 64. */
  readonly listLengthMax?: number;
}

/** The clients of one workload: they share all keys. */
export interface ReferenceLoad {
  /** `index` counts from 0 to `clients` − 1. */
  client(index: number): LoadClient;
  /** A read of every key that may be there: shared keys, once-keys, lists. To be asked for when no client has an operation under way. */
  finalReads(): readonly Choice[];
  /** Keys written once that may be there now. */
  onceLive(): number;
}

/** One client: `next`, then `ended` with how that operation ended, and so on. */
export interface LoadClient {
  /** @param isFaultWindow nothing is read back or deleted while true */
  next(isFaultWindow: boolean): Choice;
  ended(outcome: Ending["kind"]): void;
}

/** Size of every value. Unit: bytes. */
const VALUE_SIZE = 100;
/** Lists that are appended to at the same time: fewer than the clients, so that they meet. */
const OPEN_LISTS = 4;
/** Full lists that may wait for their end, then appends go to shared keys: they would fill the guest's memory (6.4 KB each). */
const FULL_LISTS_MAX = 96;
/** Of eight reads: shared keys, then once-keys, the rest lists, whose answers are long. */
const READS = { shared: 4, once: 3, of: 8 } as const;

interface List {
  readonly key: string;
  appended: number;
  underWay: number;
}

interface Keys {
  readonly prefix: string;
  readonly shared: readonly string[];
  readonly once: AgedQueue<string>;
  /** Once-keys that a client is writing or taking away. */
  onceElsewhere: number;
  readonly openLists: (List | null)[];
  readonly fullLists: AgedQueue<List>;
  listCount: number;
  readonly limits: {
    readonly onceLive: number;
    readonly listLength: number;
    readonly slack: number;
  };
}

/** On its way out: read back, then deleted. */
interface Leaving {
  readonly key: string;
  readonly f: "read" | "list";
  isReadBack: boolean;
}

type UnderWay =
  | { readonly kind: "other" }
  | { readonly kind: "once"; readonly key: string }
  | { readonly kind: "append"; readonly list: List }
  | { readonly kind: "leaving"; readonly leaving: Leaving; readonly isDelete: boolean };

interface Client {
  readonly name: string;
  readonly kinds: Random;
  readonly picks: Random;
  values: number;
  leaving: Leaving | null;
  /** Cleaning and load take turns, so that a long backlog does not replace the load. */
  isCleaningNext: boolean;
  underWay: UnderWay | null;
}

export function createReferenceLoad(options: ReferenceLoadOptions): ReferenceLoad {
  const { prefix = "", sharedKeyCount = 128 } = options;
  const keys: Keys = {
    prefix,
    shared: Array.from({ length: sharedKeyCount }, (_, index) => `${prefix}s${index}`),
    once: createAgedQueue(),
    onceElsewhere: 0,
    openLists: Array.from({ length: OPEN_LISTS }, () => null),
    fullLists: createAgedQueue(),
    listCount: 0,
    limits: {
      onceLive: options.onceLiveMax ?? 8_000,
      listLength: options.listLengthMax ?? 64,
      slack: 8 * options.clients,
    },
  };
  const clients = Array.from({ length: options.clients }, (_, index) =>
    createClient(options.seed, `${prefix}c${index}`),
  );
  return {
    client(index) {
      const client = clients[index];
      invariant(client !== undefined, "a client's index is below the number of clients");
      return {
        next: (isFaultWindow) => next(keys, client, isFaultWindow),
        ended: (outcome) => ended(keys, client, outcome),
      };
    },
    finalReads: () => finalReads(keys, clients),
    onceLive: () => onceLive(keys),
  };
}

function createClient(seed: number, name: string): Client {
  return {
    name,
    kinds: forkRandom(seed, `${name}/kinds`),
    picks: forkRandom(seed, `${name}/picks`),
    values: 0,
    leaving: null,
    isCleaningNext: true,
    underWay: null,
  };
}

function next(keys: Keys, client: Client, isFaultWindow: boolean): Choice {
  invariant(client.underWay === null, "a client has one operation under way");
  if (!isFaultWindow && client.isCleaningNext) {
    client.leaving ??= takeLeaving(keys);
    if (client.leaving !== null) {
      client.isCleaningNext = false;
      return clean(client, client.leaving);
    }
  }
  client.isCleaningNext = true;
  const kind = client.kinds.below(6);
  client.underWay = { kind: "other" };
  switch (kind) {
    case 0:
      return writeShared(keys, client);
    case 1:
      return onceLive(keys) < 1.5 * keys.limits.onceLive
        ? writeOnce(keys, client)
        : writeShared(keys, client);
    case 2:
      return keys.fullLists.size() < FULL_LISTS_MAX
        ? append(keys, client)
        : writeShared(keys, client);
    default:
      return read(keys, client);
  }
}

function takeLeaving(keys: Keys): Leaving | null {
  const list = keys.fullLists.at(0);
  if (list !== undefined && list.underWay === 0) {
    keys.fullLists.shift();
    return { key: list.key, f: "list", isReadBack: false };
  }
  // Begins before the limit, because what other clients have under way comes on top.
  if (onceLive(keys) <= keys.limits.onceLive - keys.limits.slack) return null;
  const key = keys.once.shift();
  if (key === undefined) return null;
  keys.onceElsewhere += 1;
  return { key, f: "read", isReadBack: false };
}

function clean(client: Client, leaving: Leaving): Choice {
  const isDelete = leaving.isReadBack;
  client.underWay = { kind: "leaving", leaving, isDelete };
  const f = isDelete ? "delete" : leaving.f;
  return { f, key: leaving.key, value: null, role: "readback" };
}

function writeShared(keys: Keys, client: Client): Choice {
  return load("write", pick(keys.shared, client), newValue(client));
}

function writeOnce(keys: Keys, client: Client): Choice {
  const value = newValue(client);
  const key = `${keys.prefix}o${client.name}.${client.values}`;
  keys.onceElsewhere += 1;
  client.underWay = { kind: "once", key };
  return load("write", key, value);
}

function append(keys: Keys, client: Client): Choice {
  const slot = client.picks.below(keys.openLists.length);
  let list = keys.openLists[slot] ?? null;
  if (list === null) {
    keys.listCount += 1;
    list = { key: `${keys.prefix}l${keys.listCount}`, appended: 0, underWay: 0 };
  }
  list.appended += 1;
  list.underWay += 1;
  const isFull = list.appended >= keys.limits.listLength;
  if (isFull) keys.fullLists.push(list);
  keys.openLists[slot] = isFull ? null : list;
  client.underWay = { kind: "append", list };
  return load("append", list.key, newValue(client));
}

function read(keys: Keys, client: Client): Choice {
  const kind = client.picks.below(READS.of);
  if (kind >= READS.shared + READS.once) {
    const list = keys.openLists[client.picks.below(keys.openLists.length)];
    if (list !== null && list !== undefined) return load("list", list.key, null);
  } else if (kind >= READS.shared && keys.once.size() > 0) {
    const key = keys.once.at(client.picks.below(keys.once.size()));
    if (key !== undefined) return load("read", key, null);
  }
  return load("read", pick(keys.shared, client), null);
}

function ended(keys: Keys, client: Client, outcome: Ending["kind"]): void {
  const { underWay } = client;
  invariant(underWay !== null, "only an operation under way ends");
  client.underWay = null;
  switch (underWay.kind) {
    case "other":
      return;
    case "once":
      keys.onceElsewhere -= 1;
      if (outcome !== "fail") keys.once.push(underWay.key);
      return;
    case "append":
      underWay.list.underWay -= 1;
      return;
    case "leaving":
      // What did not end with an answer is tried again: the key may still be there.
      if (outcome !== "ok") return;
      if (!underWay.isDelete) {
        underWay.leaving.isReadBack = true;
        return;
      }
      if (underWay.leaving.f === "read") keys.onceElsewhere -= 1;
      client.leaving = null;
      return;
    default:
      unreachable(underWay);
  }
}

function finalReads(keys: Keys, clients: readonly Client[]): readonly Choice[] {
  const leaving = clients.flatMap((client) => (client.leaving === null ? [] : [client.leaving]));
  const lists = [...keys.fullLists.items(), ...keys.openLists].flatMap((list) =>
    list === null ? [] : [readBack("list", list.key)],
  );
  return [
    ...keys.shared.map((key) => readBack("read", key)),
    ...leaving.map(({ f, key }) => readBack(f, key)),
    ...keys.once.items().map((key) => readBack("read", key)),
    ...lists,
  ];
}

function onceLive(keys: Keys): number {
  return keys.once.size() + keys.onceElsewhere;
}

/** Unique in the workload; the repeated name shows damage at any place in it. */
function newValue(client: Client): string {
  client.values += 1;
  const name = `${client.name}.${client.values}|`;
  return name.repeat(Math.ceil(VALUE_SIZE / name.length)).slice(0, VALUE_SIZE);
}

function pick(from: readonly string[], client: Client): string {
  const key = from[client.picks.below(from.length)];
  invariant(key !== undefined, "a draw stays within its range");
  return key;
}

function load(f: Choice["f"], key: string, value: string | null): Choice {
  return { f, key, value, role: "load" };
}

function readBack(f: "read" | "list", key: string): Choice {
  return { f, key, value: null, role: "readback" };
}
