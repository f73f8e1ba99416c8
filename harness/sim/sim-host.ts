/** A host: its core between simulated links, disk and machine. Performs the effects of one step in order, at one instant, awaiting none. */
import { crc32 } from "node:zlib";
import type { DiskContents } from "../../node/core/disk/ops.ts";
import { createStore } from "../../node/core/disk/store.ts";
import type { HostConfig, HostEffect, OperatorCommand } from "../../node/core/host/contract.ts";
import { invariant, unreachable } from "../../node/core/invariant.ts";
import type { PeerFrame } from "../../node/core/pair/frames.ts";
import type { QuorumAnswer, QuorumFrame, QuorumRequest } from "../../node/core/quorum/messages.ts";
import type { FromSwitch, ToSwitch } from "../../node/core/switch/frames.ts";
import type { Instant } from "../../node/core/units.ts";
import type { MachineFactory } from "../../node/ports/machine.ts";
import { EXIT } from "../../node/wire/control.ts";
import type { DiskSource } from "../rig/rig.ts";
import { attemptRead, type CommitQueue, createCommitQueue } from "./commit-queue.ts";
import type { Core, HostInput, MakeCore } from "./core.ts";
import { createDisk, type SimDisk } from "./disk.ts";
import type { Draws } from "./draws.ts";
import { createStandstill, type Standing, type Standstill } from "./gate.ts";
import { drawHostClock, type HostClock, onRunClock } from "./host-clock.ts";
import { type Hearer, pathEnd, serviceEnd, switchEnd } from "./host-ends.ts";
import type { LinkEnd } from "./link.ts";
import { createMachineRoom, type MachineRoom } from "./machine-room.ts";
import type { SparseBytes } from "./sparse-bytes.ts";
import type { Watch } from "./watch.ts";
import { drawsOf, millis, reportStart, type SimProcess, type World } from "./world.ts";

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
  /** Nothing happens to a dead one. */
  hold(as: Standing): void;
  end(as: Standing): void;
  is(as: Standing): boolean;
  operate(command: OperatorCommand): void;
  disk(): DiskSource;
  /** What faults below the port take hold of. */
  rawDisk(): Pick<SimDisk, "setFault" | "bitten" | "rot">;
  saveDisk(): SparseBytes;
  /** Puts another disk in place of a dead host's; null: a blank one. Returns how many blocks of 4 KiB differ. */
  replaceDisk(by: SparseBytes | null): number;
}

