/** A quorum service between simulated links, with a store whose every change takes time. */
import { unreachable } from "../../node/core/invariant.ts";
import type {
  QuorumAnswer,
  QuorumFrame,
  QuorumRecord,
  QuorumRequest,
} from "../../node/core/quorum/messages.ts";
import {
  createQuorumService,
  type QuorumEffect,
  type QuorumEvent,
} from "../../node/core/quorum/service.ts";
import { encodeQuorumAnswer, parseQuorumAnswer } from "../../node/wire/quorum.ts";
import type { LinkEnd, SimLink } from "./link.ts";
import type { Watch } from "./watch.ts";
import { drawsOf, parcelOf, type SimProcess, type World } from "./world.ts";

type ServiceLink = SimLink<QuorumFrame<QuorumRequest>, QuorumFrame<QuorumAnswer>>;

export interface SimQuorum extends SimProcess {
  attach(host: string, link: ServiceLink): LinkEnd<QuorumFrame<QuorumRequest>>;
  /** What a restart would find. */
  durable(): readonly QuorumRecord[];
}

const PERSIST_US = { min: 300, max: 2_500 } as const;

export function createSimQuorum(world: World, name: string, watch: Watch): SimQuorum {
  const { clock, cluster, log } = world;
  const source = `quorum ${name}`;
  const draws = drawsOf(world, source);
  const instance = drawsOf(world, `${source}/ids`).id();
  const startService = () =>
    createQuorumService({ cluster, service: name, instance, records: durable });
  const links = new Map<number, ServiceLink>();
  let durable: readonly QuorumRecord[] = [];
  let underWay: readonly QuorumRecord[] | null = null;
  let isAlive = true;
  /** Counted from 0: what an older life began does not end. */
  let life = 0;
  let service = startService();

  function take(event: QuorumEvent): void {
    if (isAlive) world.guarded(name, () => service.step(event).forEach(perform));
  }

  function perform(effect: QuorumEffect): void {
    switch (effect.kind) {
      case "send": {
        const codec = { encode: encodeQuorumAnswer, parse: parseQuorumAnswer };
        links.get(effect.conn)?.sendBackward(effect.conn, parcelOf(world, effect.frame, codec));
        return;
      }
      case "persist": {
        const { token, records } = effect;
        const own = life;
        underWay = records;
        clock.after(draws.between(PERSIST_US.min, PERSIST_US.max), () => {
          if (own !== life) return;
          land(records);
          take({ kind: "persisted", token });
        });
        return;
      }
      case "note":
        log.report(source, effect.what, effect.fields);
        return;
      default:
        unreachable(effect);
    }
  }

  function land(records: readonly QuorumRecord[]): void {
    durable = records;
    underWay = null;
    watch.recorded(name);
  }

  const endFor = (host: string, link: ServiceLink): LinkEnd<QuorumFrame<QuorumRequest>> => ({
    isAlive: () => isAlive,
    up(conn) {
      links.set(conn, link);
      take({ kind: "connected", conn, host, vm: world.vm });
    },
    down(conn) {
      links.delete(conn);
      take({ kind: "closed", conn });
    },
    refused: () => undefined,
    frame: (conn, frame) => take({ kind: "frame", conn, frame }),
  });

  return {
    name,
    source,
    isAlive: () => isAlive,
    start() {
      if (isAlive) return;
      isAlive = true;
      service = startService();
    },
    kill() {
      if (!isAlive) return;
      isAlive = false;
      life += 1;
      links.clear();
      // The store is replaced whole: the new one is there, or the old one.
      if (underWay !== null && draws.chance(500)) land(underWay);
      underWay = null;
    },
    quiesce: () => undefined,
    isQuiet: () => true,
    durable: () => durable,
    attach: endFor,
  };
}
