/**
 * Durability: acknowledged writes and appends that are missing or changed when they are read back. An overwritten key hides a lost write,
 * so only keys written once and append-lists are judged (read-back.ts), and they must be at least half of all.
 */
import type { CheckResult, Micros, RunEvent } from "../record/types.ts";
import { faultsOf } from "./events.ts";
import type { Operation } from "./operations.ts";
import { type AcknowledgedWrite, judgeWrites } from "./read-back.ts";

export interface DurabilityOptions {
  /** Share of the acknowledged writes that must have been judged, else the check is `unknown`. Default 0.5. */
  readonly judgedShareMin?: number;
}

export interface DurabilityFigures {
  readonly check: CheckResult;
  readonly lost: {
    readonly acknowledged: number;
    /**
     * Age of the oldest lost write: from its acknowledgement to the last fault instant before its loss was seen, at least 0; where no fault
     * came before, to the read that showed the loss. Null: nothing lost.
     */
    readonly oldestMs: number | null;
  };
  readonly acknowledged: number;
  readonly judged: number;
  /** Op numbers of the lost writes, at most `LISTED_MAX`. */
  readonly lostOperations: readonly number[];
}

const LISTED_MAX = 100;

export function checkDurability(
  operations: readonly Operation[],
  events: readonly RunEvent[],
  options: DurabilityOptions = {},
): DurabilityFigures {
  return durabilityOf(judgeWrites(operations), events, options);
}

export function durabilityOf(
  writes: readonly AcknowledgedWrite[],
  events: readonly RunEvent[],
  options: DurabilityOptions = {},
): DurabilityFigures {
  const judged = writes.filter((write) => write.judgement.kind !== "unjudged").length;
  const lost = writes.filter((write) => write.judgement.kind === "lost");
  const instants = faultsOf(events).map((fault) => fault.at);
  const ages = lost.map((write) => ageMs(write, instants));
  const oldestMs = ages.length === 0 ? null : ages.reduce((a, b) => Math.max(a, b));
  const share = options.judgedShareMin ?? 0.5;
  return {
    check: summarize({ acknowledged: writes.length, judged, lost, oldestMs, share }),
    lost: { acknowledged: lost.length, oldestMs },
    acknowledged: writes.length,
    judged,
    lostOperations: lost.slice(0, LISTED_MAX).map((write) => write.operation.op),
  };
}

function ageMs(write: AcknowledgedWrite, instants: readonly Micros[]): number {
  if (write.judgement.kind !== "lost") return 0;
  const { seenAt } = write.judgement;
  const last = instants.filter((instant) => instant <= seenAt).at(-1) ?? seenAt;
  return Math.max(0, last - write.ackedAt) / 1_000;
}

function summarize(found: {
  readonly acknowledged: number;
  readonly judged: number;
  readonly lost: readonly AcknowledgedWrite[];
  readonly oldestMs: number | null;
  readonly share: number;
}): CheckResult {
  const name = "durability";
  const looked = `${found.judged} of ${found.acknowledged} acknowledged writes read back`;
  const [first] = found.lost;
  if (first?.judgement.kind === "lost") {
    const { op, key } = first.operation;
    const example = `operation ${op} on key ${JSON.stringify(key)}, found ${first.judgement.found}`;
    const count = `${found.lost.length} lost, the oldest ${found.oldestMs} ms before the fault`;
    return { name, verdict: "fail", why: `${looked}: ${count}; e.g. ${example}` };
  }
  if (found.acknowledged === 0) {
    return { name, verdict: "unknown", why: "no write was acknowledged" };
  }
  if (found.judged < found.share * found.acknowledged) {
    const why = `${looked}: fewer than ${found.share * 100} % can be judged`;
    return { name, verdict: "unknown", why };
  }
  return { name, verdict: "pass", why: `${looked}: none missing or changed` };
}
