/** The audit as an event of the record: the disks of a run are gone afterwards, and a verdict must follow from its record alone. */
import type { CheckResult, Divergence, RunEvent } from "../record/types.ts";
import type { VolumeFigures } from "./block-compare.ts";
import type { DiskImage } from "./disk-image.ts";
import type { DivergenceFigures } from "./divergence.ts";
import { numberField, textField } from "./events.ts";
import type { Guarded } from "./verdict.ts";

/** What a verdict needs of an audit. */
export interface AuditFigures {
  readonly check: CheckResult;
  /** Null: the disks could not be compared. */
  readonly found: {
    readonly divergence: Divergence;
    readonly isSplit: boolean;
    readonly changed: VolumeFigures["changed"];
    /** Of the left and the right disk; null: not formatted. */
    readonly hosts: readonly [string | null, string | null];
  } | null;
}

/** Name of the event, whose source is the harness. */
export const AUDIT = "audit";

/** Fields of the event. */
export function auditFields({
  figures,
  check,
}: Guarded<DivergenceFigures>): Readonly<Record<string, unknown>> {
  const { name, verdict, why } = check;
  if (figures === null) return { name, verdict, why, way: null };
  const { divergence, isSplit, changed, left, right } = figures;
  return {
    name,
    verdict,
    why,
    ...divergence,
    isSplit,
    leftHost: hostOf(left),
    rightHost: hostOf(right),
    leftBlocks: changed.left,
    rightBlocks: changed.right,
    bothBlocks: changed.both,
  };
}

/** @throws HarnessError BAD_RECORD for an event without the fields it must have */
export function auditOf(event: RunEvent): AuditFigures {
  const [name, why] = [textField(event, "name"), textField(event, "why")];
  const verdict = wordOf(event["verdict"], ["pass", "fail", "unknown"]) ?? "unknown";
  const way = wordOf(event["way"], ["none", "one", "two"]);
  if (way === null) return { check: { name, verdict, why }, found: null };
  const count = (field: string): number => numberField(event, field);
  return {
    check: { name, verdict, why },
    found: {
      divergence: { knownBlocks: count("knownBlocks"), silentBlocks: count("silentBlocks"), way },
      isSplit: event["isSplit"] === true,
      changed: {
        left: count("leftBlocks"),
        right: count("rightBlocks"),
        both: count("bothBlocks"),
      },
      hosts: [nameIn(event["leftHost"]), nameIn(event["rightHost"])],
    },
  };
}

function hostOf(image: DiskImage): string | null {
  return image.kind === "formatted" ? image.host : null;
}

function nameIn(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function wordOf<Word extends string>(value: unknown, words: readonly Word[]): Word | null {
  return words.find((word) => word === value) ?? null;
}
