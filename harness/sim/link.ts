/**
 * One proxied channel: the dialler dials again by itself until a connection is up. What may go wrong: either end dies, the link is cut
 * in one direction or both, and both at once. Bytes of one connection and direction keep their order; nothing else does.
 */
import type { Micros } from "../record/types.ts";
import type { CutKind, Direction, LinkDelay } from "../rig/rig.ts";
import type { SimClock } from "./clock.ts";
import type { Draws } from "./draws.ts";
import { createLane, type Flow, type Item, type Lane, type Parcel } from "./lane.ts";

/** What an end of a link is told. `conn` is new for every connection of the run. */
export interface LinkEnd<In> {
  isAlive(): boolean;
  /** Its process stands still: it accepts nothing and dials nothing until it goes on. Absent: never. */
  isPaused?(): boolean;
  up(conn: number): void;
  down(conn: number): void;
  /** Dialler only: a dial was refused, or accepted and closed before the greeting. */
  refused(): void;
  frame(conn: number, frame: In): void;
}

export interface LinkOptions {
  readonly id: string;
  readonly dialler: string;
  readonly listener: string;
  readonly clock: SimClock;
  readonly draws: Draws;
  /** Added to every frame's own delay. */
  readonly delayUs: Micros;
  readonly redialUs: Micros;
  readonly nextConn: () => number;
}

/** What the network knows of a link, whatever it carries. */
export interface AnyLink {
  readonly id: string;
  cut(kind: CutKind, direction: Direction): void;
  mend(): void;
  stopped(): number;
  /** Added to the link's own delay. */
  delay(by: LinkDelay, direction: Direction): void;
  undelay(): void;
  /** Items that waited for the added delay. */
  delayed(): number;
  /** That process is dead from now on. */
  died(process: string): void;
  /** That process takes in and makes connections from now on. */
  ready(process: string): void;
  /** That process, which stood still, goes on. */
  resumed(process: string): void;
}

export interface SimLink<Forward, Backward> extends AnyLink {
  /** Ends are known after their links, since they send over them. */
  attach(dialler: LinkEnd<Backward>, listener: LinkEnd<Forward>): void;
  /** Dropped when that connection is gone. */
  sendForward(conn: number, parcel: Parcel<Forward>): void;
  sendBackward(conn: number, parcel: Parcel<Backward>): void;
  /** This end drops the connection and is told `down`. */
  close(side: Side, conn: number): void;
}

export type Side = "dialler" | "listener";
type Way = Exclude<Direction, "both">;

/** `waiting`: its greeting has not come yet. */
type EndState = "waiting" | "up" | "gone";

interface Connection<Forward, Backward> {
  readonly dialledAt: Micros;
  readonly id: number;
  readonly forward: Lane<Forward>;
  readonly backward: Lane<Backward>;
  dialler: EndState;
  listener: EndState;
}

/** Fixed part of a link's delay, drawn for each run. */
const BASE_US = { min: 50, max: 400 } as const;
const JITTER_US = 120;
/** Of 1,000 frames so many wait longer: a loaded machine. */
const SLOW = { perMille: 4, maxUs: 4_000 } as const;
const REFUSED_US = { min: 1_000, max: 3_000 } as const;
/** From a process's death to the close at its peer. */
const DEATH_US = { min: 300, max: 3_000 } as const;
const CLOSE_US = { min: 50, max: 1_000 } as const;
/** A dial whose greeting is not answered is given up. */
const GREETING_MAX_US = 1_000_000;

export function createLink<Forward, Backward>(options: LinkOptions): SimLink<Forward, Backward> {
  return new Link<Forward, Backward>(options);
}

class Link<Forward, Backward> implements SimLink<Forward, Backward> {
  readonly id: string;
  readonly #options: LinkOptions;
  readonly #clock: SimClock;
  readonly #draws: Draws;
  readonly #baseUs: Micros;
  #dialler: LinkEnd<Backward> | null = null;
  #listener: LinkEnd<Forward> | null = null;
  #connections: Connection<Forward, Backward>[] = [];
  #cut: { readonly kind: CutKind; readonly direction: Direction } | null = null;
  #stopped = 0;
  readonly #added = new Map<Way, LinkDelay>();
  #delayed = 0;
  /** What an end that stands still will do when it goes on. */
  #deferred: { readonly side: Side; readonly act: () => void }[] = [];
  /** Grows with each dial and each life of the dialler: an older timer finds that it is not meant. */
  #turn = 0;

  constructor(options: LinkOptions) {
    this.id = options.id;
    this.#options = options;
    this.#clock = options.clock;
    this.#draws = options.draws;
    this.#baseUs = options.delayUs + options.draws.between(BASE_US.min, BASE_US.max);
  }

  attach(dialler: LinkEnd<Backward>, listener: LinkEnd<Forward>): void {
    this.#dialler = dialler;
    this.#listener = listener;
  }

