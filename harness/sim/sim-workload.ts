/** The reference workload's clients in virtual time: fewer of them and slower, so that a run of seconds is simulated in a few milliseconds. */
import { HarnessError } from "../errors.ts";
import type { Micros } from "../record/types.ts";
import type { Workload, WorkloadSpec } from "../rig/rig.ts";
import type { Choice, Ending } from "../workload/choice.ts";
import type { Connection } from "../workload/connection.ts";
import type { LoadClient } from "../workload/generator.ts";
import {
  type KeySpace,
  keySpacesOf,
  type Place,
  placesOf,
  type SiteTarget,
} from "../workload/places.ts";
import { createRecorder, createSlotPool, type Recorder, type Slot } from "../workload/recorder.ts";
import { createSimConnection } from "./sim-connection.ts";
import type { SimSwitch } from "./sim-switch.ts";
import { millis, type World } from "./world.ts";

/** Lets the run go on until the condition holds; false when the deadline came first. */
export type RunUntil = (condition: () => boolean, deadline: Micros) => boolean;

export interface SimWorkloadOptions {
  readonly spec: WorkloadSpec;
  /** One entry a site. */
  readonly targets: readonly SiteTarget<SimSwitch>[];
  readonly runUntil: RunUntil;
  /** Unit: microseconds. */
  readonly probePeriodUs: Micros;
}

/** The simulated load: 4 clients with 10 operations a second each. A plan that asks for less gets less. */
const CLIENTS_MAX = 4;
const THINK_MIN_MS = 95;
/** Nothing is taken away in so short a run. */
const LIVE_MAX = 8_000;
const PROBE_CONNECTIONS = 4;
const PING_EVERY_US = millis(2);
const READY_US = millis(10_000);
const READ_CONNECTIONS = 4;
const READ_WINDOW = 16;
const RETRY_US = millis(5);

interface Running {
  readonly world: World;
  readonly options: SimWorkloadOptions;
  readonly recorder: Recorder;
  readonly connections: Connection[];
  isFaultWindow: boolean;
  isStopped: boolean;
  underWay: number;
}

/**
 * Waits until the guest answers, then begins the warm-up.
 *
 * @throws HarnessError WORKLOAD_FAILED when it does not answer within 10 s
 */
export function startSimWorkload(world: World, options: SimWorkloadOptions): Workload {
  awaitGuest(world, options);
  const running: Running = {
    world,
    options,
    recorder: createRecorder(
      (line) => {
        if (line.type === "invoke") running.underWay += 1;
        else if (line.type === "ok" || line.type === "fail" || line.type === "info")
          running.underWay -= 1;
        world.log.record(line);
      },
      () => world.clock.now(),
    ),
    connections: [],
    isFaultWindow: false,
    isStopped: false,
    underWay: 0,
  };
  const { spec, targets } = options;
  running.recorder.phase("warm-up");
  const places = placesOf(targets, running.recorder);
  const probing = spec.kind === "none" ? [] : places.map((place) => startProbe(running, place));
  // A plan that asks for less than a simulated load gets less.
  const clients = Math.min(spec.clients, CLIENTS_MAX);
  const spaces = keySpacesOf({ ...spec, clients }, places, LIVE_MAX);
  for (const space of spaces) {
    for (const { place, client } of space.clients) startClient(running, place, client);
  }
  return {
    phase(name) {
      running.isFaultWindow = name === "fault";
      running.recorder.phase(name);
      return Promise.resolve();
    },
    inFlightWrites: () => running.recorder.inFlightWrites(),
    finish(deadline) {
      finish(running, { spaces, probing }, deadline);
      return Promise.resolve();
    },
  };
}

function awaitGuest(world: World, { targets, runUntil }: SimWorkloadOptions): void {
  let unanswered = targets.length;
  const connections = targets.map(({ target }) => {
    const connection = createSimConnection(world, target);
    const ping = (): void => {
      connection.send(["PING"], (answer) => {
        if (answer.kind === "reply" && answer.reply.kind === "simple") unanswered -= 1;
        else world.clock.after(PING_EVERY_US, ping);
      });
    };
    ping();
    return connection;
  });
  const isReady = runUntil(() => unanswered === 0, world.clock.now() + READY_US);
  for (const connection of connections) connection.close();
  if (isReady) return;
  throw new HarnessError(
    "WORKLOAD_FAILED",
    "the guest gave no answer within 10 s of virtual time",
    {
      hint: "Read the events of the run: the pair did not boot its machine.",
    },
  );
}

type SimPlace = Place<SimSwitch>;

/** A place's open loop. */
interface Probing {
  readonly place: SimPlace;
  /** Keys that may be there. */
  readonly probed: string[];
}

