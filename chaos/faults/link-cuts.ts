/**
 * Cuts of links, which may overlap: a link is as its newest cut says, and when that is healed, as the one before it said. So healing one fault
 * never mends what another one still holds.
 */
import type { Micros } from "../../harness/record/types.ts";
import type { CutKind, Direction, Rig } from "../../harness/rig/rig.ts";
import type { ActiveFault, Proof } from "./fault.ts";
import type { LinkTarget } from "./link-target.ts";

interface Cut {
  readonly kind: CutKind;
  readonly direction: Direction;
}

/** Cuts of each link of a run, the newest one last. */
const CUTS = new WeakMap<Rig, Map<string, Cut[]>>();

/** Cuts these links until healed. When it throws, none of them stays cut by it. */
export async function cutLinks(
  { name, links }: LinkTarget,
  kind: CutKind,
  rig: Rig,
): Promise<ActiveFault> {
  const before = new Map(links.map(({ id }) => [id, rig.stopped(id)]));
  const own = links.map(({ id, direction }) => ({ id, cut: { kind, direction } }));
  const heal = async (): Promise<void> => {
    for (const { id, cut } of own) stackOf(id, rig).delete(cut);
    const ids = own.map(({ id }) => id);
    await rig.mend(ids.filter((id) => stackOf(id, rig).top() === undefined));
    for (const id of ids) {
      const top = stackOf(id, rig).top();
      if (top !== undefined) await rig.cut([id], top.kind, top.direction);
    }
  };
  for (const { id, cut } of own) stackOf(id, rig).push(cut);
  try {
    const at = await cutEach(links, kind, rig);
    return { target: name, at, heal, proof: () => proofOf(before, rig) };
  } catch (error: unknown) {
    await heal();
    throw error;
  }
}

/** Run clock immediately before the first of them. */
async function cutEach(links: LinkTarget["links"], kind: CutKind, rig: Rig): Promise<Micros> {
  let first: Micros | null = null;
  for (const direction of ["both", "forward", "backward"] as const) {
    const ids = links.filter((link) => link.direction === direction).map(({ id }) => id);
    if (ids.length === 0) continue;
    const at = await rig.cut(ids, kind, direction);
    first ??= at;
  }
  return first ?? rig.now();
}

function stackOf(link: string, rig: Rig) {
  const cuts = CUTS.get(rig) ?? new Map<string, Cut[]>();
  CUTS.set(rig, cuts);
  const stack = cuts.get(link) ?? [];
  cuts.set(link, stack);
  return {
    top: () => stack.at(-1),
    push: (cut: Cut) => void stack.push(cut),
    delete(cut: Cut) {
      const index = stack.indexOf(cut);
      if (index >= 0) stack.splice(index, 1);
    },
  };
}

/** Each link must have stopped something: with one of them left, a partition is none. */
function proofOf(before: ReadonlyMap<string, number>, rig: Rig): Proof {
  const silent = [...before].filter(([link, count]) => rig.stopped(link) <= count);
  const looked = `${before.size} links cut`;
  if (silent.length > 0) {
    const names = silent.map(([link]) => link).join(", ");
    return { hasBitten: false, why: `${looked}, but nothing was stopped on ${names}` };
  }
  return { hasBitten: true, why: `${looked}, each stopped something` };
}
