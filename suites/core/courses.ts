/** Courses that many schedules of the small world of world.ts begin with, and what they are asked in the end. */
import type { Test } from "tap";
import type { OperatorCommand } from "../../node/core/host/contract.ts";
import { blocksOf, boot, close, inputEvery, kill, lackedByPeer, openAll, stand } from "./world.ts";
import { tell } from "./world-effects.ts";
import { at, createWorld, HOSTS, type Host, otherOf, WAYS, type World } from "./world-state.ts";

/** Protected, armed, and `a` runs from 194 on; eleven inputs from 400 to 900. */
export function written(world = createWorld()): World {
  for (const host of HOSTS) boot(world, host);
  at(world, 5, () => openAll(world));
  inputEvery(world, 400, 900, 50);
  return world;
}

/** The guest rests until every extent is cold; `b` dies at 10,000, and returns at 11,000: the resync begins at 12,000. */
export function resyncing(): World {
  const world = written();
  at(world, 10_000, () => die(world, "b"));
  at(world, 11_000, () => boot(world, "b"));
  at(world, 11_005, () => openAll(world));
  return world;
}

export function die(world: World, victim: Host): void {
  kill(world, victim);
  for (const way of WAYS) close(world, way, otherOf(victim));
}

export function ask(world: World, host: Host, command: OperatorCommand): void {
  tell(world, world.hosts[host], { kind: "operator", command });
}

export function answersOf(world: World, host: Host): readonly string[] {
  return world.notes.flatMap(({ host: of, note }) =>
    of === host && note.what === "operator" ? [`${note.op} ${note.state}`] : [],
  );
}

/** `name` serves, backed by the other, and both hold the same. */
export function isDuplex(t: Test, world: World, name: Host): void {
  for (const host of HOSTS) {
    const duplex = { right: "open", durableRight: "open", derived: "duplex", barred: null };
    t.match(stand(world, host), { ...duplex, running: host === name }, `${host} is duplex`);
  }
  t.match(stand(world, name), { intake: true }, `${name} serves`);
  t.same(blocksOf(world, "b"), blocksOf(world, "a"), "equal disks");
}

/** Collects writes that completed without the peer's disk while neither disk says `sole`. */
export function watchPeerCurrent(world: World): ReadonlySet<string> {
  const lacked = new Set<string>();
  world.afterEach = () => {
    if (HOSTS.some((host) => world.hosts[host].disk.page?.right === "sole")) return;
    for (const write of lackedByPeer(world)) lacked.add(write);
  };
  return lacked;
}

export function codesOf(world: World, since: number): readonly string[] {
  return world.notes.flatMap(({ time, note }) =>
    time >= since && note.what === "alert" ? [note.code] : [],
  );
}
