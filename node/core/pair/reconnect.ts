/**
 * The reconnect table: what two hosts do about each other when a session opens. A pure function of the two views, so both compute the
 * same. The first row that applies counts.
 */
import { type Generation, type HostId, sameBoot, sameGeneration } from "../identity.ts";
import { countExtents, differencesOf } from "./equality.ts";
import type { ExtentList, HelloView } from "./frames.ts";
import { hasLeft, isOldImage, placeInPast } from "./old-image.ts";
import type { Lineage } from "./page.ts";

export type Row =
  | "D1"
  | "D2"
  | "D3"
  | "D4"
  | "D5"
  | "D6"
  | "D7"
  | "D8"
  | "D9"
  | "D10"
  | "D11"
  | "D12"
  | "D13"
  | "D14"
  | "D15"
  | "D16"
  | "D17"
  | "dead-disk";

export interface Refusal {
  readonly kind: "refuse";
  readonly row: Row;
  /** Of the alert. */
  readonly code: string;
  readonly why: string;
  /** Hosts that write right `none`, and what their copy is then: `behind` waits for an operator, `inconsistent` may become a target by itself. */
  readonly quarantine: readonly HostId[];
  readonly keep: "behind" | "inconsistent";
  /** Host that goes on as if its peer were lost; null: nobody may. */
  readonly survivor: HostId | null;
}

export interface AtPar {
  readonly kind: "par";
  readonly row: "D11" | "D12" | "D13" | "D14";
  readonly isRearmDue: boolean;
  /** Copies differ, and this host's is to stay: it goes alone, the other becomes a target. Null: nothing to do. */
  readonly equalise: HostId | null;
  /** That host may not go alone, and still owes the other writes: what differs may be just these. Once they are durable the hosts meet anew. */
  readonly isProvisional: boolean;
  /** Extents that differ although no intent log names them. */
  readonly silent: readonly ExtentList[];
}

export type Verdict =
  | Refusal
  /** First protection: `source` makes generation 1. */
  | { readonly kind: "protect"; readonly row: "D3"; readonly source: HostId }
  /** The host that is not `source` stops its VM and becomes the target. */
  | {
      readonly kind: "resync";
      readonly row: "D2" | "D7" | "D8" | "D15" | "D16";
      readonly source: HostId;
      readonly isFull: boolean;
    }
  /** The VM of `runner` goes on over the copy of `disk`. */
  | {
      readonly kind: "redirect";
      readonly row: "dead-disk";
      readonly disk: HostId;
      readonly runner: HostId;
    }
  | { readonly kind: "split-brain"; readonly row: "D5" | "D6" }
  /** An operator chose. */
  | {
      readonly kind: "discard";
      readonly row: "D5";
      readonly keeper: HostId;
      readonly loser: HostId;
    }
  | AtPar;

/** Commutative: `reconnect(x, y)` and `reconnect(y, x)` are the same verdict. */
export function reconnect(one: HelloView, two: HelloView): Verdict {
  const [low, high] = one.host < two.host ? [one, two] : [two, one];
  return (
    foreign(low, high) ??
    blank(low, high) ??
    remembered(low, high) ??
    soleOfThePast(low, high) ??
    splitBrain(low, high) ??
    deadDisk(low, high) ??
    besideSole(low, high) ??
    beside(low, high) ??
    atPar(low, high)
  );
}

function refusal(
  row: Row,
  code: string,
  why: string,
  more: Partial<Pick<Refusal, "quarantine" | "keep" | "survivor">> = {},
): Refusal {
  return {
    kind: "refuse",
    row,
    code,
    why,
    quarantine: [],
    keep: "inconsistent",
    survivor: null,
    ...more,
  };
}

/** It may go on without its peer, once its session is closed. */
function survivorOf(view: HelloView): HostId | null {
  const { right, copy } = view.page;
  const mayGo = right === "open" || right === "elected";
  return mayGo && copy === "in-sync" && view.diskGood ? view.host : null;
}

