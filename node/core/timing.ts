import { invariant } from "./invariant.ts";
import type { Milliseconds } from "./units.ts";

/** The pair's constants (docs/ARCHITECTURE.md, "Time"). All spans in milliseconds on the reader's own monotonic clock. */
export interface Timing {
  /** Period of beats on every path. */
  readonly beat: Milliseconds;
  /** How long a confirmed beat lets the runner take in input, from the beat's sending. */
  readonly lease: Milliseconds;
  /** Bound of each clock's rate error; 0.01 is one percent. */
  readonly rateBound: number;
  /** How long a host that confirmed a beat neither boots nor takes in input. */
  readonly claimWait: Milliseconds;
  /** Silence on every path after which the peer is suspected. */
  readonly silence: Milliseconds;
  readonly tick: Milliseconds;
  /** A tick that comes later than this adds nothing to silence. */
  readonly lateTick: Milliseconds;
  /** A protocol step unanswered for so long closes the session. */
  readonly stepTimeout: Milliseconds;
  readonly quorumBeat: Milliseconds;
  /** A service not heard for so long is lost. */
  readonly quorumLost: Milliseconds;
  readonly claimRetry: Milliseconds;
  readonly diskStall: Milliseconds;
  readonly redial: Milliseconds;
  readonly rejoin: Milliseconds;
  readonly quorumBack: Milliseconds;
  /** An intent bit stays set so long after its last write, so that a warm extent costs one flush. */
  readonly intentWarm: Milliseconds;
}

/** Round trips that a preset is made for: p99 between the hosts, and to the quorum service. Unit: milliseconds. */
export interface Distance {
  readonly peer: Milliseconds;
  readonly quorum: Milliseconds;
}

/** Derives the table for a distance; 0 is one machine or a LAN. Source of the constants: docs/ARCHITECTURE.md, "Time". */
export function timingFor(distance: Distance): Timing {
  const r = distance.peer;
  const q = distance.quorum;
  const rateBound = 0.01;
  const lease = 180 + 2 * r;
  const claimWait = Math.ceil((lease * (1 + rateBound)) / (1 - rateBound));
  return checkTiming(
    {
      beat: Math.max(25, r / 2),
      lease,
      rateBound,
      claimWait,
      silence: claimWait + 16,
      tick: 10,
      lateTick: 50,
      stepTimeout: 2_000 + 10 * r,
      quorumBeat: Math.max(100, q / 2),
      quorumLost: 1_000 + 4 * q,
      claimRetry: Math.max(100, 2 * q),
      diskStall: 1_000,
      redial: Math.max(20, 2 * r + 10),
      rejoin: 1_000,
      quorumBack: 10_000,
      intentWarm: 1_000,
    },
    distance,
  );
}

/** @throws InvariantViolation naming the relation that does not hold */
export function checkTiming(t: Timing, distance: Distance): Timing {
  const r = distance.peer;
  invariant(4 * t.beat <= t.lease, "four beats fit into a lease");
  invariant(
    t.lease >= 3 * t.beat + r + 2 * t.lateTick,
    "a lease outlives three beats, a round trip and two late ticks",
  );
  invariant(
    t.claimWait >= (t.lease * (1 + t.rateBound)) / (1 - t.rateBound),
    "a promise outlives the lease it gave on any two legal clocks",
  );
  invariant(t.silence >= t.claimWait, "a suspected peer's lease has ended");
  invariant(2 * t.tick <= t.beat, "a beat is seen within its period");
  invariant(4 * t.lateTick <= t.silence, "late ticks do not make up a silence");
  invariant(t.silence < t.quorumLost, "the peer is judged before the service is");
  invariant(t.diskStall > t.silence, "a stalled disk is judged after a silent peer");
  invariant(
    t.stepTimeout > 4 * r + t.diskStall,
    "a step outlives four round trips and a stalled disk",
  );
  return t;
}
