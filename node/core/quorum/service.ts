/**
 * The quorum service: one record per VM, changed by compare-and-set only (P12, P13), or by an operator's word. Rules that keep it from
 * granting twice:
 *
 * - Nothing that depends on a change is answered before the change is durable. One change is on its way to the store at a time;
 *   every request behind it waits, in order, so that no answer shows a record that a crash could take back.
 * - A host that remembers a higher counter proves that the store was set back. The VM gets no grant until the pair registers anew.
 * - With `confirmAfterRestart` a start is taken for such a proof until both hosts, who would know better, have said what they are.
 */
import type { Generation, HostId, RandomId, ServiceId, VmId } from "../identity.ts";
import { sameGeneration } from "../identity.ts";
import { invariant, unreachable } from "../invariant.ts";
import type {
  QuorumAnswer,
  QuorumFrame,
  QuorumRecord,
  QuorumRequest,
  SeenCounter,
} from "./messages.ts";

export interface QuorumConfig {
  readonly cluster: string;
  readonly service: ServiceId;
  /** Of the store; every record in it carries the same. */
  readonly instance: RandomId;
  /** What the store holds, one per VM. */
  readonly records: readonly QuorumRecord[];
  /**
   * Grants nothing for a VM until both hosts confirmed since this start, or the pair registered. Closes the hole of a store that was set
   * back while no host in reach could tell; the price: when all three restart and one host stays dead, nothing runs.
   */
  readonly confirmAfterRestart: boolean;
}

export type QuorumEvent =
  /** `conn` is new for every connection of this process. `vm` when the transport knows it; else the first frame tells. */
  | {
      readonly kind: "connected";
      readonly conn: number;
      readonly host: HostId;
      readonly vm?: VmId;
    }
  | { readonly kind: "closed"; readonly conn: number }
  | {
      readonly kind: "frame";
      readonly conn: number;
      readonly frame: QuorumFrame<QuorumRequest>;
    }
  /** The records of the `persist` with this token are durable. A store that fails ends the process instead. */
  | { readonly kind: "persisted"; readonly token: number };

export type QuorumEffect =
  /** Best effort: dropped when the connection is gone. */
  | { readonly kind: "send"; readonly conn: number; readonly frame: QuorumFrame<QuorumAnswer> }
  /** Replaces the whole store, durably; at most one is under way. */
  | { readonly kind: "persist"; readonly token: number; readonly records: readonly QuorumRecord[] }
  | { readonly kind: "note"; readonly what: QuorumNote; readonly fields: NoteFields };

export type QuorumNote = "granted" | "registered" | "overridden" | "refused" | "behind" | "stale";
export type NoteFields = Readonly<Record<string, string | number | null>>;

export interface QuorumService {
  step(event: QuorumEvent): readonly QuorumEffect[];
}

/** Requests that wait behind a store. A host has a handful out; beyond this the store hangs, and hosts repeat what is dropped. */
const QUEUE_MAX = 1_024;

interface Asked {
  readonly conn: number;
  readonly frame: QuorumFrame<QuorumRequest>;
}

interface Change {
  readonly token: number;
  readonly asked: Asked;
  readonly answer: "grant" | "registered" | "record";
  readonly record: QuorumRecord;
}

interface State {
  readonly config: QuorumConfig;
  readonly records: Map<VmId, QuorumRecord>;
  /** VMs whose record was contradicted, with the highest counter that a host remembered. */
  readonly forgotten: Map<VmId, number>;
  /** By VM: hosts that confirmed since this start. */
  readonly confirmed: Map<VmId, Set<HostId>>;
  /** VMs that were registered since this start. */
  readonly registered: Set<VmId>;
  readonly connections: Map<number, { readonly host: HostId; readonly vms: Set<VmId> }>;
  queue: readonly Asked[];
  change: Change | null;
  tokens: number;
}

export function createQuorumService(config: QuorumConfig): QuorumService {
  for (const record of config.records) {
    invariant(record.instance === config.instance, "a store's records carry its instance");
  }
  const state: State = {
    config,
    records: new Map(config.records.map((record) => [record.vm, record])),
    forgotten: new Map(),
    confirmed: new Map(),
    registered: new Set(),
    connections: new Map(),
    queue: [],
    change: null,
    tokens: 0,
  };
  return { step: (event) => step(state, event) };
}

