/**
 * The reconnect table: what two hosts do about each other when a session opens. A pure function of the two views, so both compute the
 * same. The first row that applies counts.
 */
import { type Generation, type HostId, sameGeneration } from "../identity.ts";
import type { HelloView } from "./frames.ts";
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
  | "4.3";

export type Verdict =
  /** Nothing is exchanged; both keep what they have. `code` is the alert. */
  | {
      readonly kind: "refuse";
      readonly row: Row;
      readonly code: string;
      readonly why: string;
      readonly quarantine?: HostId;
    }
  /** First protection: `source` makes generation 1. */
  | { readonly kind: "protect"; readonly row: "D3"; readonly source: HostId }
  /** The host that is not `source` stops its VM and is behind. */
  | { readonly kind: "step-down"; readonly row: "D7"; readonly source: HostId }
  | {
      readonly kind: "par";
      readonly row: "D11" | "D12" | "D13" | "D14";
      readonly isRearmDue: boolean;
    };

/** Commutative: `reconnect(x, y)` and `reconnect(y, x)` are the same verdict. */
export function reconnect(one: HelloView, two: HelloView): Verdict {
  const [low, high] = one.host < two.host ? [one, two] : [two, one];
  return (
    foreign(low, high) ??
    blank(low, high) ??
    remembered(low, high) ??
    held(low, high) ??
    besideSole(low, high) ??
    atPar(low, high)
  );
}

function notYet(row: Row, why: string): Verdict & { kind: "refuse" } {
  return { kind: "refuse", row, code: "not-yet", why };
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
  return same
    ? null
    : { kind: "refuse", row: "D1", code: "foreign", why: "cluster, VM or volumes differ" };
}

function blank(low: HelloView, high: HelloView): Verdict | null {
  const blanks = [low, high].filter((view) => view.page.copy === "blank");
  if (blanks.length === 1) return notYet("D2", "one copy is blank");
  if (blanks.length === 0) return null;
  const source = [low, high].find((view) => view.protect);
  return source === undefined
    ? {
        kind: "refuse",
        row: "D3",
        code: "both-blank",
        why: "both copies are blank and neither was told to protect",
      }
    : { kind: "protect", row: "D3", source: source.host };
}

/** D4: a disk whose starts run behind what the other side remembers of it is an old image or a clone. */
function remembered(low: HelloView, high: HelloView): Verdict | null {
  for (const [watcher, seen] of [
    [low, high],
    [high, low],
  ] as const) {
    const memory = watcher.page.peer;
    if (memory === null) continue;
    const { starts, startId, lastStartId } = seen.page;
    const isOlder = starts <= memory.starts && startId !== memory.startId;
    const isClone = starts === memory.starts + 1 && lastStartId !== memory.startId;
    if (isOlder || isClone)
      return {
        ...notYet("D4", `the disk of ${seen.host} is an old image or a clone`),
        quarantine: seen.host,
      };
  }
  return null;
}

function held(low: HelloView, high: HelloView): Verdict | null {
  const hold = [low, high].find(
    (view) => view.page.hold?.kind === "split-brain" || view.page.hold?.kind === "discard",
  );
  return hold === undefined
    ? null
    : notYet("D5", `${hold.host} holds ${hold.page.hold?.kind ?? ""}`);
}

function besideSole(low: HelloView, high: HelloView): Verdict | null {
  const soles = [low, high].filter((view) => view.page.right === "sole");
  if (soles.length === 2) return notYet("D6", "both went on alone");
  const [sole] = soles;
  if (sole === undefined) return null;
  const other = sole === low ? high : low;
  if (other.page.right === "none") return notYet("D16", `${other.host} is in quarantine`);
  if (
    other.page.right === "ceded" &&
    other.page.copy === "in-sync" &&
    sameGeneration(other.page.parent, sole.page.gen)
  ) {
    return notYet("D15", "half-done pairing");
  }
  const isBehind = other.page.right === "ceded" || other.page.right === "open";
  if (isBehind && isDeltaValid(sole, other))
    return { kind: "step-down", row: "D7", source: sole.host };
  const deeper = sole.page.history.some((past) => sameGeneration(past, other.page.gen));
  if (isBehind && deeper) return notYet("D8", "the other's generation lies deeper in the history");
  if (other.page.history.some((past) => sameGeneration(past, sole.page.gen))) {
    return notYet("D9", `${sole.host} came back from an old image`);
  }
  return notYet("D10", "the copies have nothing in common");
}

/** P18: the blocks that differ lie in the sole one's dirty map and both intent logs. */
function isDeltaValid(sole: HelloView, other: HelloView): boolean {
  const known = [...lineage(sole.page.base), sole.page.gen];
  return [other.page.gen, other.page.parent].some((gen) =>
    known.some((candidate) => sameGeneration(candidate, gen)),
  );
}

function lineage(base: Lineage | null): readonly (Generation | null)[] {
  return base === null ? [] : [base.gen, base.parent];
}

function atPar(low: HelloView, high: HelloView): Verdict {
  const views = [low, high];
  if (views.some((view) => view.page.right === "none"))
    return notYet("D16", "a copy is in quarantine");
  if (views.some((view) => view.page.copy !== "in-sync")) return impossible(low, high);
  const isRearmDue = low.mustRearm || high.mustRearm;
  const of = (right: string): HelloView | undefined =>
    views.find((view) => view.page.right === right);
  const elected = of("elected");
  const ceded = of("ceded");
  const open = of("open");
  if (
    elected !== undefined &&
    ceded !== undefined &&
    sameGeneration(elected.page.gen, ceded.page.gen)
  ) {
    return { kind: "par", row: "D11", isRearmDue: false };
  }
  if (
    low.page.right === "open" &&
    high.page.right === "open" &&
    sameGeneration(low.page.gen, high.page.gen)
  ) {
    return { kind: "par", row: "D12", isRearmDue };
  }
  if (open !== undefined && ceded !== undefined) {
    if (sameGeneration(ceded.page.parent, open.page.gen))
      return { kind: "par", row: "D13", isRearmDue: false };
    if (sameGeneration(open.page.parent, ceded.page.gen))
      return { kind: "par", row: "D14", isRearmDue };
  }
  return impossible(low, high);
}

function impossible(low: HelloView, high: HelloView): Verdict {
  const say = (view: HelloView): string =>
    `${view.host} ${view.page.right}, ${view.page.copy}, ${view.page.gen?.id.slice(0, 8) ?? "no generation"}`;
  return { kind: "refuse", row: "D17", code: "impossible", why: `${say(low)} beside ${say(high)}` };
}
