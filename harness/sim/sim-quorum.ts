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
  type QuorumService,
} from "../../node/core/quorum/service.ts";
import { encodeQuorumAnswer, parseQuorumAnswer } from "../../node/wire/quorum.ts";
import type { Draws } from "./draws.ts";
import type { LinkEnd, SimLink } from "./link.ts";
import type { Watch } from "./watch.ts";
import { drawsOf, parcelOf, reportStart, type SimProcess, type World } from "./world.ts";

type ServiceLink = SimLink<QuorumFrame<QuorumRequest>, QuorumFrame<QuorumAnswer>>;

export interface SimQuorum extends SimProcess {
  attach(host: string, link: ServiceLink): LinkEnd<QuorumFrame<QuorumRequest>>;
  /** What a restart would find. */
  durable(): readonly QuorumRecord[];
}

const PERSIST_US = { min: 300, max: 2_500 } as const;
const CODEC = { encode: encodeQuorumAnswer, parse: parseQuorumAnswer };

export interface SimQuorumOptions {
  readonly name: string;
  readonly confirmAfterRestart: boolean;
  readonly watch: Watch;
}

class Service implements SimQuorum {
  readonly name: string;
  readonly source: string;
  readonly #world: World;
  readonly #options: SimQuorumOptions;
  readonly #draws: Draws;
  readonly #instance: string;
  readonly #links = new Map<number, ServiceLink>();
  #service: QuorumService;
  #durable: readonly QuorumRecord[] = [];
  #underWay: readonly QuorumRecord[] | null = null;
  #isAlive = true;
  /** Counted from 0: what an older life began does not end. */
  #life = 0;

  constructor(world: World, options: SimQuorumOptions) {
    this.name = options.name;
    this.source = `quorum ${options.name}`;
    this.#world = world;
    this.#options = options;
    this.#draws = drawsOf(world, this.source);
    this.#instance = drawsOf(world, `${this.source}/ids`).id();
    this.#service = this.#newService();
  }

  isAlive(): boolean {
    return this.#isAlive;
  }

  start(): void {
    if (this.#isAlive) return;
    this.#isAlive = true;
    this.#service = this.#newService();
    reportStart(this.#world, this.name, this.#life);
  }

  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#life += 1;
    this.#links.clear();
    // The store is replaced whole: the new one is there, or the old one.
    if (this.#underWay !== null && this.#draws.chance(500)) this.#land(this.#underWay);
    this.#underWay = null;
  }

  quiesce(): void {}

  isQuiet(): boolean {
    return true;
  }

  durable(): readonly QuorumRecord[] {
    return this.#durable;
  }

  attach(host: string, link: ServiceLink): LinkEnd<QuorumFrame<QuorumRequest>> {
    return {
      isAlive: () => this.#isAlive,
      up: (conn) => {
        this.#links.set(conn, link);
        this.#take({ kind: "connected", conn, host, vm: this.#world.vm });
      },
      down: (conn) => {
        this.#links.delete(conn);
        this.#take({ kind: "closed", conn });
      },
      refused: () => undefined,
      frame: (conn, frame) => this.#take({ kind: "frame", conn, frame }),
    };
  }

  #take(event: QuorumEvent): void {
    if (!this.#isAlive) return;
    this.#world.guarded(this.name, () => {
      for (const effect of this.#service.step(event)) this.#perform(effect);
    });
  }

  #perform(effect: QuorumEffect): void {
    switch (effect.kind) {
      case "send": {
        const { conn, frame } = effect;
        this.#links.get(conn)?.sendBackward(conn, parcelOf(this.#world, frame, CODEC));
        return;
      }
      case "persist":
        this.#persist(effect.token, effect.records);
        return;
      case "note":
        this.#world.log.report(this.source, effect.what, effect.fields);
        return;
      default:
        unreachable(effect);
    }
  }

  #persist(token: number, records: readonly QuorumRecord[]): void {
    const life = this.#life;
    this.#underWay = records;
    const span = this.#draws.between(PERSIST_US.min, PERSIST_US.max);
    this.#world.clock.after(span, () => {
      if (life !== this.#life) return;
      this.#land(records);
      this.#take({ kind: "persisted", token });
    });
  }

  #land(records: readonly QuorumRecord[]): void {
    this.#durable = records;
    this.#underWay = null;
    this.#options.watch.recorded(this.name);
  }

  #newService(): QuorumService {
    return createQuorumService({
      cluster: this.#world.cluster,
      service: this.name,
      instance: this.#instance,
      records: this.#durable,
      confirmAfterRestart: this.#options.confirmAfterRestart,
    });
  }
}

export function createSimQuorum(world: World, options: SimQuorumOptions): SimQuorum {
  return new Service(world, options);
}