const START_MAX_US = 30_000;
const IDS_AT_ONCE = 32;
const SAVE_US = 5_000;
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
  readonly #paths = new Map<string, Outlet<PeerFrame>>();
  readonly #services = new Map<string, Outlet<QuorumFrame<QuorumRequest>>>();
  readonly #switches = new Map<string, Outlet<ToSwitch>>();
  #core: Core | null = null;
  #commits: CommitQueue | null = null;
  readonly #still: Standstill;
  #room: MachineRoom;
  #isAlive = true;
  /** Counted from 0; a timer of an older life finds that it is not meant. */
  #life = 0;
  #armed: (() => boolean) | null = null;
  #areIdsWanted = false;

  constructor(world: World, options: SimHostOptions) {
    const { config, watch } = options;
    this.name = config.host;
    this.source = `host ${config.host}`;
    this.#world = world;
    this.#options = options;
    this.#draws = drawsOf(world, this.source);
    this.#ids = drawsOf(world, `${this.source}/ids`);
    this.#still = createStandstill(drawsOf(world, `${this.source}/still`));
    this.clock = drawHostClock(drawsOf(world, `${this.source}/clock`), config.timing.rateBound);
    this.#disk = createDisk({
      clock: world.clock,
      draws: drawsOf(world, `${this.source}/disk`),
      given: (offset, length) => watch.given(this.name, offset, length),
      landed: (ranges) => watch.landed(this.name, ranges),
      replaced: (ranges) => watch.replaced(this.name, ranges),
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
    this.#isAlive = true;
    const life = this.#life;
    this.#world.clock.after(this.#draws.below(START_MAX_US), () => {
      if (this.#isLife(life)) this.#world.guarded(this.name, () => this.#boot());
    });
  }

  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#life += 1;
    this.#armed = null;
    this.#core = null;
    this.#commits = null;
    this.#areIdsWanted = false;
    this.#still.reset();
    this.#room.stop();
    this.#disk.powerOff();
    this.#options.watch.died(this.name);
  }

  armKill(condition: () => boolean): void {
    this.#armed = condition;
  }

  hold(as: Standing): void {
    if (this.#isAlive) this.#still.hold(as);
  }

  end(as: Standing): void {
    this.#still.end(as);
  }

  is(as: Standing): boolean {
    return this.#still.is(as);
  }

  quiesce(): void {
    this.hold("quiesced");
  }

  isQuiet(): boolean {
    if (!this.#isAlive || this.#still.isComplete()) return true;
    return (this.#commits?.isIdle() ?? true) && !this.#room.isBusy();
  }

  operate(command: OperatorCommand): void {
    this.#tell({ kind: "operator", command });
  }

  disk(): DiskSource {
    return this.#disk.source(this.name);
  }

  rawDisk(): SimDisk {
    return this.#disk;
  }

  saveDisk(): SparseBytes {
    return this.#disk.save();
  }

  replaceDisk(by: SparseBytes | null): number {
    invariant(!this.#isAlive, "the disk of a living host is not exchanged");
    const before = this.#disk.save();
    this.#disk.replace(by);
    return before.countDifferent(this.#disk.save());
  }

  attachPath(id: string, outlet: Outlet<PeerFrame>): LinkEnd<PeerFrame> {
    this.#paths.set(id, outlet);
    return pathEnd(this.#hearer, id);
  }

  attachService(
    id: string,
    outlet: Outlet<QuorumFrame<QuorumRequest>>,
  ): LinkEnd<QuorumFrame<QuorumAnswer>> {
    this.#services.set(id, outlet);
    return serviceEnd(this.#hearer, id);
  }

  attachSwitch(id: string, outlet: Outlet<ToSwitch>): LinkEnd<FromSwitch> {
    this.#switches.set(id, outlet);
    return switchEnd(this.#hearer, id);
  }

  readonly #hearer: Hearer = {
    isAlive: () => this.core() !== null,
    isPaused: () => this.#still.isComplete(),
    tell: (event) => {
      const isClient = event.kind === "switch-frame" && event.frame.kind === "client";
      if (isClient) this.#still.passClient(() => this.#tell(event));
      else this.#tell(event);
    },
  };

  #boot(): void {
    const { config, makeCore } = this.#options;
    const { cluster, vm, volumes, host } = config;
    const store = createStore(this.#disk, crc32, { cluster, host, vm, volumes });
    const opened = attemptRead(() => store.open());
    if ("failed" in opened || !opened.ok) {
      if ("failed" in opened) this.#failDisk(opened.failed, "it cannot be read");
      else this.#failDisk(opened.code, opened.why);
      return;
    }
    const life = this.#life;
    this.#commits = createCommitQueue(this.#world, {
      disk: { flush: this.#flush },
      store,
      draws: this.#draws,
      isAlive: () => this.#isLife(life),
      tell: (told) => this.#tell(told),
    });
    const core = makeCore(config);
    const { contents, seal } = opened;
    const begin = (): void => this.#begin(core, contents, life);
    this.#flushFirst(() => {
      seal?.();
      if (seal === null) begin();
      else this.#flushFirst(begin);
    });
  }

  /** What `open` formatted, and what survived without a flush, must be durable before anything is built on it. */
  #flushFirst(then: () => void): void {
    this.#flush((error) => {
      if (error === null) then();
      else this.#failDisk(error, "the first flush failed");
    });
  }

  #begin(core: Core, disk: DiskContents, life: number): void {
    this.#core = core;
    this.#tell({ kind: "start", disk, ids: this.#drawIds() });
    this.#tickAfter();
    if (life > 0) reportStart(this.#world, this.name, life);
    this.#options.ready();
  }

  #failDisk(code: string, why: string): void {
    this.#world.log.report(this.source, "failed", { code, why });
    this.#options.exited(EXIT.diskFailed);
  }

  /** A process that stands still hears later that a flush has ended. */
  readonly #flush: SimDisk["flush"] = (done) => {
    this.#disk.flush((error) => this.#still.pass(() => done(error)));
  };

  #isLife(life: number): boolean {
    return this.#isAlive && life === this.#life;
  }

  #tickAfter(): void {
    const span = millis(this.#options.config.timing.tick) + this.#draws.below(TICK_JITTER_US);
    const life = this.#life;
    const fire = (): void => {
      this.#tell({ kind: "tick" });
      if (this.#isLife(life)) this.#tickAfter();
    };
    this.#world.clock.after(span, () => {
      if (this.#isLife(life)) this.#still.passTimer(fire);
    });
  }

  #tell(event: HostInput): void {
    if (this.#still.isComplete()) this.#still.pass(() => this.#step(event));
    else this.#step(event);
  }

  #step(event: HostInput): void {
    const core = this.#core;
    if (core === null || !this.#isAlive) return;
    const now: Instant = this.clock.read(this.#world.clock.now());
    this.#world.guarded(this.name, () => {
      this.#perform(core.step({ now, ...event }));
      if (this.#isAlive) this.#options.watch.stepped(this.name);
      // Before anything that waits: the core counts on them within its next steps.
      if (!this.#areIdsWanted) return;
      this.#areIdsWanted = false;
      this.#step({ kind: "ids", ids: this.#drawIds() });
    });
  }

  #perform(effects: readonly HostEffect[]): void {
    const isCut = effects.length > 1 && this.#armed?.() === true;
    const whole = isCut ? 1 + this.#draws.below(effects.length - 1) : effects.length;
    for (const effect of isCut ? effects.slice(0, whole) : effects) {
      this.#options.watch.effect(this.name, effect);
      this.#start(effect);
    }
    if (isCut) this.kill();
  }

  #start(effect: HostEffect): void {
    switch (effect.kind) {
      case "send-peer":
        this.#paths.get(effect.path)?.send(effect.conn, effect.frame);
        return;
      case "close-path":
        this.#paths.get(effect.path)?.close(effect.conn);
        return;
      case "send-service":
        this.#services.get(effect.service)?.send(effect.conn, effect.frame);
        return;
      case "send-switch":
        this.#switches.get(effect.switch)?.send(effect.conn, onRunClock(this.clock, effect.frame));
        return;
      case "commit":
        this.#commits?.commit(effect.token, effect.ops);
        return;
      case "read-volumes":
        this.#commits?.readAll(effect.token);
        return;
      case "read-blocks":
        this.#commits?.readBlocks(effect.token, effect.volume, effect.lbas);
        return;
      case "save-blocks": {
        // What is kept of them lies outside everything that can fail here.
        const [token, file] = [effect.token, `saved by ${this.name}`];
        this.#world.clock.after(SAVE_US, () => this.#tell({ kind: "blocks-saved", token, file }));
        return;
      }
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
        this.#world.log.report(this.source, effect.note.what, effect.note);
        return;
      }
      case "mark":
        this.#world.log.mark(effect.mark);
        return;
      default:
        unreachable(effect);
    }
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
    return Array.from({ length: IDS_AT_ONCE }, () => this.#ids.id());
  }
}

export function createSimHost(world: World, options: SimHostOptions): SimHost {
  return new Host(world, options);
}
