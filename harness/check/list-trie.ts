/** All lists that were read, as one tree of their elements: lists that grow by appending share their beginnings. */
import type { Micros } from "../record/types.ts";

export interface ListElement {
  readonly id: number;
  /** End of the first read that returned it. */
  readonly firstSeen: Micros;
}

export interface ListTrie {
  /** Node of this list, made where it is missing. Lists come in the order of their reads' ends. */
  add(list: readonly string[], endedAt: Micros): number;
  /** Undefined: in no list. */
  element(text: string): ListElement | undefined;
  /** In the order of their ids. */
  elements(): readonly string[];
  /** Id of the node's last element. */
  elementAt(node: number): number;
  /** Node of the list of the first element alone; the node itself for the empty list, and for what is none. */
  rootOf(node: number): number;
  /** Node of the list with this element behind it; −1: nobody read one that begins so. */
  child(node: number, element: number): number;
}

const NONE = -1;

/** The empty list is node 0. */
export function createListTrie(): ListTrie {
  const elements = new Map<string, ListElement>();
  const texts: string[] = [""];
  const ids: number[] = [NONE];
  const firstChild: number[] = [NONE];
  const sibling: number[] = [NONE];
  const roots: number[] = [0];

  function addChild(node: number, text: string, endedAt: Micros): number {
    let element = elements.get(text);
    if (element === undefined) {
      element = { id: elements.size, firstSeen: endedAt };
      elements.set(text, element);
    }
    const fresh = texts.length;
    texts.push(text);
    ids.push(element.id);
    roots.push(node === 0 ? fresh : (roots[node] ?? 0));
    firstChild.push(NONE);
    sibling.push(firstChild[node] ?? NONE);
    firstChild[node] = fresh;
    return fresh;
  }

  return {
    add(list, endedAt) {
      let node = 0;
      for (const text of list) {
        // Siblings are few: comparing texts is cheaper than hashing them.
        let child = firstChild[node] ?? NONE;
        while (child !== NONE && texts[child] !== text) child = sibling[child] ?? NONE;
        node = child === NONE ? addChild(node, text, endedAt) : child;
      }
      return node;
    },
    element: (text) => elements.get(text),
    elements: () => [...elements.keys()],
    elementAt: (node) => ids[node] ?? NONE,
    rootOf: (node) => roots[node] ?? node,
    child(node, element) {
      if (node < 0) return NONE;
      let child = firstChild[node] ?? NONE;
      while (child !== NONE && ids[child] !== element) child = sibling[child] ?? NONE;
      return child;
    },
  };
}