function step(state: State, event: QuorumEvent): readonly QuorumEffect[] {
  switch (event.kind) {
    case "connected": {
      invariant(!state.connections.has(event.conn), "a connection's number is new");
      const vms = new Set(event.vm === undefined ? [] : [event.vm]);
      state.connections.set(event.conn, { host: event.host, vms });
      return [];
    }
    case "closed":
      state.connections.delete(event.conn);
      // A claim dies with its connection (P10): its host counts on that once it saw the connection close.
      state.queue = state.queue.filter(({ conn }) => conn !== event.conn);
      return [];
    case "frame":
      admit(state, { conn: event.conn, frame: event.frame });
      return drain(state);
    case "persisted":
      return [...commit(state, event.token), ...drain(state)];
    default:
      return unreachable(event);
  }
}

function admit(state: State, asked: Asked): void {
  const { conn, frame } = asked;
  const connection = state.connections.get(conn);
  if (connection === undefined || frame.host !== connection.host) return;
  if (frame.cluster !== state.config.cluster) return;
  connection.vms.add(frame.vm);
  const isSame = (other: Asked): boolean =>
    other.conn === conn && other.frame.vm === frame.vm && other.frame.request === frame.request;
  if (state.queue.some(isSame)) return;
  if (state.change !== null && isSame(state.change.asked)) return;
  if (state.queue.length >= QUEUE_MAX) return;
  state.queue = [...state.queue, asked];
}

/** Answers what waits, up to the next change. */
function drain(state: State): readonly QuorumEffect[] {
  const effects: QuorumEffect[] = [];
  while (state.change === null) {
    const [asked, ...rest] = state.queue;
    if (asked === undefined) break;
    state.queue = rest;
    effects.push(...answer(state, asked));
  }
  return effects;
}

function answer(state: State, asked: Asked): readonly QuorumEffect[] {
  const { body, vm } = asked.frame;
  switch (body.kind) {
    case "beat":
      return [send(asked, { kind: "beat-ok" })];
    case "watch":
      noteConfirmation(state, asked, body);
      return [
        ...compareCounters(state, asked, body.seen),
        send(asked, { kind: "record", record: recordOf(state, vm) }),
      ];
    case "register":
      return register(state, asked, body);
    case "claim":
      return claim(state, asked, body);
    case "override":
      return override(state, asked, body.gen);
    default:
      return unreachable(body);
  }
}

/**
 * Not every word counts. A host whose disk says nothing knows nothing; one that remembers another store, or more than this one holds, or
 * is alone by a grant that is not on record here, contradicts.
 */
function noteConfirmation(
  state: State,
  { frame: { vm, host } }: Asked,
  { gen, right, seen }: Extract<QuorumRequest, { readonly kind: "watch" }>,
): void {
  const record = recordOf(state, vm);
  const isSeen =
    seen === null || (seen.instance === record.instance && seen.counter <= record.counter);
  const isHolder = record.holder === host && sameGeneration(record.gen, gen);
  if (!isSeen || right === "none" || (right === "sole" && !isHolder)) return;
  const hosts = state.confirmed.get(vm) ?? new Set();
  state.confirmed.set(vm, hosts.add(host));
}

/** A VM has two hosts. */
function isConfirmed({ config, registered, confirmed }: State, vm: VmId): boolean {
  if (!config.confirmAfterRestart || registered.has(vm)) return true;
  return (confirmed.get(vm)?.size ?? 0) >= 2;
}

function register(
  state: State,
  asked: Asked,
  { gen, counter }: { readonly gen: Generation; readonly counter: number },
): readonly QuorumEffect[] {
  const record = recordOf(state, asked.frame.vm);
  const forgotten = state.forgotten.get(asked.frame.vm);
  if (counter === record.counter) {
    const registered = {
      ...record,
      gen,
      holder: null,
      from: null,
      counter: nextCounter(state, record),
    };
    return [change(state, asked, "registered", registered)];
  }
  const isRepeated = sameGeneration(record.gen, gen) && record.holder === null;
  if (isRepeated && forgotten === undefined) return [send(asked, { kind: "registered", record })];
  return [send(asked, { kind: "stale", record }), note(state, asked, "stale", record)];
}