function foreign(low: HelloView, high: HelloView): Verdict | null {
  const same =
    low.page.cluster === high.page.cluster &&
    low.page.vm === high.page.vm &&
    low.page.volumes.length === high.page.volumes.length &&
    low.page.volumes.every((volume, index) => {
      const other = high.page.volumes[index];
      return other !== undefined && other.id === volume.id && other.blocks === volume.blocks;
    });
  return same ? null : refusal("D1", "foreign", "cluster, VM or volumes differ");
}

function blank(low: HelloView, high: HelloView): Verdict | null {
  const blanks = [low, high].filter((view) => view.page.copy === "blank");
  const [first] = blanks;
  if (first === undefined) return null;
  if (blanks.length === 1) return besideBlank(first === low ? high : low, first);
  const source = [low, high].find((view) => view.protect);
  return source === undefined
    ? refusal("D3", "both-blank", "both copies are blank and neither was told to protect")
    : { kind: "protect", row: "D3", source: source.host };
}

function besideBlank(other: HelloView, empty: HelloView): Verdict {
  if (other.page.right === "sole" && other.page.hold?.kind !== "discard") {
    return { kind: "resync", row: "D2", source: other.host, isFull: true };
  }
  const survivor = survivorOf(other);
  const why = `the disk of ${empty.host} is blank`;
  return refusal("D2", "blank-peer", why, { survivor });
}

/** D4: a disk whose starts run behind what the other side remembers of it is an old image or a clone. */
function remembered(low: HelloView, high: HelloView): Verdict | null {
  const old = [[low, high] as const, [high, low] as const].flatMap(([watcher, seen]) =>
    isOldImage(watcher.page, seen.page) ? [{ watcher, seen }] : [],
  );
  const [first] = old;
  if (first === undefined) return null;
  const quarantine = old.map(({ seen }) => seen.host);
  const why = `the disk of ${quarantine.join(" and ")} is an old image or a clone`;
  const survivor = old.length === 1 ? survivorOf(first.watcher) : null;
  return refusal("D4", "old-image", why, { quarantine, survivor });
}

/** D9 beside any right: it was alone once, and its peer has left that behind with it. */
function soleOfThePast(low: HelloView, high: HelloView): Verdict | null {
  for (const [past, other] of [
    [low, high],
    [high, low],
  ] as const) {
    if (past.page.right !== "sole" || !hasLeft(other.page, past.page)) continue;
    return refusal("D9", "old-image", `${past.host} came back from an old image`, {
      quarantine: [past.host],
      keep: "behind",
      survivor: survivorOf(other),
    });
  }
  return null;
}

function splitBrain(low: HelloView, high: HelloView): Verdict | null {
  const views = [low, high];
  const losers = views.filter((view) => view.page.hold?.kind === "discard");
  const [loser] = losers;
  const areSole = views.every((view) => view.page.right === "sole");
  if (loser !== undefined && losers.length === 1 && areSole) {
    const keeper = loser === low ? high : low;
    return { kind: "discard", row: "D5", keeper: keeper.host, loser: loser.host };
  }
  const isHeld = views.some((view) => view.page.hold?.kind === "split-brain");
  if (areSole) return { kind: "split-brain", row: isHeld || losers.length > 0 ? "D5" : "D6" };
  if (!isHeld && loser === undefined) return null;
  return refusal(
    "D5",
    "held",
    "an operator's word is due, and the other copy is not alone any more",
  );
}

/** A VM in memory over a disk that failed (P23: what that disk's page says counts for nothing). */
function deadDisk(low: HelloView, high: HelloView): Verdict | null {
  const dead = [low, high].filter((view) => !view.diskGood);
  const [broken] = dead;
  if (broken === undefined) return null;
  if (dead.length === 2) return refusal("dead-disk", "disk-dead", "both disks are dead");
  const other = broken === low ? high : low;
  const why = `the disk of ${broken.host} is dead`;
  if (other.page.right !== "sole") {
    return refusal("dead-disk", "disk-dead", why, { survivor: survivorOf(other) });
  }
  const isSameMemory =
    broken.running && !other.running && sameBoot(other.page.vmBoot, broken.vmBoot);
  return isSameMemory
    ? { kind: "redirect", row: "dead-disk", disk: other.host, runner: broken.host }
    : refusal("dead-disk", "disk-dead", `${why}, and ${other.host} has booted since`);
}

