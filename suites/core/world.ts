/**
 * A small world for schedules told by hand: two host cores, `a` and `b`, and two quorum services on one virtual clock. Nothing is drawn: equal
 * calls give equal runs.
 *
 * It models
 * - ways between the hosts whose two ends open and close apart: what was sent before the sender's end closed still arrives, as long as the
 *   receiver's end of that connection is open. Frames of one connection keep their order; `delay` and `onSend` slow, change and lose them;
 * - disks whose commits end in order and are durable only then. A killed host loses the commits under way; a disk may die or be replaced;
 * - a guest that writes one block, flushes once and sends one byte for each input, and one block at its boot;
 * - services that store each change before they answer, and can be cut off from both hosts; the second one is out of reach until a schedule mends it.
 *
 * It leaves out codecs, sectors and torn writes, clocks that differ, late ticks, redials (a way comes back when the schedule says so), switches
 * and clients beyond a byte now and then. harness/sim has those, with chance.
 */
import type { RandomId } from "../../node/core/identity.ts";
import type { Instant, Lba, Milliseconds } from "../../node/core/units.ts";
import { closeEnd, sumsOf, tell, tellService, writeIn } from "./world-effects.ts";
import {
  after,
  at,
  coreOf,
  draw,
  HOSTS,
  type Host,
  otherOf,
  SERVICES,
  type Service,
  WAYS,
  type Way,
  type World,
  type WorldHost,
} from "./world-state.ts";

/** Starts a host's process on its disk; its ways stay closed, the service and the switch are there at once. */
export function boot(world: World, name: Host): void {
  const host = world.hosts[name];
  host.process += 1;
  host.isAlive = true;
  host.core = coreOf(name, world.timing);
  host.guest = null;
  host.diskFreeAt = world.now;
  const { page, applied, intents, dirty } = structuredClone(host.disk);
  tell(world, world.hosts[name], {
    kind: "start",
    disk: { page, applied, intents, dirty, sums: new Map([[0, sumsOf(host.disk)]]), torn: [] },
    ids: draw(world, 64),
  });
  const { process } = host;
  const tick = (): void => {
    if (!host.isAlive || host.process !== process) return;
    tell(world, world.hosts[name], { kind: "tick" });
    after(world, world.timing.tick, tick);
  };
  after(world, world.timing.tick, tick);
  for (const service of SERVICES) connectService(world, host, service);
  world.drawn += 1;
  host.switchConn = world.drawn;
  tell(world, world.hosts[name], { kind: "switch-up", switch: "s1", conn: host.switchConn });
}

/** Ends a host's process. Its peer sees no way close before `close` says so. */
export function kill(world: World, name: Host): void {
  const host = world.hosts[name];
  host.isAlive = false;
  for (const way of WAYS) world.ways[way][name] = null;
  for (const service of SERVICES) {
    const conn = host.serviceConns[service];
    host.serviceConns[service] = null;
    if (conn !== null) tellService(world, service, { kind: "closed", conn });
  }
}

/** Kills a host, lets its peer see that, and starts it again. Its ways stay closed. */
export function restart(world: World, name: Host): void {
  kill(world, name);
  for (const way of WAYS) close(world, way, otherOf(name));
  boot(world, name);
}

/** A new connection of a way, at both ends. */
export function open(world: World, way: Way): void {
  world.drawn += 1;
  const conn = world.drawn;
  const ends = world.ways[way];
  ends.a = conn;
  ends.b = conn;
  ends.busyUntil.a = world.now;
  ends.busyUntil.b = world.now;
  for (const host of HOSTS) tell(world, world.hosts[host], { kind: "path-up", path: way, conn });
}

export function openAll(world: World): void {
  for (const way of WAYS) open(world, way);
}

/** A host sees a way close; without `host` both do. */
export function close(world: World, way: Way, host?: Host): void {
  for (const end of host === undefined ? HOSTS : [host]) {
    closeEnd(world, way, world.hosts[end]);
  }
}

export function cutService(world: World, service: Service = "q1"): void {
  world.servicesUp.delete(service);
  for (const name of HOSTS) {
    const host = world.hosts[name];
    const conn = host.serviceConns[service];
    host.serviceConns[service] = null;
    if (conn === null) continue;
    tellService(world, service, { kind: "closed", conn });
    tell(world, world.hosts[name], { kind: "service-down", service, conn });
  }
}

export function mendService(world: World, service: Service = "q1"): void {
  world.servicesUp.add(service);
  for (const name of HOSTS) connectService(world, world.hosts[name], service);
}

