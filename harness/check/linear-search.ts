/**
 * Searches one order of a key's operations that respects real time and the model: Wing and Gong's search with Lowe's memory of
 * configurations, on a linked list of begins and ends, with stacks of its own instead of recursion.
 *
 * Only writes branch. A read that matches the state can be placed at once: it changes nothing, and no later place suits the rest better.
 * A *mute* write (nobody saw its value) can be placed right before the next write that forgets the state anyway, or at once where the
 * state is already unseen. The search ends when every step that is owed is placed: the writes left over fit in any order.
 */
import { Memory } from "./linear-memory.ts";
import type { Model } from "./linear-models.ts";
import { NOWHERE, type Step } from "./linear-step.ts";
import { Timeline } from "./linear-timeline.ts";

export type SearchResult =
  | { readonly kind: "linearizable" }
  /** `blocked`: the operation whose end no order got past, in the attempt that got furthest. */
  | { readonly kind: "violation"; readonly blocked: Step | null }
  | { readonly kind: "gave-up"; readonly why: "asked" | "memory" };

/** `mayGoOn` is asked at every new configuration. */
export function search(model: Model, mayGoOn: () => boolean): SearchResult {
  const timeline = new Timeline(model);
  if (timeline.owedLeft() === 0) return { kind: "linearizable" };
  const memory = new Memory();
  /** By depth: steps placed, the state then, and where in `choices` its candidates are. */
  const placed: number[] = [];
  const states: number[] = [];
  const tried: number[] = [];
  /** Candidates of all depths, the deepest last. */
  const choices: number[] = [];
  let furthest = -1;
  let blocked: Step | null = null;

  const enter = (state: number): "done" | "full" | "going" => {
    timeline.settle(state);
    if (timeline.owedLeft() === 0) return "done";
    if (timeline.placedCount() > furthest) {
      furthest = timeline.placedCount();
      blocked = timeline.firstToEnd();
    }
    const { base, used } = timeline;
    const visit = memory.visit(base, timeline.describe(state), used);
    if (visit === "full") return "full";
    if (visit === "known") return "going";
    placed.push(timeline.placedCount());
    states.push(state);
    tried.push(choices.length);
    timeline.addCandidates(choices);
    return "going";
  };

  if (enter(model.initial) === "done") return { kind: "linearizable" };
  for (let depth = placed.length - 1; depth >= 0; depth = placed.length - 1) {
    timeline.undo(placed[depth] ?? 0);
    const state = states[depth] ?? 0;
    if (choices.length === (tried[depth] ?? 0)) {
      placed.pop();
      states.pop();
      tried.pop();
      continue;
    }
    const index = choices.pop() ?? 0;
    const next = timeline.place(index, state);
    if (next === NOWHERE || model.isDeadEnd(state, next)) continue;
    if (!mayGoOn()) return { kind: "gave-up", why: "asked" };
    const entered = enter(next);
    if (entered === "done") return { kind: "linearizable" };
    if (entered === "full") return { kind: "gave-up", why: "memory" };
  }
  return { kind: "violation", blocked };
}
