/** A host: its core between simulated links, disk and machine. Performs the effects of one step in order, at one instant, awaiting none. */
import { crc32 } from "node:zlib";
import { createStore } from "../../node/core/disk/store.ts";
import type { HostConfig, HostEffect } from "../../node/core/host/contract.ts";
import { unreachable } from "../../node/core/invariant.ts";
import type { PeerFrame } from "../../node/core/pair/frames.ts";
import type { QuorumAnswer, QuorumFrame, QuorumRequest } from "../../node/core/quorum/messages.ts";
import type { FromSwitch, ToSwitch } from "../../node/core/switch/frames.ts";
import type { Instant } from "../../node/core/units.ts";
import type { MachineFactory } from "../../node/ports/machine.ts";
import { EXIT } from "../../node/wire/control.ts";
import type { DiskSource } from "../rig/rig.ts";
import { type CommitQueue, createCommitQueue } from "./commit-queue.ts";
import type { Core, HostInput, MakeCore } from "./core.ts";
import { createDisk, type SimDisk } from "./disk.ts";
import type { Draws } from "./draws.ts";
import { drawHostClock, type HostClock } from "./host-clock.ts";
import type { LinkEnd } from "./link.ts";
import { createMachineRoom, type MachineRoom } from "./machine-room.ts";
import type { Watch } from "./watch.ts";
import { drawsOf, millis, type SimProcess, type World } from "./world.ts";

/** What a host sends over one link. */
export interface Outlet<Out> {
  send(conn: number, frame: Out): void;
  close(conn: number): void;
}

export interface SimHostOptions {
  readonly config: HostConfig;
  readonly factory: MachineFactory;
  readonly makeCore: MakeCore;
  readonly watch: Watch;
  /** Called when the host takes in and makes connections. */
  readonly ready: () => void;
  /** Called when the process ends by itself. */
  readonly exited: (status: number) => void;
}

export interface SimHost extends SimProcess {
  readonly clock: HostClock;
  /** Null: no process, or it has not started. */
  core(): Core | null;
  attachPath(id: string, outlet: Outlet<PeerFrame>): LinkEnd<PeerFrame>;
  attachService(
    id: string,
    outlet: Outlet<QuorumFrame<QuorumRequest>>,
  ): LinkEnd<QuorumFrame<QuorumAnswer>>;
  attachSwitch(id: string, outlet: Outlet<ToSwitch>): LinkEnd<FromSwitch>;
  /** It dies between two effects of its next step that has several and that finds the condition true. */
  armKill(condition: () => boolean): void;
  disk(): DiskSource;
}

const START_MAX_US = 30_000;
const IDS = 32;
const TICK_JITTER_US = 800;

class Host implements SimHost {
  readonly name: string;
  readonly source: string;
  readonly clock: HostClock;
  readonly #world: World;
  readonly #options: SimHostOptions;
  readonly #draws: Draws;
  readonly #ids: Draws;
  readonly #disk: SimDisk;
  readonly #outlets = new Map<string, Outlet<never>>();
  #core: Core | null = null;
  #commits: CommitQueue | null = null;
  #room: MachineRoom;
  #isAlive = true;
  #armed: (() => boolean) | null = null;
  #isQuiescing = false;
  #isFrozen = false;
  #areIdsWanted = false;

