/** One direction of one connection: first in, first out, whatever the delays. */
import type { Micros } from "../record/types.ts";
import type { SimClock } from "./clock.ts";
import type { Draws } from "./draws.ts";

/** A frame under way. Opened where it arrives: null when its bytes are no frame. */
export type Parcel<Frame> = () => Frame | null;

export type Item<Frame> =
  /** The dialler's greeting, and its answer: an end is up when it got the other's. */
  | { readonly kind: "greeting" }
  | { readonly kind: "frame"; readonly parcel: Parcel<Frame> }
  | { readonly kind: "close" };

/** What a cut does to a lane. */
export type Flow = "pass" | "drop" | "hold";

export interface Lane<Frame> {
  send(item: Item<Frame>): void;
  /** Takes effect somewhere in the middle: what is under way may have passed that place or not, the older before the younger. */
  setFlow(flow: Flow): void;
  /** The sender died: of what is under way a drawn number of the youngest is lost; the close comes after the rest. */
  cutShort(closeAfter: Micros): void;
  /** The receiver is gone: nothing arrives any more. */
  clear(): void;
}

export interface LaneOptions<Frame> {
  readonly clock: SimClock;
  readonly draws: Draws;
  /** Delay of the next item. */
  readonly delay: () => Micros;
  readonly arrive: (item: Item<Frame>) => void;
  /** An item was dropped or held. */
  readonly stopped: () => void;
}

interface Queued<Frame> {
  readonly item: Item<Frame>;
  readonly at: Micros;
}

export function createLane<Frame>(options: LaneOptions<Frame>): Lane<Frame> {
  const { clock, draws, delay, arrive, stopped } = options;
  let queue: Queued<Frame>[] = [];
  let held: Item<Frame>[] = [];
  let flow: Flow = "pass";
  let lastAt: Micros = 0;

  function put(item: Item<Frame>, after: Micros): void {
    lastAt = Math.max(lastAt, clock.now() + after);
    queue.push({ item, at: lastAt });
    clock.at(lastAt, arriveNext);
  }

  function arriveNext(): void {
    // Its own item may have been taken out; then the head is not due yet.
    const head = queue[0];
    if (head === undefined || head.at > clock.now()) return;
    queue.shift();
    arrive(head.item);
  }

  /** Keeps the oldest, a drawn number of them. */
  function takeYoungest(): readonly Item<Frame>[] {
    const kept = queue.length === 0 ? 0 : draws.below(queue.length + 1);
    const taken = queue.slice(kept).map(({ item }) => item);
    queue = queue.slice(0, kept);
    return taken;
  }

  function stop(items: readonly Item<Frame>[]): void {
    for (const item of items) {
      stopped();
      if (flow === "hold") held.push(item);
    }
  }

  return {
    send(item) {
      if (flow === "pass") put(item, delay());
      else stop([item]);
    },
    setFlow(next) {
      if (next === flow) return;
      const wasPassing = flow === "pass";
      flow = next;
      if (next === "pass") {
        const released = held;
        held = [];
        for (const item of released) put(item, delay());
        return;
      }
      if (next === "drop") held = [];
      if (wasPassing) stop(takeYoungest());
    },
    cutShort(closeAfter) {
      if (flow !== "pass") {
        stop([{ kind: "close" }]);
        return;
      }
      takeYoungest();
      put({ kind: "close" }, closeAfter);
    },
    clear() {
      queue = [];
      held = [];
    },
  };
}
