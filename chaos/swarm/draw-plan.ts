/**
 * A random plan: seed → plain data. Each seed draws which families of its profile exist in it (a swarm: what is missing lets the rest go further), how
 * they follow each other, and what they hit. Then all is healed, and the pair has to be whole again within a deadline.
 */
import type { SiteName } from "../../harness/rig/rig.ts";
import { completePlan, type Plan } from "../plan/plan.ts";
import type { BedName } from "../plan/scenario.ts";
import { workloadFor } from "../plan/workloads.ts";
import { type PlanDraws, planDraws } from "./draws.ts";
import { FAMILIES, type Family, PROFILE_TABLE, PROFILES, type ProfileName } from "./profiles.ts";
import { drawBlow } from "./swarm-steps.ts";

const SWARM = "swarm";
/** From the end of the faults to a whole pair at most: one that flapped may wait for a minute before it is copied. Unit: milliseconds. */
const WHOLE_WITHIN = 90_000;
const BLOWS_MIN = 3;
const BLOWS_MAX = 24;
/** Load of a plan in which nothing breaks. Unit: milliseconds. */
const CALM = 20_000;
/** The fault phase ends here, whatever is left to come. Unit: milliseconds. */
const FAULTS_MAX = 30_000;

export interface SwarmOptions {
  readonly seed: number;
  readonly bed: BedName;
}

/** The profile of a name like `swarm/network`; null: it names none. */
export function profileNamed(name: string): ProfileName | null {
  return PROFILES.find((profile) => name === `${SWARM}/${profile}`) ?? null;
}

/** Equal arguments give equal plans. */
export function planSwarm(profile: ProfileName, { seed, bed }: SwarmOptions): Plan {
  const shape = drawShape(profile, seed);
  const { quorum, peerLoss, switches } = shape;
  const maySplit = peerLoss === "continue";
  const sites: readonly SiteName[] = switches === "two" ? ["a", "b"] : ["a"];
  const clients = { sites, keys: maySplit ? "disjoint" : "shared" } as const;
  const steps = drawSteps(profile, seed, { noDisks: shape.confirmAfterRestart || maySplit });
  const load = workloadFor("short", { bed, seed, clients });
  const calmMs = steps.length === 0 ? CALM : load.spec.calmMs;
  return completePlan({
    schema: 1,
    scenario: `${SWARM}/${profile}`,
    level: 2,
    seed,
    bed,
    topology: { ...shape, seed, memoryPages: 64, volumeBlocks: 16_384, bootDelayMs: 0 },
    workload: { name: "short", ...load, spec: { ...load.spec, calmMs } },
    steps,
    converge: maySplit ? "safety-only" : quorum === "none" ? "pre-elected" : "duplex",
    budget: maySplit ? "outside" : "inside",
    deadlineMs: WHOLE_WITHIN,
    checks: maySplit
      ? ["divergence", "invariants"]
      : ["linearizability", "durability", "divergence", "one-runner", "invariants"],
    swarm: true,
  });
}

function drawShape(profile: ProfileName, seed: number) {
  const draws = planDraws(seed, "topology");
  const services = draws.between(0, 9);
  const quorum = services < 5 ? "one" : services < 8 ? "two" : "none";
  const isContinued = draws.chance(500);
  return {
    quorum,
    peerLoss: quorum === "none" && isContinued && profile !== "disk" ? "continue" : "preferred",
    switches: draws.chance(PROFILE_TABLE[profile].twoSites) ? "two" : "one",
    confirmAfterRestart: draws.chance(200) && quorum !== "none" && profile !== "disk",
    preferred: draws.pick(["a", "b"]),
    linkDelayMs: draws.chance(200) ? draws.between(1, 10) : 0,
  };
}

/** A service that waits to be confirmed, or a split brain, beside a disk that has forgotten everything is a double fault. */
function familiesOf(profile: ProfileName, seed: number, noDisks: boolean): readonly Family[] {
  const { families } = PROFILE_TABLE[profile];
  return FAMILIES.filter((family) => {
    const isDrawn = planDraws(seed, `family/${family}`).chance(families[family] ?? 0);
    return isDrawn && !(noDisks && family === "disks");
  });
}

function drawSteps(
  profile: ProfileName,
  seed: number,
  { noDisks }: { readonly noDisks: boolean },
): readonly unknown[] {
  const [first, ...others] = familiesOf(profile, seed, noDisks);
  if (first === undefined) return [];
  const blows = planDraws(seed, "blows").between(BLOWS_MIN, BLOWS_MAX);
  const steps: unknown[] = [];
  let at = planDraws(seed, "begin").between(0, 1_000);
  for (let blow = 0; blow < blows && at < FAULTS_MAX; blow += 1) {
    const draws = planDraws(seed, `blow ${blow}`);
    const family = draws.pick([first, ...others]);
    const { steps: parts } = drawBlow(family, planDraws(seed, `blow ${blow}/${family}`));
    const when = steps.length === 0 ? null : drawWhen(draws);
    for (const [index, { afterMs, step }] of parts.entries()) {
      at += afterMs;
      const isWaiting = index === 0 && when !== null;
      steps.push({ ...timing(step), atMs: isWaiting ? null : at, when: isWaiting ? when : null });
    }
    at += drawPause(draws);
  }
  return steps.map(imageOf);
}

/** Faults have fields that commands have not. */
function timing(step: Readonly<Record<string, unknown>>): object {
  return "operator" in step ? step : { intoWriteUs: null, forMs: null, ...step };
}

/** Most blows meet what the one before set off; some find the pair at rest. */
function drawPause(draws: PlanDraws): number {
  const pace = draws.between(0, 9);
  return draws.between(0, pace < 4 ? 60 : pace < 8 ? 900 : 4_000);
}

/** Some blows wait for the moment in which they hurt. */
function drawWhen(draws: PlanDraws): object | null {
  if (!draws.chance(250)) return null;
  const after = draws.pick(["takeover", "resync", "service", "host-dead", "duplex"]);
  const plusMs = draws.chance(500) ? 0 : draws.between(0, 300);
  return after === "resync"
    ? { after, atPercent: draws.between(0, 90), plusMs }
    : { after, plusMs };
}

/** An old image is of the calm phase, or of some moment since. */
function imageOf(step: unknown, index: number): unknown {
  if (typeof step !== "object" || step === null || !("fault" in step)) return step;
  if (step.fault !== "old-disk") return step;
  return { ...step, image: index < 2 ? "calm" : Math.ceil(index / 2) };
}