  constructor(world: World, options: SimHostOptions) {
    const { config, watch } = options;
    this.name = config.host;
    this.source = `host ${config.host}`;
    this.#world = world;
    this.#options = options;
    this.#draws = drawsOf(world, this.source);
    this.#ids = drawsOf(world, `${this.source}/ids`);
    this.clock = drawHostClock(drawsOf(world, `${this.source}/clock`), config.timing.rateBound);
    this.#disk = createDisk({
      clock: world.clock,
      draws: drawsOf(world, `${this.source}/disk`),
      given: (offset, length) => watch.given(this.name, offset, length),
      landed: (ranges) => watch.landed(this.name, ranges),
    });
    this.#room = this.#openRoom();
  }

  core(): Core | null {
    return this.#isAlive ? this.#core : null;
  }

  isAlive(): boolean {
    return this.#isAlive;
  }

  start(): void {
    this.#world.clock.after(this.#draws.below(START_MAX_US), () => {
      if (this.#isAlive) this.#world.guarded(this.name, () => this.#boot());
    });
  }

  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#armed = null;
    this.#core = null;
    this.#room.stop();
    this.#disk.powerOff();
    this.#options.watch.died(this.name);
  }

  armKill(condition: () => boolean): void {
    this.#armed = condition;
  }

  quiesce(): void {
    this.#isQuiescing = true;
  }

  /** From the moment when nothing of it is under way it does nothing more. */
  isQuiet(): boolean {
    if (!this.#isAlive || this.#isFrozen) return true;
    this.#isFrozen = (this.#commits?.isIdle() ?? true) && !this.#room.isBusy();
    return this.#isFrozen;
  }

  disk(): DiskSource {
    return this.#disk.source(this.name);
  }

  attachPath(id: string, outlet: Outlet<PeerFrame>): LinkEnd<PeerFrame> {
    this.#outlets.set(`path ${id}`, outlet as Outlet<never>);
    return {
      isAlive: () => this.core() !== null,
      up: (conn) => this.#tell({ kind: "path-up", path: id, conn }),
      down: (conn) => this.#tell({ kind: "path-down", path: id, conn }),
      refused: () => this.#tell({ kind: "path-refused", path: id }),
      frame: (conn, frame) => this.#tell({ kind: "peer-frame", path: id, conn, frame }),
    };
  }

  attachService(
    id: string,
    outlet: Outlet<QuorumFrame<QuorumRequest>>,
  ): LinkEnd<QuorumFrame<QuorumAnswer>> {
    this.#outlets.set(`service ${id}`, outlet as Outlet<never>);
    return {
      isAlive: () => this.core() !== null,
      up: (conn) => this.#tell({ kind: "service-up", service: id, conn }),
      down: (conn) => this.#tell({ kind: "service-down", service: id, conn }),
      refused: () => undefined,
      frame: (conn, frame) => this.#tell({ kind: "service-frame", service: id, conn, frame }),
    };
  }

  attachSwitch(id: string, outlet: Outlet<ToSwitch>): LinkEnd<FromSwitch> {
    this.#outlets.set(`switch ${id}`, outlet as Outlet<never>);
    return {
      isAlive: () => this.core() !== null,
      up: (conn) => this.#tell({ kind: "switch-up", switch: id, conn }),
      down: (conn) => this.#tell({ kind: "switch-down", switch: id, conn }),
      refused: () => undefined,
      frame: (conn, frame) => {
        if (this.#isQuiescing && frame.kind === "client") return;
        this.#tell({ kind: "switch-frame", switch: id, conn, frame });
      },
    };
  }

  #boot(): void {
    const { config, makeCore } = this.#options;
    const { cluster, vm, volumes, host } = config;
    const store = createStore(this.#disk, crc32, { cluster, host, vm, volumes });
    const opened = store.open();
    if (!opened.ok) {
      this.#world.log.report(this.source, "failed", { code: opened.code, why: opened.why });
      this.#options.exited(EXIT.diskFailed);
      return;
    }
    this.#commits = createCommitQueue(this.#world, {
      disk: this.#disk,
      store,
      draws: this.#draws,
      isAlive: () => this.#isAlive,
      tell: (told) => this.#tell(told),
    });
    const core = makeCore(config);
    // What `open` formatted must be durable before anything is built on it.
    this.#disk.flush(() => {
      if (!this.#isAlive) return;
      this.#core = core;
      this.#tell({ kind: "start", disk: opened.contents, ids: this.#drawIds() });
      this.#tickAfter();
      this.#options.ready();
    });
  }

  #tickAfter(): void {
    const span = millis(this.#options.config.timing.tick) + this.#draws.below(TICK_JITTER_US);
    this.#world.clock.after(span, () => {
      if (!this.#isAlive || this.#isFrozen) return;
      this.#tell({ kind: "tick" });
      this.#tickAfter();
    });
  }

  #tell(event: HostInput): void {
    const core = this.#core;
    if (core === null || !this.#isAlive || this.#isFrozen) return;
    const now: Instant = this.clock.read(this.#world.clock.now());
    this.#world.guarded(this.name, () => {
      this.#perform(core.step({ ...event, now }));
      if (this.#isAlive) this.#options.watch.stepped(this.name);
      // Before anything that waits: the core counts on them within its next steps.
      if (!this.#areIdsWanted) return;
      this.#areIdsWanted = false;
      this.#tell({ kind: "ids", ids: this.#drawIds() });
    });
  }

  #perform(effects: readonly HostEffect[]): void {
    const isCut = effects.length > 1 && this.#armed?.() === true;
    const whole = isCut ? 1 + this.#draws.below(effects.length - 1) : effects.length;
    for (const effect of effects.slice(0, whole)) {
      this.#options.watch.effect(this.name, effect);
      this.#start(effect);
    }
    if (isCut) this.kill();
  }

  #start(effect: HostEffect): void {
    switch (effect.kind) {
      case "send-peer":
        this.#send(`path ${effect.path}`, effect.conn, effect.frame);
        return;
      case "close-path":
        this.#outlets.get(`path ${effect.path}`)?.close(effect.conn);
        return;
      case "send-service":
        this.#send(`service ${effect.service}`, effect.conn, effect.frame);
        return;
      case "send-switch":
        this.#send(`switch ${effect.switch}`, effect.conn, this.#onRunClock(effect.frame));
        return;
      case "commit":
        this.#commits?.commit(effect.token, effect.ops);
        return;
      case "read-volumes":
        this.#commits?.readAll(effect.token);
        return;
      case "machine-start":
        this.#room.start(effect.vmBoot, effect.blocks, effect.delay);
        return;
      case "machine-run":
        this.#room.run(effect.vmBoot, effect.entries);
        return;
      case "machine-stop":
        this.#room.stop();
        return;
      case "need-ids":
        this.#areIdsWanted = true;
        return;
      case "note": {
        const { what, ...fields } = effect.note;
        this.#world.log.report(this.source, what, fields);
        return;
      }
      case "mark":
        this.#world.log.mark(effect.mark);
        return;
      default:
        unreachable(effect);
    }
  }

  #send(outlet: string, conn: number, frame: object): void {
    // The map's key says which frames the outlet takes.
    (this.#outlets.get(outlet) as Outlet<object> | undefined)?.send(conn, frame);
  }

  /** The host's clock is not the one by which the bed judges. */
  #onRunClock(frame: ToSwitch): ToSwitch {
    if (frame.kind !== "data") return frame;
    return { ...frame, intakeAtUs: Math.round(this.clock.when(frame.intakeAtUs / 1_000)) };
  }

  #openRoom(): MachineRoom {
    const { factory, watch } = this.#options;
    return createMachineRoom(this.#world, {
      draws: this.#draws,
      factory,
      ready: (vmBoot) => this.#tell({ kind: "machine-ready", vmBoot }),
      result: (vmBoot, result) => {
        watch.result(this.name, vmBoot, result);
        this.#tell({ kind: "machine-result", vmBoot, result });
      },
    });
  }

  #drawIds(): readonly string[] {
    return Array.from({ length: IDS }, () => this.#ids.id());
  }
}

export function createSimHost(world: World, options: SimHostOptions): SimHost {
  return new Host(world, options);
}
