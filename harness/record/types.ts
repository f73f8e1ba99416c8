/**
 * What a run leaves behind (docs/record.md). All times are microseconds on the run's own clock, which starts at 0 when the bed begins to come up:
 * the machine's monotonic clock in `local`, the virtual clock in `sim`.
 */

export const RECORD_SCHEMA = 1;

/** Unit: microseconds since the run's start. Integer. */
export type Micros = number;

export type OperationName = "read" | "write" | "cas" | "append" | "list" | "delete" | "ping";

/** First line of `history.ndjson`. */
export interface HistoryHeader {
  readonly type: "header";
  readonly schema: number;
  readonly scenario: string;
  readonly seed: number;
}

/**
 * One line of a history. `ok`, `fail` (certainly did not happen) and `info` (may have happened, may still happen) end the `invoke` with the same `op`.
 * A `process` has one operation under way; after an `info` it is not used again.
 */
export type HistoryEvent = {
  readonly at: Micros;
  readonly process: number;
  /** Number of the operation, unique in the history. */
  readonly op: number;
} & (
  | {
      readonly type: "invoke";
      readonly f: OperationName;
      readonly key: string;
      /** Value written or appended; null for reads. */
      readonly value: string | null;
      /** Of a `cas` alone: the value that it replaces; null: the key must be missing. */
      readonly expected?: string | null;
      /** `probe`: on the probe's fixed timetable; `load`: closed loop; `readback`: the workload's own or the final reads. */
      readonly role: "probe" | "load" | "readback";
      /** Switch whose address of the VM the client used: `s1`. Absent where there is only one. */
      readonly site?: string;
    }
  /** `value`: what a read returned (null: no such key), the elements of a list, else null. */
  | { readonly type: "ok"; readonly value: string | null | readonly string[] }
  | { readonly type: "fail"; readonly error: string }
  | { readonly type: "info"; readonly error: string }
);

/** Marks of the workload's phases: also lines of the history. */
export interface HistoryPhase {
  readonly type: "phase";
  readonly at: Micros;
  readonly phase: "warm-up" | "calm" | "fault" | "final-reads" | "end";
}

/** Worst gap of the client process's event loop, reported every 100 ms at most. */
export interface HistoryLag {
  readonly type: "lag";
  readonly at: Micros;
  /** Unit: microseconds. */
  readonly lagUs: number;
}

export type HistoryLine = HistoryHeader | HistoryEvent | HistoryPhase | HistoryLag;

/** One line of `events.ndjson`: something a process or the harness reports. Further fields depend on `what`. */
export interface RunEvent {
  readonly at: Micros;
  /** `host a`, `quorum q1`, `switch s1`, `harness`, `invariant`. */
  readonly source: string;
  readonly what: string;
  readonly [field: string]: unknown;
}

export type Verdict = "pass" | "fail" | "unknown" | "broken";

export interface CheckResult {
  readonly name: string;
  readonly verdict: Exclude<Verdict, "broken">;
  /** One sentence: what was looked at and found, with n. */
  readonly why: string;
}

export interface Stages {
  readonly detectMs: number | null;
  readonly arbitrateMs: number | null;
  readonly startMs: number | null;
  readonly serveMs: number | null;
}

export interface Recovery {
  readonly fault: string;
  readonly target: string;
  /** Whose probe saw it: the site's switch. Absent where there is one probe. */
  readonly site?: string;
  /** Null: unknown (no durable ack after the fault, or resolution above 25 ms). */
  readonly interruptionMs: number | null;
  /** The same gap even where the resolution makes it unknown: percentiles then count `measuredMs` + `resolutionMs`. Null: no durable ack after the fault. */
  readonly measuredMs: number | null;
  readonly resolutionMs: number | null;
  readonly stages: Stages;
  /** Null: not duplex again (left dead by the plan, or not reached). */
  readonly redundantMs: number | null;
  /** Other gaps of durable acks above 5 × the longest gap of the calm phase. */
  readonly otherGaps: readonly { readonly atMs: number; readonly gapMs: number }[];
}

export interface Divergence {
  readonly knownBlocks: number;
  readonly silentBlocks: number;
  readonly way: "none" | "one" | "two";
}

/** Two hosts went on alone at once: since when, and what only one of them has. */
export interface SplitBrain {
  /** When the first of both went on alone. */
  readonly fromMs: number;
  /** One side was given up, or made whole again, before the disks were compared. */
  readonly isResolved: boolean;
  readonly sides: readonly {
    readonly host: string;
    /** Writes acknowledged by this side alone. */
    readonly acknowledged: number;
    /** Of these, still there when they were read back on this side. */
    readonly readBack: number;
    /** Blocks that this side changed. Null: not counted. */
    readonly blocks: number | null;
  }[];
  /** Blocks that both sides changed. Null: not counted. */
  readonly bothBlocks: number | null;
}

/** `verdict.json`, and what `run --json` prints. */
export interface VerdictDocument {
  readonly schema: number;
  readonly verdict: Verdict;
  readonly scenario: string;
  readonly seed: number;
  readonly bed: string;
  readonly level: number;
  /** Which proxy ran: `toxiproxy 2.12.0`, `none (sim)`. */
  readonly proxy: string;
  readonly commit: string;
  readonly checks: readonly CheckResult[];
  readonly recovery: readonly Recovery[];
  readonly operations: { readonly ok: number; readonly fail: number; readonly info: number };
  readonly lost: { readonly acknowledged: number; readonly oldestMs: number | null };
  readonly divergence: Divergence;
  /** Of a run whose checks ask for it alone. Null: there was none. */
  readonly splitBrain?: SplitBrain | null;
  /** Share of probe slots served between fault instant and end, 0…1; null without a probe. */
  readonly availability: number | null;
  readonly replay: string;
  /** Set when the verdict is `broken`: code, message and hint of the rig's failure. */
  readonly broken: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
  } | null;
}
