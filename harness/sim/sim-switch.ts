/** A site's switch: the core's state machine between simulated links and simulated clients. */
import type { VmId } from "../../node/core/identity.ts";
import { unreachable } from "../../node/core/invariant.ts";
import type { SessionId } from "../../node/core/machine/entry.ts";
import type { SwitchEffect, SwitchEvent } from "../../node/core/switch/contract.ts";
import type { FromSwitch, ToSwitch } from "../../node/core/switch/frames.ts";
import { createSwitch, stepSwitch } from "../../node/core/switch/switch.ts";
import { encodeFromSwitch, parseFromSwitch } from "../../node/wire/switch.ts";
import { createLane, type Item, type Lane } from "./lane.ts";
import type { LinkEnd, SimLink } from "./link.ts";
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

export interface SimSwitch extends SimProcess {
  attach(host: string, link: SimLink<ToSwitch, FromSwitch>): LinkEnd<ToSwitch>;
  connect(vm: VmId, events: ClientSocketEvents): ClientSocket;
}

/** Everything arrived in so short a time counts as one turn of the switch's loop. */
const TURN_US = 20;
const TICK_US = 20_000;
const CLIENT_US = { min: 15, max: 80 } as const;

interface Client {
  readonly session: SessionId;
  readonly toClient: Lane<Uint8Array>;
  readonly events: ClientSocketEvents;
  /** The client listens no more. */
  isDeaf: boolean;
  /** Null: read as it comes. */
  paused: Uint8Array[] | null;
}

export function createSimSwitch(world: World, name: string): SimSwitch {
  const { clock, log } = world;
  const source = `switch ${name}`;
  const draws = drawsOf(world, `switch/${name}`);
  const state = createSwitch({ vms: [world.vm] });
  const links = new Map<number, SimLink<ToSwitch, FromSwitch>>();
  const clients = new Map<SessionId, Client>();
  let sessions = 0;
  let isAlive = true;

  function take(event: WithoutNow<SwitchEvent>): void {
    if (!isAlive) return;
    try {
      for (const effect of stepSwitch(state, { ...event, nowUs: clock.now() })) perform(effect);
    } catch (error: unknown) {
      world.failed(name, error);
    }
  }

  function perform(effect: SwitchEffect): void {
    switch (effect.kind) {
      case "send-host":
        links
          .get(effect.conn)
          ?.sendBackward(
            effect.conn,
            parcelOf(world, effect.frame, { encode: encodeFromSwitch, parse: parseFromSwitch }),
          );
        return;
      case "write-client": {
        const { session, bytes, upTo } = effect;
        clients.get(session)?.toClient.send({ kind: "frame", parcel: () => bytes });
        clock.after(0, () => take({ kind: "client-drained", session, upTo }));
        return;
      }
      case "end-client":
      case "reset-client":
        endClient(effect.session);
        return;
      case "pause-client": {
        const client = clients.get(effect.session);
        if (client !== undefined) client.paused ??= [];
        return;
      }
      case "resume-client":
        resume(effect.session);
        return;
      case "want-turn":
        clock.after(TURN_US, () => take({ kind: "turn" }));
        return;
      case "note": {
        const { what, ...fields } = effect.note;
        log.report(source, what, fields);
        return;
      }
      case "mark":
        log.mark(effect.mark);
        return;
      default:
        unreachable(effect);
    }
  }

  function endClient(session: SessionId): void {
    clients.get(session)?.toClient.send({ kind: "close" });
    clients.delete(session);
  }

  function resume(session: SessionId): void {
    const client = clients.get(session);
    const kept = client?.paused ?? [];
    if (client !== undefined) client.paused = null;
    for (const bytes of kept) take({ kind: "client-data", session, bytes });
  }

  function tick(): void {
    if (!isAlive) return;
    take({ kind: "tick" });
    clock.after(TICK_US, tick);
  }

  function arriveFromClient(client: Client, item: Item<Uint8Array>): void {
    const { session } = client;
    if (!isAlive) return;
    if (item.kind === "greeting") {
      clients.set(session, client);
      take({ kind: "client-accepted", vm: world.vm, session });
      if (clients.has(session)) client.toClient.send({ kind: "greeting" });
    } else if (!clients.has(session)) return;
    else if (item.kind === "close") {
      clients.delete(session);
      take({ kind: "client-gone", session });
    } else if (client.paused !== null) client.paused.push(item.parcel() ?? NOTHING);
    else take({ kind: "client-data", session, bytes: item.parcel() ?? NOTHING });
  }

  return {
    name,
    source,
    isAlive: () => isAlive,
    start: () => clock.after(draws.below(TICK_US), tick),
    kill() {
      isAlive = false;
      for (const session of [...clients.keys()]) endClient(session);
    },
    quiesce: () => take({ kind: "report" }),
    isQuiet: () => true,
    attach: (host, link) => ({
      isAlive: () => isAlive,
      up(conn) {
        links.set(conn, link);
        take({ kind: "host-up", conn, host });
      },
      down(conn) {
        links.delete(conn);
        take({ kind: "host-down", conn });
      },
      refused: () => undefined,
      frame: (conn, frame) => take({ kind: "host-frame", conn, frame }),
    }),
    connect(_vm, events) {
      sessions += 1;
      const lane = {
        clock,
        draws,
        delay: () => draws.between(CLIENT_US.min, CLIENT_US.max),
        stopped: () => undefined,
      };
      const client: Client = {
        session: sessions,
        events,
        isDeaf: false,
        paused: null,
        toClient: createLane<Uint8Array>({ ...lane, arrive: (item) => tellClient(client, item) }),
      };
      const toSwitch = createLane<Uint8Array>({
        ...lane,
        arrive: (item) => arriveFromClient(client, item),
      });
      if (isAlive) toSwitch.send({ kind: "greeting" });
      else client.toClient.send({ kind: "close" });
      return {
        write: (bytes) => toSwitch.send({ kind: "frame", parcel: () => bytes }),
        destroy() {
          if (client.isDeaf) return;
          client.isDeaf = true;
          toSwitch.send({ kind: "close" });
        },
      };
    },
  };
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

type WithoutNow<Event> = Event extends unknown ? Omit<Event, "nowUs"> : never;
