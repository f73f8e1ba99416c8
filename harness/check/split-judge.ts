/** What the other checkers make of a run in which a split brain is expected: each side has a history of its own, and is judged by it. */
import type { RunEvent } from "../record/types.ts";
import { checkDurability, type DurabilityFigures } from "./durability.ts";
import { judgeLinearizability, type LinearizabilityFigures } from "./linearizability.ts";
import type { Operation } from "./operations.ts";
import { joinSides, type SplitSide } from "./split-sides.ts";

/** One value of every key, on each side. */
export function linearizabilityBySide(
  sides: readonly SplitSide[],
): Pick<LinearizabilityFigures, "check"> {
  const judged = sides.map(({ host, operations }) => {
    return { host, check: judgeLinearizability(operations).check };
  });
  return { check: joinSides("linearizability", judged) };
}

/** What was acknowledged before the pair parted is on both sides, what was acknowledged afterwards on its own; that of a side given up is gone. */
export function durabilityBySide(
  sides: readonly SplitSide[],
  events: readonly RunEvent[],
): DurabilityFigures {
  const judged = sides.map((side) => {
    return { host: side.host, figures: checkDurability(owedOn(side), events) };
  });
  const figures = judged.map((side) => side.figures);
  const ages = figures.flatMap(({ lost }) => lost.oldestMs ?? []);
  const sum = (of: (side: DurabilityFigures) => number): number =>
    figures.reduce((total, side) => total + of(side), 0);
  return {
    check: joinSides(
      "durability",
      judged.map(({ host, figures: { check } }) => ({ host, check })),
    ),
    lost: {
      acknowledged: sum(({ lost }) => lost.acknowledged),
      oldestMs: ages.length === 0 ? null : Math.max(...ages),
    },
    acknowledged: sum(({ acknowledged }) => acknowledged),
    judged: sum(({ judged: count }) => count),
    lostOperations: figures.flatMap(({ lostOperations }) => lostOperations),
  };
}

/** Operations of the side whose host served more of the probe: the service that the probe's clients saw. */
export function probedSide(sides: readonly [SplitSide, SplitSide]): readonly Operation[] {
  const [left, right] = sides;
  const probes = ({ acknowledged }: SplitSide): number =>
    acknowledged.filter(({ role }) => role === "probe").length;
  return (probes(left) >= probes(right) ? left : right).operations;
}

function owedOn({ operations, acknowledged, until }: SplitSide): readonly Operation[] {
  if (until === Number.POSITIVE_INFINITY) return operations;
  const givenUp = new Set(acknowledged);
  return operations.filter((operation) => !givenUp.has(operation));
}
