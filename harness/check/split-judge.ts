/** What the other checkers make of a run in which a split brain is expected: each side has a history of its own, and is judged by it. */
import type { RunEvent } from "../record/types.ts";
import { type DurabilityFigures, durabilityOf } from "./durability.ts";
import { judgeLinearizability, type LinearizabilityFigures } from "./linearizability.ts";
import type { Operation } from "./operations.ts";
import { type AcknowledgedWrite, judgeWrites } from "./read-back.ts";
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

/**
 * What was acknowledged before the pair parted is on both sides, what was acknowledged afterwards on its own; that of a side given up is
 * gone. Of what a side acknowledged alone, half must have been read back there: the other side's reads say nothing of it.
 */
export function durabilityBySide(
  sides: readonly SplitSide[],
  events: readonly RunEvent[],
): DurabilityFigures {
  const owed = sides.map((side) => ({ ...side, operations: owedOn(side) }));
  const writes = writesBySide(owed);
  const figures = durabilityOf(writes, events);
  const { name, verdict } = figures.check;
  const why = `on both sides, ${figures.check.why}`;
  if (verdict !== "pass") return { ...figures, check: { name, verdict, why } };
  const judged = new Set(
    writes.flatMap(({ operation, judgement }) =>
      judgement.kind === "unjudged" ? [] : [operation.op],
    ),
  );
  const unseen = sides.filter(({ acknowledged, isGivenUp }) => {
    const own = acknowledged.filter(isJudgeable);
    const count = own.filter(({ op }) => judged.has(op)).length;
    return !isGivenUp && 2 * count < own.length;
  });
  if (unseen.length === 0) return { ...figures, check: { name, verdict, why } };
  const hosts = unseen.map(({ host }) => host).join(" and ");
  const doubt = `${why}; less than half of what ${hosts} alone acknowledged`;
  return { ...figures, check: { name, verdict: "unknown", why: doubt } };
}

function isJudgeable({ f }: Operation): boolean {
  return f !== "delete";
}

/**
 * What became of every acknowledged write on its own side; of one that both sides have to keep, the worse of both. In no particular order.
 */
export function writesBySide(sides: readonly SplitSide[]): readonly AcknowledgedWrite[] {
  const found = new Map<number, AcknowledgedWrite>();
  for (const { operations } of sides) {
    for (const write of judgeWrites(operations)) {
      const known = found.get(write.operation.op);
      if (known?.judgement.kind === "lost" || write.judgement.kind === "unjudged") {
        found.set(write.operation.op, known ?? write);
      } else found.set(write.operation.op, write);
    }
  }
  return [...found.values()];
}

/** What a side given up had acknowledged alone may be there or not; that it was written still counts, as a second write to its key. */
function owedOn({ operations, acknowledged, isGivenUp }: SplitSide): readonly Operation[] {
  if (!isGivenUp) return operations;
  const givenUp = new Set(acknowledged);
  return operations.map((operation) =>
    givenUp.has(operation) ? { ...operation, end: { kind: "info" } } : operation,
  );
}