function connectService(world: World, host: WorldHost, service: Service): void {
  if (!world.servicesUp.has(service) || !host.isAlive) return;
  world.drawn += 1;
  const conn = world.drawn;
  host.serviceConns[service] = conn;
  tellService(world, service, { kind: "connected", conn, host: host.name, vm: "vm1" });
  tell(world, host, { kind: "service-up", service, conn });
}

/** A client's byte for the VM, wherever it runs; lost when it runs nowhere. */
export function input(world: World): void {
  for (const name of HOSTS) {
    const host = world.hosts[name];
    const { running, vmBoot } = host.core.peek();
    if (!host.isAlive || !running || vmBoot === null) continue;
    const at = { vm: "vm1", vmBoot, route: 1 };
    const from = { kind: "switch-frame", switch: "s1", conn: host.switchConn } as const;
    if (host.routed !== vmBoot.id) {
      host.routed = vmBoot.id;
      const positions = { kind: "positions", ...at, term: 1, home: 1, sessions: [] } as const;
      tell(world, host, { ...from, frame: positions });
    }
    const data = { session: 1, position: 1, what: "data", bytes: new Uint8Array(1) } as const;
    tell(world, host, { ...from, frame: { kind: "client", ...at, ...data } });
  }
}

export function inputEvery(world: World, from: Instant, to: Instant, every: Milliseconds): void {
  for (let time = from; time < to; time += every) at(world, time, () => input(world));
}

/** What a host is, for assertions. */
export function stand(world: World, name: Host): Stand {
  const { core, isAlive, disk } = world.hosts[name];
  const peek = core.peek();
  return {
    isAlive,
    right: peek.right,
    durableRight: disk.page?.right ?? null,
    gen: disk.page?.gen?.id ?? null,
    running: isAlive && peek.running,
    intake: isAlive && peek.mayIntake(world.now),
    session: peek.session !== null,
    derived: peek.derived,
    barred: peek.barred,
    completed: peek.completed,
    intents: [...(disk.intents.get(0) ?? [])],
  };
}

export interface Stand {
  readonly isAlive: boolean;
  readonly right: string;
  readonly durableRight: string | null;
  readonly gen: RandomId | null;
  readonly running: boolean;
  readonly intake: boolean;
  readonly session: boolean;
  readonly derived: string;
  readonly barred: string | null;
  readonly completed: number;
  /** Durable bits. */
  readonly intents: readonly number[];
}

/** What is durable: block → `boot.write`. */
export function blocksOf(world: World, name: Host): Readonly<Record<Lba, string>> {
  return Object.fromEntries(
    [...world.hosts[name].disk.blocks].map(([lba, data]) => {
      const { bootN, number } = writeIn(data);
      return [lba, `${bootN}.${number}`];
    }),
  );
}

/** The newest complete write of each block, by the runner's word: block → `boot.write`. */
export function completeOf(world: World, name: Host): ReadonlyMap<Lba, readonly [number, number]> {
  const { core, guest } = world.hosts[name];
  const { completed } = core.peek();
  const bootN = guest?.vmBoot.n ?? 0;
  const newest = new Map<Lba, readonly [number, number]>();
  for (const { number, lba } of guest?.writes ?? []) {
    if (number <= completed) newest.set(lba, [bootN, number]);
  }
  return newest;
}

/** Which of these a disk holds neither itself nor in a newer version. */
export function lackedBy(
  world: World,
  name: Host,
  owed: ReadonlyMap<Lba, readonly [number, number]>,
): readonly string[] {
  const { blocks } = world.hosts[name].disk;
  return [...owed].flatMap(([lba, [bootN, number]]) => {
    const data = blocks.get(lba);
    const held = data === undefined ? { bootN: 0, number: 0 } : writeIn(data);
    const isHeld = held.bootN > bootN || (held.bootN === bootN && held.number >= number);
    return isHeld ? [] : [`${lba}: ${bootN}.${number}`];
  });
}

/**
 * The writes that a runner with a peer counts as complete although the peer's disk holds neither them nor a newer one of the same block. A runner
 * that is alone owes its peer nothing.
 */
export function lackedByPeer(world: World): readonly string[] {
  return HOSTS.flatMap((name) => {
    const { core, guest, isAlive } = world.hosts[name];
    const { running, right, completed } = core.peek();
    if (!isAlive || !running || guest === null || right === "sole") return [];
    const { blocks } = world.hosts[otherOf(name)].disk;
    const bootN = guest.vmBoot.n;
    return guest.writes
      .filter(({ number, lba }) => {
        const data = blocks.get(lba);
        const held = data === undefined ? null : writeIn(data);
        return number <= completed && !(held?.bootN === bootN && held.number >= number);
      })
      .map(({ number }) => `${bootN}.${number}`);
  });
}
