/** A site's switch: the core's state machine between simulated links and simulated clients. */
import type { VmId } from "../../node/core/identity.ts";
import { unreachable } from "../../node/core/invariant.ts";
import type { SessionId } from "../../node/core/machine/entry.ts";
import type { SwitchEffect, SwitchEvent } from "../../node/core/switch/contract.ts";
import type { FromSwitch, ToSwitch, TrunkFrame } from "../../node/core/switch/frames.ts";
import { type SiteNumber, sessionOf } from "../../node/core/switch/home.ts";
import type { SwitchState } from "../../node/core/switch/state.ts";
import { createSwitch, stepSwitch } from "../../node/core/switch/switch.ts";
import { encodeFromSwitch, parseFromSwitch } from "../../node/wire/switch.ts";
import { encodeTrunk, parseTrunk } from "../../node/wire/trunk.ts";
import type { Micros } from "../record/types.ts";
import type { Draws } from "./draws.ts";
import { createLane, type Item, type Lane, type Parcel } from "./lane.ts";
import type { LinkEnd, Side, SimLink } from "./link.ts";
import { drawsOf, parcelOf, type SimProcess, type World } from "./world.ts";

/** What a client's socket tells. */
export interface ClientSocketEvents {
  opened(): void;
  data(bytes: Uint8Array): void;
  /** Refused, reset, or ended by the other side. */
  closed(error: string): void;
}

export interface ClientSocket {
  write(bytes: Uint8Array): void;
  /** Nothing is told of this socket any more. */
  destroy(): void;
}

export type TrunkLink = SimLink<TrunkFrame, TrunkFrame>;

export interface SimSwitch extends SimProcess {
  attach(host: string, link: SimLink<ToSwitch, FromSwitch>): LinkEnd<ToSwitch>;
  /** @param side which end of the trunk this switch is */
  attachTrunk(side: Side, link: TrunkLink): LinkEnd<TrunkFrame>;
  connect(vm: VmId, events: ClientSocketEvents): ClientSocket;
}

/** Everything arrived in so short a time counts as one turn of the switch's loop. */
const TURN_US = 20;
const TICK_US = 20_000;
const CLIENT_US = { min: 15, max: 80 } as const;
const CODEC = { encode: encodeFromSwitch, parse: parseFromSwitch };

interface Client {
  readonly vm: VmId;
  readonly session: SessionId;
  readonly toClient: Lane<Uint8Array>;
  readonly events: ClientSocketEvents;
  /** The client listens no more. */
  isDeaf: boolean;
  /** Bytes that the switch does not read now; null: read as they come. */
  paused: Uint8Array[] | null;
}

export interface SimSwitchOptions {
  readonly name: string;
  readonly site: SiteNumber;
  /** Called when the switch takes in and makes connections. */
  readonly ready: () => void;
}

type WithoutNow<Event> = Event extends unknown ? Omit<Event, "nowUs"> : never;

class Switch implements SimSwitch {
  readonly name: string;
  readonly source: string;
  readonly #world: World;
  readonly #options: SimSwitchOptions;
  readonly #draws: Draws;
  readonly #links = new Map<number, SimLink<ToSwitch, FromSwitch>>();
  readonly #clients = new Map<SessionId, Client>();
  #state: SwitchState;
  /** Sends over the trunk. */
  #sayTrunk: (conn: number, frame: TrunkFrame) => void = () => undefined;
  /** Over all lives: numbers are used once. */
  #sessions = 0;
  #isAlive = true;
  /** Counted from 0: what an older life began does not end. */
  #life = 0;

  constructor(world: World, options: SimSwitchOptions) {
    this.name = options.name;
    this.source = `switch ${options.name}`;
    this.#world = world;
    this.#options = options;
    this.#draws = drawsOf(world, this.source);
    this.#state = this.#newState();
  }

  isAlive(): boolean {
    return this.#isAlive;
  }