function besideSole(low: HelloView, high: HelloView): Verdict | null {
  const sole = [low, high].find((view) => view.page.right === "sole");
  if (sole === undefined) return null;
  const other = sole === low ? high : low;
  const source = sole.host;
  if (other.page.right === "none") {
    return other.page.copy === "behind"
      ? refusal("D16", "old-image", `${other.host} is in quarantine until an operator decides`)
      : { kind: "resync", row: "D16", source, isFull: !isDeltaValid(sole, other) };
  }
  const isHalfPaired =
    other.page.right === "ceded" &&
    other.page.copy === "in-sync" &&
    sameGeneration(other.page.parent, sole.page.gen);
  const mayFollow =
    other.page.right === "ceded" ||
    other.page.right === "open" ||
    (other.page.right === "elected" && (isForced(sole.page.gen) || hasLeft(sole.page, other.page)));
  if (mayFollow && isDeltaValid(sole, other)) {
    return { kind: "resync", row: isHalfPaired ? "D15" : "D7", source, isFull: false };
  }
  const isDeeper = placeInPast(sole.page, other.page.gen) !== null;
  if (mayFollow && (isDeeper || other.page.copy === "inconsistent")) {
    return { kind: "resync", row: "D8", source, isFull: true };
  }
  if (placeInPast(other.page, sole.page.gen) !== null) {
    const why = `${source} came back from an old image`;
    const survivor = survivorOf(other);
    return refusal("D9", "old-image", why, { quarantine: [source], keep: "behind", survivor });
  }
  return refusal("D10", "unrelated", "the copies have nothing in common");
}

/** A copy was booted past an elected peer (5.3), which was not alone, and completed nothing without this copy. */
function isForced(gen: Generation | null): boolean {
  return gen?.kind === "forced" || gen?.kind === "damaged";
}

/** P18: the blocks that differ lie in the sole one's dirty map and both intent logs. */
function isDeltaValid(sole: HelloView, other: HelloView): boolean {
  const { copy, gen, parent, resyncFrom } = other.page;
  if (sameGeneration(resyncFrom, sole.page.gen)) return true;
  if (copy === "inconsistent") return false;
  const known = [...lineage(sole.page.base), sole.page.gen];
  return [gen, parent].some((own) => known.some((candidate) => sameGeneration(candidate, own)));
}

function lineage(base: Lineage | null): readonly (Generation | null)[] {
  return base === null ? [] : [base.gen, base.parent];
}

/** A copy that is worth nothing beside one that is not `sole`. */
function beside(low: HelloView, high: HelloView): Verdict | null {
  const lost = [low, high].filter((view) => view.page.right === "none");
  const [first] = lost;
  if (first === undefined) return null;
  const why = `the copy of ${first.host} is in quarantine`;
  const survivor = lost.length === 1 ? survivorOf(first === low ? high : low) : null;
  return refusal("D16", "quarantine", why, { survivor });
}

