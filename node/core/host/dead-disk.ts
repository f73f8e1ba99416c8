/** A disk that failed, here or at the peer (6). It stays dead for this VM as long as the process lives. */
import { closeSession } from "../pair/close.ts";
import { sendStream } from "../pair/send.ts";
import { barPeer, mark, note, rightOf } from "./context.ts";
import type { HostState } from "./state.ts";

/** The page on the dead disk, and its word, count for nothing: what was on its way there is forgotten. A VM stays in memory: it may go on over the peer's copy. */
export function diskFailed(host: HostState, code: string): void {
  if (!host.isDiskGood) return;
  host.isDiskGood = false;
  host.pendingHello = null;
  host.pages.length = 0;
  host.pageNext = host.page;
  host.commits.clear();
  note(host, { what: "alert", code: "disk-dead", detail: code });
  if (host.vm.kind === "booting") host.vm = { kind: "none" };
  const { session } = host;
  if (session.kind === "open") sendStream(host, session, { kind: "disk-dead" });
  closeSession(host, "the disk failed");
  host.helloAt = host.now;
}

/** Time counts as on the paths: only ticks that came in time, so that a host that was stopped accuses nobody. */
export function watchDisk(host: HostState, counted: number): void {
  if (!host.isDiskGood || host.commits.size === 0) {
    host.diskSilentFor = 0;
    return;
  }
  host.diskSilentFor += counted;
  if (host.diskSilentFor < host.config.timing.diskStall) return;
  mark(host, "disk-stalled");
  diskFailed(host, `nothing became durable for ${Math.round(host.diskSilentFor)} ms`);
}

/** P23: the holder of the good disk is the one who claims. It need not wait for its promise: going alone is no boot. */
export function peerDiskDead(host: HostState): void {
  mark(host, "peer-disk-dead");
  note(host, {
    what: "alert",
    code: "peer-disk-dead",
    detail: "this host goes on alone, if it may",
  });
  const right = rightOf(host);
  if (right !== "open" && right !== "elected") return;
  barPeer(host, "its disk is dead");
  host.isPeerGone = true;
}