function connect(running: Running, { target }: SimPlace, opened?: () => void): Connection {
  const events = opened === undefined ? {} : { opened };
  const connection = createSimConnection(running.world, target, events);
  running.connections.push(connection);
  return connection;
}

/** One SET of a key never used before on each slot of a fixed timetable. */
function startProbe(running: Running, place: SimPlace): Probing {
  const { clock } = running.world;
  const probed: string[] = [];
  const slots = createSlotPool(place.recorder);
  const connections = Array.from({ length: PROBE_CONNECTIONS }, () => connect(running, place));
  let slot = 0;
  const issue = (): void => {
    if (running.isStopped) return;
    clock.after(running.options.probePeriodUs, issue);
    const key = `${place.prefix}p${slot}`;
    const choice: Choice = {
      f: "write",
      key,
      value: String(slot).padStart(8, "0"),
      role: "probe",
    };
    const connection = firstOpen(connections, slot % connections.length);
    slot += 1;
    slots.start(choice, connection, (ending) => {
      if (ending.kind !== "fail") probed.push(key);
    });
  };
  clock.after(running.options.probePeriodUs, issue);
  return { place, probed };
}

/** In turn from `start` on; null: none is open. */
function firstOpen(connections: readonly Connection[], start: number): Connection | null {
  for (let turn = 0; turn < connections.length; turn += 1) {
    const connection = connections[(start + turn) % connections.length];
    if (connection?.isOpen() === true) return connection;
  }
  return null;
}

function startClient(running: Running, place: SimPlace, client: LoadClient): void {
  const thinkUs = millis(Math.max(running.options.spec.thinkMs, THINK_MIN_MS));
  const slot = place.recorder.slot();
  let isWaiting = true;
  const connection = connect(running, place, () => {
    if (isWaiting) go();
  });
  function go(): void {
    isWaiting = !connection.isOpen();
    if (running.isStopped || isWaiting) return;
    slot.start(client.next(running.isFaultWindow), connection, (ending) => {
      client.ended(ending.kind);
      running.world.clock.after(thinkUs, go);
    });
  }
}

function finish(
  running: Running,
  written: {
    readonly spaces: readonly KeySpace<SimSwitch>[];
    readonly probing: readonly Probing[];
  },
  deadline: Micros,
): void {
  const { runUntil } = running.options;
  running.isStopped = true;
  runUntil(() => running.underWay === 0, deadline);
  for (const connection of running.connections) connection.close();
  running.recorder.phase("final-reads");
  const readings = written.spaces.map(({ load, places }) => {
    const own = written.probing.filter(({ place }) => places.includes(place));
    const probed = own.flatMap((probing) => probing.probed);
    return new Reading(running, places, [...(load?.finalReads() ?? []), ...probed.map(readBack)]);
  });
  runUntil(() => readings.every(isRead), deadline);
  for (const reading of readings) reading.close();
  running.recorder.phase("end");
}

const isRead = ({ unread }: Reading): boolean => unread === 0;

function readBack(key: string): Choice {
  return { f: "read", key, value: null, role: "readback" };
}

/** Each key until it was read, at any of these places. */
class Reading {
  /** Choices that nobody has answered yet. */
  unread: number;
  readonly #world: World;
  readonly #left: Choice[];
  readonly #lanes: readonly ReadingLane[];
  #isOver = false;

  constructor({ world }: Running, places: readonly SimPlace[], choices: readonly Choice[]) {
    this.unread = choices.length;
    this.#world = world;
    this.#left = [...choices].reverse();
    const opened = (): void => this.#pump();
    this.#lanes = places.flatMap((place) => {
      const slots = createSlotPool(place.recorder);
      return Array.from({ length: READ_CONNECTIONS }, (): ReadingLane => {
        const connection = createSimConnection(world, place.target, { opened });
        return { inFlight: 0, slots, connection };
      });
    });
  }

  close(): void {
    this.#isOver = true;
    for (const lane of this.#lanes) lane.connection.close();
  }

  #pump(): void {
    for (const lane of this.#lanes) {
      while (!this.#isOver && lane.connection.isOpen() && lane.inFlight < READ_WINDOW) {
        const choice = this.#left.pop();
        if (choice === undefined) break;
        lane.inFlight += 1;
        lane.slots.start(choice, lane.connection, (ending) => this.#ended(lane, choice, ending));
      }
    }
  }

  #ended(lane: ReadingLane, choice: Choice, ending: Ending): void {
    lane.inFlight -= 1;
    if (ending.kind === "ok") {
      this.unread -= 1;
      this.#pump();
      return;
    }
    this.#left.push(choice);
    this.#world.clock.after(RETRY_US, () => this.#pump());
  }
}

interface ReadingLane {
  inFlight: number;
  readonly slots: Slot;
  readonly connection: Connection;
}
