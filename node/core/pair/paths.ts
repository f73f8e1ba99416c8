/**
 * Who is suspected (P27). Silence of a path grows by the watcher's own ticks, so a watcher that was stopped accuses nobody.
 */
import { mark, note } from "../host/context.ts";
import type { HostState, PathState } from "../host/state.ts";
import type { PathId } from "./frames.ts";

export function pathOf(host: HostState, id: PathId): PathState | undefined {
  return host.paths.find((path) => path.config.id === id);
}

/**
 * Adds the gap since the last tick to every path's silence, unless the tick came late.
 *
 * @returns what was added; 0 after a late tick
 */
export function countSilence(host: HostState): number {
  const last = host.lastTick;
  host.lastTick = host.now;
  if (last === null) return 0;
  const gap = host.now - last;
  if (gap > host.config.timing.lateTick) {
    noteStarved(host, gap);
    mark(host, "late-tick");
    return 0;
  }
  for (const path of host.paths) path.silentFor += gap;
  return gap;
}

const STARVED_WINDOW = 2_000;

function noteStarved(host: HostState, gap: number): void {
  if (host.now - host.starved.from > STARVED_WINDOW) {
    host.starved = { from: host.now - gap, uncounted: 0, isSaid: false };
  }
  host.starved.uncounted += gap;
  if (host.starved.uncounted > STARVED_WINDOW / 2 && !host.starved.isSaid) {
    host.starved.isSaid = true;
    note(host, {
      what: "alert",
      code: "watcher-starved",
      detail: `${Math.round(host.starved.uncounted)} ms of the last 2 s were not counted as silence`,
    });
  }
}

export function heard(path: PathState): void {
  path.silentFor = 0;
}

/** Every path to the peer is silent. */
export function isPeerSilent(host: HostState): boolean {
  const dialled = host.paths.filter((path) => path.config.dials);
  const isAllRefused =
    dialled.length > 0 && dialled.every((path) => path.conn === null && path.isRefused);
  return host.paths.every((path) => isSilent(host, path, isAllRefused));
}

function isSilent(host: HostState, path: PathState, isAllRefused: boolean): boolean {
  const { timing } = host.config;
  if (path.conn !== null) return path.silentFor >= timing.silence;
  if (path.config.dials) return path.isRefused || path.silentFor >= timing.silence;
  return isAllRefused || path.silentFor >= timing.redial;
}
