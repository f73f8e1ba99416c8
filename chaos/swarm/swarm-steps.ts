/** Steps of a random plan, family by family. Each step draws from streams of its own. */
import type { PlanDraws } from "./draws.ts";
import type { Family } from "./profiles.ts";

/** A step without its instant; the plan's schema completes and checks it. */
export type DrawnStep = Readonly<Record<string, unknown>>;

/** A burst is several steps, each so many milliseconds after the one before. */
export interface Blow {
  readonly steps: readonly { readonly afterMs: number; readonly step: DrawnStep }[];
}

type Channels = readonly string[];

const HOSTS = ["active", "standby", "random", "a", "b"] as const;
const CHANNELS: readonly [Channels, ...Channels[]] = [
  ["alink0"],
  ["alink1"],
  ["alink"],
  ["mgmt"],
  ["alink", "mgmt"],
];
/** A write that is hit is hit so long after its begin. Unit: microseconds. */
const INTO_WRITE_MAX = 3_000;

const one = (step: DrawnStep): Blow => ({ steps: [{ afterMs: 0, step }] });

const intoWrite = (draws: PlanDraws): number | null =>
  draws.chance(300) ? draws.between(0, INTO_WRITE_MAX) : null;

/** How long something stays broken. Short spans meet what is going on, long ones its end. Unit: milliseconds. */
function span(draws: PlanDraws, longest: number): number {
  return draws.chance(500) ? draws.between(10, 400) : draws.between(400, longest);
}

function linkStep(draws: PlanDraws, longest: number): DrawnStep {
  const kind = draws.pick(["refuse-link", "blackhole-link", "jam-link", "delay-link"]);
  const where = draws.between(0, 99);
  const channels =
    where < 50 ? draws.pick(CHANNELS) : where < 70 ? ["quorum"] : where < 75 ? ["lan"] : undefined;
  const fault = {
    fault: kind,
    on: channels === undefined && draws.chance(200) ? "all" : draws.pick(HOSTS),
    ...(channels === undefined ? {} : { channels }),
    forMs: span(draws, longest),
    intoWriteUs: intoWrite(draws),
  };
  const way = draws.pick(["both", "both", "out", "in"]);
  switch (kind) {
    case "refuse-link":
      return fault;
    case "delay-link": {
      const latencyMs = draws.chance(700) ? draws.between(1, 30) : draws.between(30, 400);
      return { ...fault, way, latencyMs, jitterMs: draws.between(0, latencyMs) };
    }
    default:
      return { ...fault, way };
  }
}

/** The same links go and come back, faster than anybody settles. */
function flap(draws: PlanDraws): Blow {
  const times = draws.between(3, 8);
  const step = linkStep(draws, 400);
  return {
    steps: Array.from({ length: times }, () => ({
      afterMs: draws.between(20, 250),
      step: { ...step, forMs: draws.between(5, 150) },
    })),
  };
}

const BLOWS: Readonly<Record<Family, (draws: PlanDraws) => Blow>> = {
  kill: (draws) =>
    one({
      fault: "restart-host",
      on: draws.pick(HOSTS),
      forMs: span(draws, 3_000),
      intoWriteUs: intoWrite(draws),
    }),
  pause: (draws) =>
    one({
      fault: "pause-host",
      on: draws.pick(HOSTS),
      forMs: span(draws, 1_500),
      intoWriteUs: intoWrite(draws),
    }),
  links: (draws) => one(linkStep(draws, 4_000)),
  flap,
  sites: (draws) =>
    one(
      draws.chance(500)
        ? {
            fault: draws.pick(["refuse-link", "blackhole-link", "jam-link"]),
            on: "between-sites",
            forMs: span(draws, 4_000),
          }
        : {
            fault: "isolate-host",
            on: draws.pick(HOSTS),
            cut: draws.pick(["refuse", "blackhole", "jam"]),
            forMs: span(draws, 4_000),
          },
    ),
  quorum: (draws) =>
    one({
      fault: "kill-quorum",
      on: draws.pick(["quorum", "quorum", "q1", "q2"]),
      forMs: span(draws, 4_000),
    }),
  power: (draws) =>
    one({
      fault: "cut-power",
      first: draws.pick(["active", "standby", "random"]),
      forMs: draws.between(20, 600),
      secondAfterMs: draws.chance(200) ? 0 : draws.between(1, 1_500),
      intoWriteUs: intoWrite(draws),
    }),
  operator: (draws) => one({ operator: "switch-over", on: draws.pick(HOSTS) }),
  "disk-faults": (draws) =>
    one({
      fault: "break-disk",
      on: draws.pick(HOSTS),
      how: draws.pick(["offline", "read-error", "write-error", "full", "stall", "slow"]),
      slowMs: draws.between(1, 300),
      forMs: span(draws, 3_000),
      intoWriteUs: intoWrite(draws),
    }),
  disks: (draws) =>
    one({
      fault: draws.pick(["blank-disk", "old-disk"]),
      on: draws.pick(["active", "standby", "random"]),
      forMs: span(draws, 1_500),
    }),
};

export function drawBlow(family: Family, draws: PlanDraws): Blow {
  return BLOWS[family](draws);
}
