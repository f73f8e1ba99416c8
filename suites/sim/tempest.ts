/**
 * A seeded run in which everything may happen to a pair: hosts are killed, stopped, started again, lose their power together, get a blank disk or an old
 * image; links are cut in every way; quorum services come and go; an operator moves the VM. Then all is healed, and the pair has to be whole again.
 *
 * Each kind of blow is drawn from one stream in a fixed order, so that a seed keeps its meaning.
 */
import { type Draws, forkDraws } from "../../harness/sim/draws.ts";
import type { SimRigMore } from "../../harness/sim/sim-rig.ts";
import { startSim } from "../../harness/sim/start-sim.ts";

export interface Tempest {
  readonly rig: SimRigMore;
  /** Redundant and served again, in time. */
  readonly isWhole: boolean;
  /** Nothing promised before it counts: both went on alone, by policy, and an operator chose. */
  readonly wasSplit: boolean;
  /** Blows, for people. */
  readonly log: readonly string[];
}

interface Families {
  readonly kill: boolean;
  readonly pause: boolean;
  readonly cut: boolean;
  readonly power: boolean;
  readonly quorum: boolean;
  readonly operator: boolean;
  readonly disk: boolean;
  readonly split: boolean;
}

const SECOND_US = 1_000_000;
const KINDS = ["refuse", "blackhole", "jam"] as const;
const DIRECTIONS = ["both", "forward", "backward"] as const;
/** For a pair that flapped, whose resync may wait for a minute. */
const WHOLE_WITHIN_US = 90 * SECOND_US;
const RESOLVES_MAX = 6;

export async function rage(seed: number): Promise<Tempest> {
  const draws = forkDraws(seed, "tempest");
  const services = draws.below(10);
  const quorum = services < 5 ? "one" : services < 8 ? "two" : "none";
  const split = quorum === "none" && draws.chance(500);
  const preferred = draws.chance(500) ? "a" : "b";
  const peerLoss = split ? "continue" : "preferred";
  const switches = draws.chance(300) ? "two" : "one";
  const confirmAfterRestart = draws.chance(200);
  const linkDelayMs = draws.chance(200) ? draws.between(1, 10) : 0;
  const rig = await startSim(
    {
      ...{ seed, quorum, switches, confirmAfterRestart, preferred, peerLoss, linkDelayMs },
      memoryPages: 64,
      volumeBlocks: 16_384,
      bootDelayMs: 0,
    },
    { scenario: "tempest", runDir: null, isEncoded: draws.chance(100) },
  );
  const spec = { kind: "reference", clients: 4, thinkMs: 50, warmUpMs: 0, calmMs: 0 } as const;
  const workload = await rig.startWorkload({ ...spec, seed });
  await rig.until(rig.now() + draws.below(SECOND_US));
  await workload.phase("fault");
  const log: string[] = [];
  await strikeAll(rig, draws, log, {
    kill: draws.chance(700),
    pause: draws.chance(500),
    cut: draws.chance(700),
    power: draws.chance(300),
    quorum: draws.chance(400),
    operator: draws.chance(300),
    // A service that waits to be confirmed and a disk that has forgotten everything are a double fault.
    disk: draws.chance(300) && !confirmAfterRestart,
    split,
  });
  await healAll(rig);
  log.push(`${rig.now()} healed`);
  // A link that swallowed bytes closes when it is mended: what looks whole before that is noticed is not.
  await rig.until(rig.now() + SECOND_US);
  const isArmed = quorum !== "none" || split;
  const { isWhole, resolves } = await untilWhole(rig, draws, log, { isArmed, split });
  await workload.finish(rig.now() + 5 * SECOND_US);
  await rig.quiesce();
  return { rig, isWhole, wasSplit: split || resolves > 0, log };
}

async function strikeAll(
  rig: SimRigMore,
  draws: Draws,
  log: string[],
  families: Families,
): Promise<void> {
  const blows = draws.between(3, 14);
  for (let blow = 0; blow < blows; blow += 1) {
    log.push(`${rig.now()} ${await strike(rig, draws, families)}`);
    const pace = draws.below(10);
    const span = pace < 4 ? 60_000 : pace < 8 ? 900_000 : 3_000_000;
    await rig.until(rig.now() + draws.below(span));
  }
}

async function healAll(rig: SimRigMore): Promise<void> {
  await rig.mend(rig.topology.links.map(({ id }) => id));
  for (const name of [...rig.topology.hosts, ...rig.topology.services]) {
    if (!rig.alive(name)) await rig.start(name);
    await rig.resume(name);
  }
}

async function untilWhole(
  rig: SimRigMore,
  draws: Draws,
  log: string[],
  by: { readonly isArmed: boolean; readonly split: boolean },
): Promise<{ readonly isWhole: boolean; readonly resolves: number }> {
  const wanted = by.isArmed ? "duplex" : "pre-elected";
  const isWhole = (): boolean =>
    rig.hosts().every(({ alive, derived }) => alive && derived === wanted) &&
    rig.hosts().some(({ runs }) => runs);
  const isSplit = (): boolean =>
    by.split && rig.hosts().every(({ derived }) => derived === "split-brain");
  for (let resolves = 0; resolves < RESOLVES_MAX; resolves += 1) {
    const isDecided = await rig.waitFor(() => isWhole() || isSplit(), rig.now() + WHOLE_WITHIN_US);
    if (!isDecided || isWhole()) return { isWhole: isDecided, resolves };
    const told = draws.chance(500) ? "a" : "b";
    const keep = draws.chance(500) ? "a" : "b";
    log.push(`${rig.now()} ${told} is told to keep ${keep}`);
    await rig.operator(told, { op: "resolve", keep, damaged: false });
    await rig.until(rig.now() + SECOND_US);
  }
  return { isWhole: false, resolves: RESOLVES_MAX };
}