function atPar(low: HelloView, high: HelloView): Verdict {
  const views = [low, high];
  if (views.some((view) => view.page.copy !== "in-sync")) return leftBehind(low, high);
  const isRearmDue = low.mustRearm || high.mustRearm;
  const of = (right: string): HelloView | undefined =>
    views.find((view) => view.page.right === right);
  const elected = of("elected");
  const ceded = of("ceded");
  const open = of("open");
  if (elected !== undefined && sameGeneration(elected.page.gen, ceded?.page.gen ?? null)) {
    return compared(low, high, { row: "D11", isRearmDue: false, first: elected });
  }
  if (
    low.page.right === "open" &&
    high.page.right === "open" &&
    sameGeneration(low.page.gen, high.page.gen)
  ) {
    return compared(low, high, { row: "D12", isRearmDue, first: null });
  }
  if (open !== undefined && ceded !== undefined) {
    if (sameGeneration(ceded.page.parent, open.page.gen))
      return compared(low, high, { row: "D13", isRearmDue: false, first: open });
    if (sameGeneration(open.page.parent, ceded.page.gen))
      return compared(low, high, { row: "D14", isRearmDue, first: null });
  }
  return leftBehind(low, high);
}

/**
 * Both hosts made a later joint generation durable, so a copy whose own lies in the other's past is an old image, even one that was taken since its last
 * start (which D4 cannot see).
 */
function leftBehind(low: HelloView, high: HelloView): Verdict {
  for (const [old, other] of [
    [low, high],
    [high, low],
  ] as const) {
    const isPast = placeInPast(other.page, old.page.gen) !== null;
    if (!isPast || other.page.copy !== "in-sync" || other.page.gen?.kind !== "joint") continue;
    const why = `${old.host} came back from a generation that both had left`;
    const survivor = survivorOf(other);
    return refusal("D4", "old-image", why, { quarantine: [old.host], survivor });
  }
  return impossible(low, high);
}

/** 4.3 and P18. `first`: the only one that may go alone. */
function compared(
  low: HelloView,
  high: HelloView,
  by: {
    readonly row: AtPar["row"];
    readonly isRearmDue: boolean;
    readonly first: HelloView | null;
  },
): Verdict {
  const { row, isRearmDue } = by;
  const { inside, outside } = differencesOf(low, high);
  const par = { kind: "par", row, isRearmDue, silent: outside, isProvisional: false } as const;
  const runner = [low, high].find((view) => view.running);
  if (runner !== undefined) {
    const standby = runner === low ? high : low;
    const isUntold = inside > 0 && hasRestarted(runner, standby);
    if (outside.length === 0 && !isUntold) return { ...par, equalise: null };
    const isProvisional = outside.length === 0 && runner.page.right === "ceded" && runner.owes;
    return { ...par, equalise: runner.host, isProvisional };
  }
  if (inside === 0 && outside.length === 0) return { ...par, equalise: null };
  const source = by.first ?? newer(low, high);
  if (source !== null) return { ...par, equalise: source.host };
  if (outside.length > 0) {
    const count = countExtents(outside);
    return refusal(
      row,
      "silent-divergence",
      `${count} extents differ, nobody can say whose are right`,
    );
  }
  // Either copy will do: what differs was never acknowledged.
  return { ...par, equalise: low.protect === high.protect || low.protect ? low.host : high.host };
}

/**
 * What the runner sends again is what the standby never answered for. After a restart nobody knows whether its disk still holds what it did answer
 * for: an image put back since its last start lacks writes that lie in extents which are still warm.
 */
function hasRestarted(runner: HelloView, standby: HelloView): boolean {
  const memory = runner.page.peer;
  return memory !== null && memory.startId !== standby.page.startId;
}

/** The copy of the newer boot, or with more of its writes; null: they cannot be told apart. */
function newer(low: HelloView, high: HelloView): HelloView | null {
  const [lowN, highN] = [low.page.vmBoot?.n ?? 0, high.page.vmBoot?.n ?? 0];
  if (lowN !== highN) return lowN > highN ? low : high;
  if (low.applied === high.applied) return null;
  return low.applied > high.applied ? low : high;
}

function impossible(low: HelloView, high: HelloView): Verdict {
  const say = (view: HelloView): string =>
    `${view.host} ${view.page.right}, ${view.page.copy}, ${view.page.gen?.id.slice(0, 8) ?? "no generation"}`;
  return refusal("D17", "impossible", `${say(low)} beside ${say(high)}`);
}
