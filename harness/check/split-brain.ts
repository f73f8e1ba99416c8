/**
 * Split brain that is expected: two hosts go on alone by design (policy `continue`, nobody to arbitrate). The check passes when it came to
 * that, both hosts said so, and both disks show it; and it counts what it costs: the writes that only one side has.
 */
import type { CheckResult, RunEvent, SplitBrain } from "../record/types.ts";
import type { VolumeFigures } from "./block-compare.ts";
import { judgeWrites } from "./read-back.ts";
import type { Split } from "./sole-periods.ts";
import type { SplitSide } from "./split-sides.ts";

/** What the audit of both disks found. */
export interface SplitAudit {
  /** Of the left and the right disk; null: not formatted. */
  readonly hosts: readonly [string | null, string | null];
  readonly isSplit: boolean;
  /** Blocks by the side whose marks name them. */
  readonly changed: VolumeFigures["changed"];
}

export interface SplitBrainFigures {
  readonly check: CheckResult;
  /** Null: there was none. */
  readonly splitBrain: SplitBrain | null;
}

const NAME = "split-brain";

export function checkSplitBrain(found: {
  readonly split: Split | null;
  readonly sides: readonly SplitSide[];
  readonly events: readonly RunEvent[];
  /** Null: the disks were not read. */
  readonly audit: SplitAudit | null;
}): SplitBrainFigures {
  const { split, events, audit } = found;
  if (split === null) {
    const why = "none: no two hosts were alone at once";
    return { check: { name: NAME, verdict: "fail", why }, splitBrain: null };
  }
  const isResolved = split.sides.some(({ isGivenUp }) => isGivenUp);
  const counted = audit?.isSplit === true ? audit : null;
  const splitBrain: SplitBrain = {
    fromMs: split.from / 1_000,
    isResolved,
    sides: found.sides.map((side) => ({
      host: side.host,
      acknowledged: side.acknowledged.length,
      readBack: countKept(side),
      blocks: blocksOf(side.host, counted),
    })),
    bothBlocks: counted?.changed.both ?? null,
  };
  const silent = split.sides.flatMap(({ host }) => missingReport(host, events, split));
  if (silent.length > 0) {
    const why = `${describe(splitBrain)}; not reported: ${silent.join(", ")}`;
    return { check: { name: NAME, verdict: "fail", why }, splitBrain };
  }
  return { check: judgeCost(splitBrain, audit), splitBrain };
}

function judgeCost(splitBrain: SplitBrain, audit: SplitAudit | null): CheckResult {
  const why = describe(splitBrain);
  const idle = splitBrain.sides.filter(({ acknowledged }) => acknowledged === 0);
  if (idle.length > 0) {
    const names = idle.map(({ host }) => host).join(" and ");
    return { name: NAME, verdict: "unknown", why: `${why}; nothing was asked of ${names}` };
  }
  if (splitBrain.isResolved) {
    return { name: NAME, verdict: "pass", why: `${why}; reported by both, and resolved` };
  }
  if (audit === null) {
    return { name: NAME, verdict: "unknown", why: `${why}; the disks were not compared` };
  }
  const isShown = splitBrain.sides.every(({ blocks }) => (blocks ?? 0) > 0);
  if (!isShown) {
    return { name: NAME, verdict: "fail", why: `${why}; the disks do not show both sides` };
  }
  return { name: NAME, verdict: "pass", why: `${why}; reported by both` };
}

function describe({ fromMs, sides, bothBlocks }: SplitBrain): string {
  const names = sides.map(({ host }) => host).join(" and ");
  const said = sides.map(({ host, acknowledged, readBack, blocks }) => {
    const changed = blocks === null ? "" : ` and changed ${blocks} blocks`;
    return `${host} alone holds ${acknowledged} acknowledged writes (${readBack} read back there)${changed}`;
  });
  const both = bothBlocks === null ? "" : `, ${bothBlocks} blocks on both`;
  return `split brain of ${names} from ${fromMs.toFixed(1)} ms: ${said.join(", ")}${both}`;
}

/** Writes of this side alone that were still there when they were read back on it. */
function countKept({ operations, acknowledged }: SplitSide): number {
  const own = new Set(acknowledged.map(({ op }) => op));
  return judgeWrites(operations).filter(
    ({ operation, judgement }) => judgement.kind === "kept" && own.has(operation.op),
  ).length;
}

function blocksOf(host: string, audit: SplitAudit | null): number | null {
  if (audit === null) return null;
  const [left, right] = audit.hosts;
  if (host === left) return audit.changed.left;
  return host === right ? audit.changed.right : null;
}

/** What the host should have said once it met the other one, and did not. */
function missingReport(host: string, events: readonly RunEvent[], split: Split): readonly string[] {
  const own = events.filter(({ source, at }) => source === `host ${host}` && at >= split.from);
  const hasState = own.some(({ what, derived }) => what === "state" && derived === NAME);
  const hasAlert = own.some(({ what, code }) => what === "alert" && code === NAME);
  return [
    ...(hasState ? [] : [`state ${NAME} by ${host}`]),
    ...(hasAlert ? [] : [`alert ${NAME} by ${host}`]),
  ];
}
