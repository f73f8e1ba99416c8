import type { Micros } from "../record/types.ts";
import type { Operation } from "./operations.ts";

/** All states at once that nobody saw. */
export const UNSEEN = -1;
/** In place of a state that a step needs. */
export const ANY = -2;
/** In place of the state after a step that cannot come here. */
export const NOWHERE = -3;

/** One operation as the search sees it. */
export interface Step {
  readonly operation: Operation;
  readonly invokedAt: Micros;
  /** Infinity: may take effect at any time, or never. */
  readonly endedAt: Micros;
  /** Changes nothing. */
  readonly isRead: boolean;
  /** Leads to UNSEEN from every state. */
  readonly isMute: boolean;
  /** Leads to the same state from every state. */
  readonly isReset: boolean;
  /** State that it must find, or `ANY`. */
  readonly needs: number;
  /** What it leads to: a state, or the element that it appends. */
  readonly argument: number;
}

/** It certainly happened and found what it needs: an order without it is none. What only writes may be left over. */
export function isOwed(step: Step): boolean {
  return step.needs !== ANY && step.endedAt !== Number.POSITIVE_INFINITY;
}
