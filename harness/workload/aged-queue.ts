/** First in, first out, with random access. */
export interface AgedQueue<Item> {
  size(): number;
  push(item: Item): void;
  /** Takes the oldest out; undefined when empty. */
  shift(): Item | undefined;
  /** `index` 0 is the oldest. */
  at(index: number): Item | undefined;
  /** Oldest first. A copy. */
  items(): readonly Item[];
}

/** Compacted when so many were taken out, so that a queue used for hours stays small. */
const COMPACT_FROM = 1_024;

export function createAgedQueue<Item>(): AgedQueue<Item> {
  let items: Item[] = [];
  let head = 0;
  return {
    size: () => items.length - head,
    push(item) {
      items.push(item);
    },
    shift() {
      if (head === items.length) return undefined;
      const item = items[head];
      head += 1;
      if (head >= COMPACT_FROM && head * 2 >= items.length) {
        items = items.slice(head);
        head = 0;
      }
      return item;
    },
    at: (index) => items[head + index],
    items: () => items.slice(head),
  };
}
