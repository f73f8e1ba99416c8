/**
 * The control channel: a WebSocket server in every process of ours, text frames of JSON, one message each. The harness attaches to it
 * directly, so that no fault cuts the observer off. On attaching it receives every event since the process's start, then new ones.
 */

import type { OperatorCommand } from "../core/host/contract.ts";

/** A process's report. `atUs`: the machine's monotonic clock (process.hrtime), microseconds; `seq` counts from 1. */
export interface ControlEvent {
  readonly kind: "event";
  readonly seq: number;
  readonly atUs: number;
  readonly what: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export type ControlRequest =
  /** Answered by `done` after everything of this process in flight is on its disk and no new work is taken in: for the audit. */
  | { readonly kind: "quiesce"; readonly id: number }
  /** The way back: new work is taken in again. */
  | { readonly kind: "release"; readonly id: number }
  /** Hosts alone: answered by `done` when the host has it; what comes of it is an event `operator`. */
  | { readonly kind: "operator"; readonly id: number; readonly command: OperatorCommand }
  /** Ask for a `done` with `fields` describing the process (right, copy, gen, derived state, positions, memory use, event-loop lag). */
  | { readonly kind: "status"; readonly id: number }
  /** End in good order: answered by `done`, then exit status 0. */
  | { readonly kind: "stop"; readonly id: number };

export interface ControlDone {
  readonly kind: "done";
  readonly id: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

export type ControlMessage = ControlEvent | ControlDone;

/** Exit statuses of our processes. Any other status, or a signal nobody sent, is unexplained. */
export const EXIT = {
  asked: 0,
  invariant: 10,
  diskFailed: 11,
  badFile: 12,
  addressTaken: 13,
  /** The process that started this one is gone (the guard pipe closed). */
  orphaned: 14,
  uncaught: 15,
} as const;

export type ExitName = keyof typeof EXIT;
