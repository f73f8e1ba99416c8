/** When a write of the runner is complete, and what becomes of writes that the peer never answered. */
import { commit, isOverPeer, mark } from "../host/context.ts";
import type { HostState } from "../host/state.ts";
import { addDirtyWrites, isAlone } from "./dirty.ts";

/**
 * Counts what is complete now: durable here (over the peer's copy: there; a dead disk completes nothing before its holder is alone), and answered by the peer if the peer must have it. What it must have is
 * `unacked`: everything at par, the mirrored writes of a resync, nothing when this host is alone.
 */
export function settle(host: HostState): void {
  const { mirror } = host;
  const here = isOverPeer(host) ? mirror.lastWrite : mirror.writer.durable;
  const [first] = mirror.unacked;
  const completed = Math.min(here, first === undefined ? here : first.number - 1);
  if (completed > mirror.completed) mirror.completed = completed;
  const ended = mirror.flushEnds.findIndex(({ upTo }) => upTo > mirror.completed);
  const done = ended === -1 ? mirror.flushEnds.length : ended;
  const last = mirror.flushEnds[done - 1];
  if (last === undefined) return;
  mirror.completedFlush = last.flush;
  mirror.flushEnds = mirror.flushEnds.slice(done);
}

/** The peer owes nothing any more: what it may lack is marked. */
export function forgetUnacked(host: HostState, upTo: number): void {
  const { mirror } = host;
  mirror.unacked = mirror.unacked.filter(({ number }) => number > upTo);
  mirror.sums.clear();
  settle(host);
}

/** A resync's session died: what it mirrored and the target did not answer gets its dirty bits, and completes with them. */
export function markUnacked(host: HostState): void {
  const { unacked } = host.mirror;
  const last = unacked.at(-1);
  if (last === undefined || !isAlone(host)) return;
  mark(host, "mirrored-writes-marked");
  commit(host, addDirtyWrites(host, unacked), { kind: "marked", upTo: last.number });
}