  start(): void {
    if (!this.#isAlive) this.#state = this.#newState();
    this.#isAlive = true;
    this.#after(this.#draws.below(TICK_US), () => this.#tick());
    this.#options.ready();
  }

  kill(): void {
    if (!this.#isAlive) return;
    for (const session of [...this.#clients.keys()]) this.#endClient(session);
    this.#isAlive = false;
    this.#life += 1;
    this.#links.clear();
  }

  quiesce(): void {
    this.#take({ kind: "report" });
  }

  isQuiet(): boolean {
    return true;
  }

  attach(host: string, link: SimLink<ToSwitch, FromSwitch>): LinkEnd<ToSwitch> {
    return {
      isAlive: () => this.#isAlive,
      up: (conn) => {
        this.#links.set(conn, link);
        this.#take({ kind: "host-up", conn, host });
      },
      down: (conn) => {
        this.#links.delete(conn);
        this.#take({ kind: "host-down", conn });
      },
      refused: () => undefined,
      frame: (conn, frame) => this.#take({ kind: "host-frame", conn, frame }),
    };
  }

  attachTrunk(side: Side, link: TrunkLink): LinkEnd<TrunkFrame> {
    const send = (conn: number, parcel: Parcel<TrunkFrame>): void =>
      side === "dialler" ? link.sendForward(conn, parcel) : link.sendBackward(conn, parcel);
    this.#sayTrunk = (conn, frame) => {
      if (!this.#world.isEncoded) {
        send(conn, () => frame);
        return;
      }
      // Data above the limit of one frame is cut into several.
      for (const bytes of encodeTrunk(frame)) {
        send(conn, () => {
          const parsed = parseTrunk(bytes);
          return parsed.ok ? parsed.value : null;
        });
      }
    };
    return {
      isAlive: () => this.#isAlive,
      up: (conn) => this.#take({ kind: "trunk-up", conn }),
      down: (conn) => this.#take({ kind: "trunk-down", conn }),
      refused: () => undefined,
      frame: (conn, frame) => this.#take({ kind: "trunk-frame", conn, frame }),
    };
  }

  connect(vm: VmId, events: ClientSocketEvents): ClientSocket {
    this.#sessions += 1;
    const lane = {
      clock: this.#world.clock,
      draws: this.#draws,
      delay: () => this.#draws.between(CLIENT_US.min, CLIENT_US.max),
      stopped: () => undefined,
    };
    const client: Client = {
      vm,
      session: sessionOf(this.#options.site, this.#sessions),
      events,
      isDeaf: false,
      paused: null,
      toClient: createLane<Uint8Array>({ ...lane, arrive: (item) => tellClient(client, item) }),
    };
    const toSwitch = createLane<Uint8Array>({
      ...lane,
      arrive: (item) => this.#arrive(client, item),
    });
    if (this.#isAlive) toSwitch.send({ kind: "greeting" });
    else client.toClient.send({ kind: "close" });
    return {
      write: (bytes) => toSwitch.send({ kind: "frame", parcel: () => bytes }),
      destroy() {
        if (client.isDeaf) return;
        client.isDeaf = true;
        toSwitch.send({ kind: "close" });
      },
    };
  }

  #take(event: WithoutNow<SwitchEvent>): void {
    if (!this.#isAlive) return;
    const nowUs = this.#world.clock.now();
    this.#world.guarded(this.name, () => {
      for (const effect of stepSwitch(this.#state, { nowUs, ...event })) this.#perform(effect);
    });
  }

  #perform(effect: SwitchEffect): void {
    const { log } = this.#world;
    switch (effect.kind) {
      case "send-host": {
        const { conn, frame } = effect;
        this.#links.get(conn)?.sendBackward(conn, parcelOf(this.#world, frame, CODEC));
        return;
      }
      case "send-trunk":
        this.#sayTrunk(effect.conn, effect.frame);
        return;
      case "write-client": {
        const { session, bytes, upTo } = effect;
        this.#clients.get(session)?.toClient.send({ kind: "frame", parcel: () => bytes });
        this.#after(0, () => this.#take({ kind: "client-drained", session, upTo }));
        return;
      }
      case "end-client":
      case "reset-client":
        this.#endClient(effect.session);
        return;
      case "pause-client": {
        const client = this.#clients.get(effect.session);
        if (client !== undefined) client.paused ??= [];
        return;
      }
      case "resume-client":
        this.#resume(effect.session);
        return;
      case "want-turn":
        this.#after(TURN_US, () => this.#take({ kind: "turn" }));
        return;
      case "note": {
        log.report(this.source, effect.note.what, effect.note);
        return;
      }
      case "mark":
        log.mark(effect.mark);
        return;
      default:
        unreachable(effect);
    }
  }

  #endClient(session: SessionId): void {
    this.#clients.get(session)?.toClient.send({ kind: "close" });
    this.#clients.delete(session);
  }

  #resume(session: SessionId): void {
    const client = this.#clients.get(session);
    const kept = client?.paused ?? [];
    if (client !== undefined) client.paused = null;
    for (const bytes of kept) this.#take({ kind: "client-data", session, bytes });
  }

  #arrive(client: Client, item: Item<Uint8Array>): void {
    const { session } = client;
    if (!this.#isAlive) return;
    if (item.kind === "greeting") {
      this.#clients.set(session, client);
      this.#take({ kind: "client-accepted", vm: client.vm, session });
      if (this.#clients.has(session)) client.toClient.send({ kind: "greeting" });
      return;
    }
    if (!this.#clients.has(session)) return;
    if (item.kind === "close") {
      this.#clients.delete(session);
      this.#take({ kind: "client-gone", session });
      return;
    }
    const bytes = item.parcel() ?? NOTHING;
    if (client.paused !== null) client.paused.push(bytes);
    else this.#take({ kind: "client-data", session, bytes });
  }

  #tick(): void {
    this.#take({ kind: "tick" });
    this.#after(TICK_US, () => this.#tick());
  }

  /** Unless it was killed meanwhile. */
  #after(span: Micros, act: () => void): void {
    const life = this.#life;
    this.#world.clock.after(span, () => {
      if (life === this.#life) act();
    });
  }

  #newState(): SwitchState {
    const startedAtUs = this.#world.clock.now() + 1;
    return createSwitch({ site: this.#options.site, vms: [this.#world.vm], startedAtUs });
  }
}

export function createSimSwitch(world: World, options: SimSwitchOptions): SimSwitch {
  return new Switch(world, options);
}

function tellClient(client: Client, item: Item<Uint8Array>): void {
  if (client.isDeaf) return;
  if (item.kind === "greeting") client.events.opened();
  else if (item.kind === "frame") client.events.data(item.parcel() ?? NOTHING);
  else {
    client.isDeaf = true;
    client.events.closed("ECONNRESET");
  }
}

const NOTHING = new Uint8Array(0);