function claim(
  state: State,
  asked: Asked,
  { from, gen, seen }: Extract<QuorumRequest, { readonly kind: "claim" }>,
): readonly QuorumEffect[] {
  const { vm, host } = asked.frame;
  const record = recordOf(state, vm);
  const contradicted = compareCounters(state, asked, seen);
  const isOtherStore = seen !== null && seen.instance !== state.config.instance;
  const isForgotten = isOtherStore || state.forgotten.has(vm);
  if (isForgotten || !isConfirmed(state, vm)) {
    const why = isForgotten ? "forgot" : "unconfirmed";
    const behind = send(asked, { kind: "behind", record, why });
    return contradicted.length > 0
      ? [...contradicted, behind]
      : [behind, note(state, asked, "behind", record)];
  }
  if (record.holder === host && sameGeneration(record.from, from)) {
    return [send(asked, { kind: "grant", record })];
  }
  if (record.holder === null && sameGeneration(record.gen, from)) {
    const granted = { ...record, gen, holder: host, from, counter: record.counter + 1 };
    return [change(state, asked, "grant", granted)];
  }
  return [send(asked, { kind: "refused", record }), note(state, asked, "refused", record)];
}

/** The operator's word counts before every record: nothing that the other host could claim from is registered any more. */
function override(state: State, asked: Asked, gen: Generation): readonly QuorumEffect[] {
  const { vm, host } = asked.frame;
  const record = recordOf(state, vm);
  if (record.holder === host && sameGeneration(record.gen, gen))
    return [send(asked, { kind: "record", record })];
  const counter = nextCounter(state, record);
  return [change(state, asked, "record", { ...record, gen, holder: host, from: gen, counter })];
}

/** Above every counter that a host remembers: else its next watch would contradict the new record too. */
function nextCounter({ forgotten }: State, { vm, counter }: QuorumRecord): number {
  return Math.max(counter, forgotten.get(vm) ?? 0) + 1;
}

/** Another instance proves nothing here: its counters are not this store's. Only the claim that carries it is turned away. */
function compareCounters(
  state: State,
  asked: Asked,
  seen: SeenCounter | null,
): readonly QuorumEffect[] {
  const { vm } = asked.frame;
  const record = recordOf(state, vm);
  if (seen === null || seen.instance !== state.config.instance) return [];
  if (seen.counter <= record.counter) return [];
  const highest = state.forgotten.get(vm);
  state.forgotten.set(vm, Math.max(highest ?? 0, seen.counter));
  return highest === undefined ? [note(state, asked, "behind", record)] : [];
}

function change(
  state: State,
  asked: Asked,
  answer: Change["answer"],
  record: QuorumRecord,
): QuorumEffect {
  invariant(state.change === null, "one change is on its way at a time");
  state.tokens += 1;
  state.change = { token: state.tokens, asked, answer, record };
  const records = [...new Map([...state.records, [record.vm, record]]).values()];
  return { kind: "persist", token: state.tokens, records };
}

function commit(state: State, token: number): readonly QuorumEffect[] {
  const { change } = state;
  invariant(change !== null && change.token === token, "the store ends what was given to it");
  const { asked, record } = change;
  state.change = null;
  state.records.set(record.vm, record);
  if (change.answer === "registered") {
    state.forgotten.delete(record.vm);
    state.registered.add(record.vm);
  }
  const isAnswerable = state.connections.has(asked.conn);
  return [
    ...(isAnswerable ? [send(asked, { kind: change.answer, record })] : []),
    ...pushes(state, asked, record),
    note(state, asked, NOTE_OF[change.answer], record),
  ];
}

/** To everybody else, also to a newer connection of the host that asked: it may have lost the one that the answer goes to. */
function pushes(state: State, asked: Asked, record: QuorumRecord): readonly QuorumEffect[] {
  const { cluster } = state.config;
  return [...state.connections].flatMap(([conn, { host, vms }]): readonly QuorumEffect[] => {
    if (conn === asked.conn || !vms.has(record.vm)) return [];
    const body: QuorumAnswer = { kind: "record", record };
    return [{ kind: "send", conn, frame: { cluster, vm: record.vm, host, request: 0, body } }];
  });
}

const NOTE_OF = { grant: "granted", registered: "registered", record: "overridden" } as const;

function recordOf(state: State, vm: VmId): QuorumRecord {
  const { cluster, instance } = state.config;
  const unknown = { cluster, vm, gen: null, holder: null, from: null, counter: 0, instance };
  return state.records.get(vm) ?? unknown;
}

function send({ conn, frame }: Asked, body: QuorumAnswer): QuorumEffect {
  return { kind: "send", conn, frame: { ...frame, body } };
}

function note(state: State, asked: Asked, what: QuorumNote, record: QuorumRecord): QuorumEffect {
  const { service, instance } = state.config;
  const { vm, host } = asked.frame;
  const { gen, holder, from, counter } = record;
  const ids = { gen: gen?.id ?? null, n: gen?.n ?? null, from: from?.id ?? null };
  return { kind: "note", what, fields: { service, instance, vm, host, holder, ...ids, counter } };
}
