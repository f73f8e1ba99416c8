/**
 * Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002): finds a part of a list of which no single item
 * can be left out any more, in few tries where a few items matter.
 */

/**
 * @param items that fail as they are: this is not tried again
 * @param isFailing asked of a part, in the items' order; false also when no more tries are to be made
 * @returns the part; it has at least one item, unless there were none
 */
export async function ddmin<Item>(
  items: readonly Item[],
  isFailing: (part: readonly Item[]) => Promise<boolean>,
): Promise<readonly Item[]> {
  let left = items;
  let count = 2;
  while (left.length >= 2) {
    const parts = divide(left, count);
    const found = await firstFailing(left, parts, isFailing);
    if (found !== null) {
      left = found.items;
      count = found.isPart ? 2 : Math.max(2, count - 1);
    } else if (count < left.length) {
      count = Math.min(left.length, count * 2);
    } else {
      break;
    }
  }
  return left;
}

/** First a part alone, then everything but one of them. */
async function firstFailing<Item>(
  items: readonly Item[],
  parts: readonly (readonly Item[])[],
  isFailing: (part: readonly Item[]) => Promise<boolean>,
): Promise<{ readonly items: readonly Item[]; readonly isPart: boolean } | null> {
  for (const part of parts) {
    if (await isFailing(part)) return { items: part, isPart: true };
  }
  // Of two halves each is what the other leaves.
  if (parts.length === 2) return null;
  for (const part of parts) {
    const rest = items.filter((item) => !part.includes(item));
    if (await isFailing(rest)) return { items: rest, isPart: false };
  }
  return null;
}

/** As even as it goes, none empty: there are at most as many parts as items. */
function divide<Item>(items: readonly Item[], count: number): readonly (readonly Item[])[] {
  return Array.from({ length: count }, (_, part) => {
    const [from, to] = [part, part + 1].map((edge) => Math.floor((edge * items.length) / count));
    return items.slice(from, to);
  });
}