async function strike(rig: SimRigMore, draws: Draws, families: Families): Promise<string> {
  const host = rig.topology.hosts[draws.below(2)] ?? "a";
  const blow = draws.below(12);
  if (blow < 2) {
    await rig.mend(rig.topology.links.filter(() => draws.chance(700)).map(({ id }) => id));
    return "mend";
  }
  if (blow < 4) return revive(rig, draws);
  if (blow < 6 && families.kill) return kill(rig, draws, host);
  if (blow === 6 && families.pause) return pause(rig, draws, host);
  if (blow === 7 && families.power) return cutPower(rig, draws);
  if (blow === 8 && families.quorum) return turnService(rig);
  if (blow === 9 && families.operator) return switchOver(rig, host);
  if (blow === 10 && families.disk && !families.split && isDuplex(rig))
    return changeDisk(rig, draws, host);
  return families.cut ? cut(rig, draws) : "nothing";
}

function isDuplex(rig: SimRigMore): boolean {
  return rig.hosts().every(({ alive, derived }) => alive && derived === "duplex");
}

async function revive(rig: SimRigMore, draws: Draws): Promise<string> {
  for (const name of [...rig.topology.hosts, ...rig.topology.services]) {
    if (!rig.alive(name) && draws.chance(700)) await rig.start(name);
    else await rig.resume(name);
  }
  return "revive";
}

async function kill(rig: SimRigMore, draws: Draws, host: string): Promise<string> {
  await rig.kill(host);
  if (!draws.chance(500)) return `kill ${host}`;
  await rig.until(rig.now() + draws.below(400_000));
  await rig.start(host);
  return `kill and start ${host}`;
}

async function pause(rig: SimRigMore, draws: Draws, host: string): Promise<string> {
  if (rig.alive(host)) {
    await rig.pause(host);
    await rig.until(rig.now() + draws.below(700_000));
    await rig.resume(host);
  }
  return `pause ${host}`;
}

async function cutPower(rig: SimRigMore, draws: Draws): Promise<string> {
  const { hosts } = rig.topology;
  await rig.kill(...hosts);
  await rig.until(rig.now() + draws.below(300_000));
  const first = hosts[draws.below(2)] ?? "a";
  await rig.start(first);
  if (draws.chance(800)) {
    await rig.until(rig.now() + draws.below(900_000));
    for (const host of hosts) await rig.start(host);
  }
  return `power, ${first} first`;
}

async function turnService(rig: SimRigMore): Promise<string> {
  const [service] = rig.topology.services;
  if (service === undefined) return "nothing";
  if (rig.alive(service)) await rig.kill(service);
  else await rig.start(service);
  return `turn ${service}`;
}

async function switchOver(rig: SimRigMore, host: string): Promise<string> {
  if (!rig.alive(host)) return "nothing";
  await rig.operator(host, { op: "switch-over" });
  return `switch over from ${host}`;
}

/** Only beside a good copy: the last one is nobody's to lose here. */
async function changeDisk(rig: SimRigMore, draws: Draws, host: string): Promise<string> {
  const image = await rig.saveDisk(host);
  const isBlank = draws.chance(500);
  if (!isBlank) await rig.until(rig.now() + draws.below(2_000_000));
  if (!isDuplex(rig)) return "nothing";
  await rig.kill(host);
  await rig.replaceDisk(host, isBlank ? null : image);
  await rig.start(host);
  // What came back is known by its peer alone: that one's end before they meet would be the loss of both copies.
  if (!isBlank) await untilMet(rig, host);
  return `${isBlank ? "blank disk" : "old image"} of ${host}`;
}

/** The links are mended if the hosts do not meet by themselves. */
async function untilMet(rig: SimRigMore, host: string): Promise<void> {
  const isMet = (): boolean =>
    isDuplex(rig) || rig.hosts().some((view) => view.host === host && view.right === "none");
  if (await rig.waitFor(isMet, rig.now() + 2 * SECOND_US)) return;
  await rig.mend(rig.topology.links.map(({ id }) => id));
  await rig.waitFor(isMet, rig.now() + 10 * SECOND_US);
}

async function cut(rig: SimRigMore, draws: Draws): Promise<string> {
  const share = draws.chance(500) ? 250 : 900;
  const chosen = rig.topology.links.filter(({ channel }) => channel !== "lan" || draws.chance(100));
  const kind = KINDS[draws.below(KINDS.length)] ?? "jam";
  const direction = kind === "refuse" ? "both" : (DIRECTIONS[draws.below(3)] ?? "both");
  const ids = chosen.filter(() => draws.chance(share)).map(({ id }) => id);
  await rig.cut(ids, kind, direction);
  return `cut ${kind} ${direction}: ${ids.join(" ")}`;
}
