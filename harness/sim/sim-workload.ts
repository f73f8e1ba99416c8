/** The reference workload's clients in virtual time: fewer of them and slower, so that a run of seconds is simulated in a few milliseconds. */
import { HarnessError } from "../errors.ts";
import type { Micros } from "../record/types.ts";
import type { Workload, WorkloadSpec } from "../rig/rig.ts";
import type { Choice } from "../workload/choice.ts";
import type { Connection } from "../workload/connection.ts";
import { createReferenceLoad, type LoadClient, type ReferenceLoad } from "../workload/generator.ts";
import { createRecorder, createSlotPool, type Recorder } from "../workload/recorder.ts";
import { createSimConnection } from "./sim-connection.ts";
import type { SimSwitch } from "./sim-switch.ts";
import { millis, type World } from "./world.ts";

/** Lets the run go on until the condition holds; false when the deadline came first. */
export type RunUntil = (condition: () => boolean, deadline: Micros) => boolean;

export interface SimWorkloadOptions {
  readonly spec: WorkloadSpec;
  readonly target: SimSwitch;
  readonly runUntil: RunUntil;
  /** Unit: microseconds. */
  readonly probePeriodUs: Micros;
}

/** The simulated load: 4 clients with 10 operations a second each. A plan that asks for less gets less. */
const CLIENTS_MAX = 4;
const THINK_MIN_MS = 95;
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
  const { spec } = options;
  running.recorder.phase("warm-up");
  const probed: string[] = [];
  if (spec.kind !== "none") startProbe(running, probed);
  const load = spec.kind === "reference" ? startLoad(running) : null;
  return {
    phase(name) {
      running.isFaultWindow = name === "fault";
      running.recorder.phase(name);
      return Promise.resolve();
    },
    inFlightWrites: () => running.recorder.inFlightWrites(),
    finish(deadline) {
      finish(running, { load, probed }, deadline);
      return Promise.resolve();
    },
  };
}

function awaitGuest(world: World, { target, runUntil }: SimWorkloadOptions): void {
  let isAnswered = false;
  const connection = createSimConnection(world, target);
  const ping = (): void => {
    connection.send(["PING"], (answer) => {
      isAnswered = answer.kind === "reply" && answer.reply.kind === "simple";
      if (!isAnswered) world.clock.after(PING_EVERY_US, ping);
    });
  };
  ping();
  const isReady = runUntil(() => isAnswered, world.clock.now() + READY_US);
  connection.close();
  if (isReady) return;
  throw new HarnessError(
    "WORKLOAD_FAILED",
    "the guest gave no answer within 10 s of virtual time",
    {
      hint: "Read the events of the run: the pair did not boot its machine.",
    },
  );
}

function connect(running: Running, opened?: () => void): Connection {
  const events = opened === undefined ? {} : { opened };
  const connection = createSimConnection(running.world, running.options.target, events);
  running.connections.push(connection);
  return connection;
}

/** One SET of a key never used before on each slot of a fixed timetable. */
function startProbe(running: Running, probed: string[]): void {
  const { clock } = running.world;
  const slots = createSlotPool(running.recorder);
  const connections = Array.from({ length: PROBE_CONNECTIONS }, () => connect(running));
  let slot = 0;
  const issue = (): void => {
    if (running.isStopped) return;
    clock.after(running.options.probePeriodUs, issue);
    const key = `p${slot}`;
    const choice: Choice = {
      f: "write",
      key,
      value: String(slot).padStart(8, "0"),
      role: "probe",
    };
    const start = slot % connections.length;
    const turned = [...connections.slice(start), ...connections.slice(0, start)];
    slot += 1;
    slots.start(choice, turned.find((one) => one.isOpen()) ?? null, (ending) => {
      if (ending.kind !== "fail") probed.push(key);
    });
  };
  clock.after(running.options.probePeriodUs, issue);
}

function startLoad(running: Running): ReferenceLoad {
  const { spec } = running.options;
  const clients = Math.min(spec.clients, CLIENTS_MAX);
  const load = createReferenceLoad({ seed: spec.seed, clients });
  for (let index = 0; index < clients; index += 1) startClient(running, load.client(index));
  return load;
}

function startClient(running: Running, client: LoadClient): void {
  const thinkUs = millis(Math.max(running.options.spec.thinkMs, THINK_MIN_MS));
  const slot = running.recorder.slot();
  let isWaiting = true;
  const connection = connect(running, () => {
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
  written: { readonly load: ReferenceLoad | null; readonly probed: readonly string[] },
  deadline: Micros,
): void {
  const { runUntil } = running.options;
  running.isStopped = true;
  runUntil(() => running.underWay === 0, deadline);
  for (const connection of running.connections) connection.close();
  running.recorder.phase("final-reads");
  const keys = [...(written.load?.finalReads() ?? []), ...written.probed.map(readBack)];
  readAll(running, keys, deadline);
  running.recorder.phase("end");
}

function readBack(key: string): Choice {
  return { f: "read", key, value: null, role: "readback" };
}

/** Each key until it was read or the deadline comes. */
function readAll(running: Running, choices: readonly Choice[], deadline: Micros): void {
  const { world, options, recorder } = running;
  const slots = createSlotPool(recorder);
  const left = [...choices].reverse();
  let unread = left.length;
  let isOver = false;
  const lanes = Array.from({ length: READ_CONNECTIONS }, () => {
    const lane = {
      inFlight: 0,
      connection: createSimConnection(world, options.target, { opened: pump }),
    };
    return lane;
  });
  function pump(): void {
    for (const lane of lanes) {
      while (!isOver && lane.connection.isOpen() && lane.inFlight < READ_WINDOW) {
        const choice = left.pop();
        if (choice === undefined) break;
        lane.inFlight += 1;
        slots.start(choice, lane.connection, (ending) => {
          lane.inFlight -= 1;
          if (ending.kind === "ok") {
            unread -= 1;
            pump();
            return;
          }
          left.push(choice);
          world.clock.after(RETRY_US, pump);
        });
      }
    }
  }
  options.runUntil(() => unread === 0, deadline);
  isOver = true;
  for (const lane of lanes) lane.connection.close();
}