  sendForward(conn: number, parcel: Parcel<Forward>): void {
    const found = this.#find(conn);
    if (found?.dialler === "up") found.forward.send({ kind: "frame", parcel });
  }

  sendBackward(conn: number, parcel: Parcel<Backward>): void {
    const found = this.#find(conn);
    if (found?.listener === "up") found.backward.send({ kind: "frame", parcel });
  }

  close(side: Side, conn: number): void {
    const found = this.#find(conn);
    if (found === undefined || found[side] !== "up") return;
    outOf(found, side).send({ kind: "close" });
    this.#clock.after(0, () => this.#lose(found, side));
  }

  cut(kind: CutKind, direction: Direction): void {
    const isReplaced = this.#cut?.kind === "blackhole" && kind !== "blackhole";
    this.#cut = { kind, direction };
    if (isReplaced) this.#closeAll();
    if (kind === "refuse") {
      this.#stopped += this.#connections.length;
      this.#closeAll();
      return;
    }
    for (const connection of this.#connections) this.#applyCut(connection);
  }

  mend(): void {
    const kind = this.#cut?.kind;
    this.#cut = null;
    // Bytes that vanished never return, so what lost some cannot go on.
    if (kind === "blackhole") this.#closeAll();
    else for (const connection of this.#connections) this.#applyCut(connection);
  }

  stopped(): number {
    return this.#stopped;
  }

  delay(by: LinkDelay, direction: Direction): void {
    const ways: readonly Way[] = direction === "both" ? ["forward", "backward"] : [direction];
    for (const way of ways) this.#added.set(way, by);
  }

  undelay(): void {
    this.#added.clear();
  }

  delayed(): number {
    return this.#delayed;
  }

  died(process: string): void {
    const side = this.#sideOf(process);
    if (side === null) return;
    this.#deferred = this.#deferred.filter((one) => one.side !== side);
    for (const connection of [...this.#connections]) {
      if (connection[side] === "gone") continue;
      connection[side] = "gone";
      into(connection, side).clear();
      outOf(connection, side).cutShort(this.#draws.between(DEATH_US.min, DEATH_US.max));
      this.#dropIfOver(connection);
    }
    if (side === "dialler") this.#turn += 1;
  }

  ready(process: string): void {
    if (this.#sideOf(process) === "dialler") this.#dialAfter(0);
  }

  resumed(process: string): void {
    const side = this.#sideOf(process);
    const due = this.#deferred.filter((one) => one.side === side);
    this.#deferred = this.#deferred.filter((one) => one.side !== side);
    for (const { act } of due) act();
  }

  /** Does it when that end can: at once, or when its process goes on. */
  #whenRunning(side: Side, act: () => void): void {
    const end = side === "dialler" ? this.#dialler : this.#listener;
    if (end?.isPaused?.() === true) this.#deferred.push({ side, act });
    else act();
  }

  #sideOf(process: string): Side | null {
    if (process === this.#options.dialler) return "dialler";
    return process === this.#options.listener ? "listener" : null;
  }

  #find(conn: number): Connection<Forward, Backward> | undefined {
    for (const connection of this.#connections) if (connection.id === conn) return connection;
    return undefined;
  }

  #delay(way: Way): Micros {
    const own = this.#baseUs + this.#draws.below(JITTER_US) + this.#addedDelay(way);
    return this.#draws.chance(SLOW.perMille) ? own + this.#draws.below(SLOW.maxUs) : own;
  }

  #addedDelay(way: Way): Micros {
    const added = this.#added.get(way);
    if (added === undefined) return 0;
    this.#delayed += 1;
    const { latencyMs, jitterMs } = added;
    const jitter = jitterMs === 0 ? 0 : this.#draws.between(-1_000 * jitterMs, 1_000 * jitterMs);
    return Math.max(0, 1_000 * latencyMs + jitter);
  }

  #dialAfter(span: Micros): void {
    this.#turn += 1;
    const turn = this.#turn;
    const dial = (): void => {
      if (turn === this.#turn && this.#dialler?.isAlive() === true) this.#dial(turn);
    };
    this.#clock.after(span, () => this.#whenRunning("dialler", dial));
  }

  #dial(turn: number): void {
    if (this.#cut?.kind === "refuse" || this.#listener?.isAlive() !== true) {
      if (this.#cut !== null) this.#stopped += 1;
      this.#clock.after(this.#draws.between(REFUSED_US.min, REFUSED_US.max), () => {
        if (turn === this.#turn) this.#refuse();
      });
      return;
    }
    const connection = this.#open();
    connection.forward.send({ kind: "greeting" });
    this.#clock.after(GREETING_MAX_US, () => {
      if (connection.dialler !== "waiting") return;
      connection.forward.send({ kind: "close" });
      this.#lose(connection, "dialler");
    });
  }

  #open(): Connection<Forward, Backward> {
    const shared = {
      clock: this.#clock,
      draws: this.#draws,
      stopped: () => {
        this.#stopped += 1;
      },
    };
    const connection: Connection<Forward, Backward> = {
      id: this.#options.nextConn(),
      dialledAt: this.#clock.now(),
      forward: createLane<Forward>({
        ...shared,
        delay: () => this.#delay("forward"),
        arrive: (item) => this.#arriveForward(connection, item),
      }),
      backward: createLane<Backward>({
        ...shared,
        delay: () => this.#delay("backward"),
        arrive: (item) => this.#arriveBackward(connection, item),
      }),
      dialler: "waiting",
      listener: "waiting",
    };
    this.#connections.push(connection);
    this.#applyCut(connection);
    return connection;
  }

  #arriveForward(connection: Connection<Forward, Backward>, item: Item<Forward>): void {
    const listener = this.#listener;
    if (listener === null || connection.listener === "gone") return;
    if (item.kind === "close") this.#lose(connection, "listener");
    else if (item.kind === "greeting") {
      this.#whenRunning("listener", () => this.#accept(connection, listener));
    } else this.#take(connection, "listener", listener, item.parcel);
  }

  #accept(connection: Connection<Forward, Backward>, listener: LinkEnd<Forward>): void {
    // Given up while the listener stood still.
    if (connection.listener !== "waiting" || connection.dialler === "gone") return;
    if (!listener.isAlive()) {
      connection.listener = "gone";
      connection.backward.send({ kind: "close" });
      return;
    }
    // The dialler is back before its old connection's end was noticed.
    for (const old of [...this.#connections]) {
      if (old !== connection && old.listener === "up") this.#lose(old, "listener");
    }
    connection.listener = "up";
    connection.backward.send({ kind: "greeting" });
    listener.up(connection.id);
  }

  #arriveBackward(connection: Connection<Forward, Backward>, item: Item<Backward>): void {
    const dialler = this.#dialler;
    if (dialler === null || connection.dialler === "gone") return;
    if (item.kind === "close") this.#lose(connection, "dialler");
    else if (item.kind === "greeting") {
      connection.dialler = "up";
      dialler.up(connection.id);
    } else this.#take(connection, "dialler", dialler, item.parcel);
  }

  #take<Frame>(
    connection: Connection<Forward, Backward>,
    side: Side,
    end: LinkEnd<Frame>,
    parcel: Parcel<Frame>,
  ): void {
    const frame = parcel();
    if (frame !== null) end.frame(connection.id, frame);
    else this.close(side, connection.id);
  }

  /** This end knows now that the connection is over. */
  #lose(connection: Connection<Forward, Backward>, side: Side): void {
    const before = connection[side];
    if (before === "gone") return;
    connection[side] = "gone";
    into(connection, side).clear();
    this.#dropIfOver(connection);
    if (side === "listener") {
      if (before === "up" && this.#listener?.isAlive() === true) this.#listener.down(connection.id);
      return;
    }
    if (this.#dialler?.isAlive() !== true) return;
    if (before === "up") this.#dialler.down(connection.id);
    else this.#dialler.refused();
    // At once when a connection that lived breaks; in turns when each one ends as soon as it began.
    const isShort = this.#clock.now() - connection.dialledAt < this.#options.redialUs;
    this.#dialAfter(before === "up" && !isShort ? 0 : this.#options.redialUs);
  }

  #refuse(): void {
    this.#dialler?.refused();
    this.#dialAfter(this.#options.redialUs);
  }

  #closeAll(): void {
    for (const connection of [...this.#connections]) {
      connection.forward.clear();
      connection.backward.clear();
      for (const side of ["dialler", "listener"] as const) {
        this.#clock.after(this.#draws.between(CLOSE_US.min, CLOSE_US.max), () =>
          this.#lose(connection, side),
        );
      }
    }
  }

  #applyCut(connection: Connection<Forward, Backward>): void {
    connection.forward.setFlow(this.#flowOf("forward"));
    connection.backward.setFlow(this.#flowOf("backward"));
  }

  #flowOf(direction: "forward" | "backward"): Flow {
    const cut = this.#cut;
    if (cut === null || cut.kind === "refuse") return "pass";
    if (cut.direction !== "both" && cut.direction !== direction) return "pass";
    return cut.kind === "jam" ? "hold" : "drop";
  }

  #dropIfOver(connection: Connection<Forward, Backward>): void {
    if (connection.dialler !== "gone" || connection.listener === "up") return;
    if (connection.listener === "waiting") connection.forward.clear();
    this.#connections = this.#connections.filter((other) => other !== connection);
  }
}

function outOf<F, B>(connection: Connection<F, B>, side: Side): Lane<F> | Lane<B> {
  return side === "dialler" ? connection.forward : connection.backward;
}

function into<F, B>(connection: Connection<F, B>, side: Side): Lane<F> | Lane<B> {
  return side === "dialler" ? connection.backward : connection.forward;
}
