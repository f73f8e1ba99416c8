/** A frame of the peer: whether it counts, and whose business it is. */
import { takeFetched } from "../host/boot.ts";
import { emit, expectRead, mark } from "../host/context.ts";
import { peerDiskDead } from "../host/dead-disk.ts";
import type { HostState, OpenSession, PathState } from "../host/state.ts";
import { unreachable } from "../invariant.ts";
import { takeMirrored, takeWrote } from "../mirror/mirror.ts";
import { takeCopied, takeReady, takeSums } from "../resync/source.ts";
import { takeCopy, takeMerged } from "../resync/target.ts";
import { closeSession } from "./close.ts";
import type { PathId, PeerBody, PeerFrame } from "./frames.ts";
import { peerLeft, takeHandover } from "./handover.ts";
import { takeBeat, takeBeatOk } from "./lease.ts";
import { takePair, takePaired } from "./pairing.ts";
import { pathOf } from "./paths.ts";
import { acceptFrame, takeHello } from "./session.ts";
import { takeDiscard, takeMapped, takeMaps } from "./split-brain.ts";
import { takeArmed, takeCede, takeCeded } from "./steps.ts";

export function takePeerFrame(host: HostState, id: PathId, conn: number, frame: PeerFrame): void {
  const path = pathOf(host, id);
  if (path?.conn !== conn || frame.vm !== host.config.vm) {
    mark(host, "frame-of-a-dead-connection");
    return;
  }
  if (frame.body.kind === "hello") {
    takeHello(host, path, frame.body);
    return;
  }
  const session = acceptFrame(host, path, frame);
  if (session !== null) take(host, session, path, frame);
}

function take(host: HostState, session: OpenSession, path: PathState, frame: PeerFrame): void {
  const { body, from } = frame;
  switch (body.kind) {
    case "hello":
    case "opened":
      return;
    case "beat":
      takeBeat(host, session, path, body);
      return;
    case "beat-ok":
      takeBeatOk(host, session, body);
      return;
    case "write":
      takeMirrored(host, body.write);
      return;
    case "wrote":
      takeWrote(host, body);
      return;
    case "clean-to":
      host.mirror.cleanTo = Math.max(host.mirror.cleanTo, body.number);
      return;
    case "cede":
      takeCede(host, session, body, from);
      return;
    case "ceded":
      takeCeded(host, session, body, from);
      return;
    case "pair":
      takePair(host, session, body, from);
      return;
    case "paired":
      takePaired(host, session, body, from);
      return;
    case "armed":
      takeArmed(host, session, body, from);
      return;
    case "ready":
      takeReady(host, session, body);
      return;
    case "merged":
      takeMerged(host, session, body);
      return;
    case "sums":
      takeSums(host, session, body);
      return;
    case "copy":
      takeCopy(host, session, body);
      return;
    case "copied":
      takeCopied(host, session, body);
      return;
    case "discard":
      takeDiscard(host, session);
      return;
    case "maps":
      takeMaps(host, session, body);
      return;
    case "mapped":
      takeMapped(host, session, body);
      return;
    case "fetch":
      fetchFor(host, session, body);
      return;
    case "fetched":
      takeFetched(host, body.volume, body.lba, body.block);
      return;
    case "handover":
      takeHandover(host, session, body.vmBoot);
      return;
    case "disk-dead":
      peerDiskDead(host);
      return;
    case "leave":
      session.isLeaving = true;
      return;
    case "bye":
      peerLeft(host, session);
      closeSession(host, `the peer said bye: ${body.reason}`);
      host.helloAt = host.now;
      return;
    default:
      unreachable(body);
  }
}

function fetchFor(
  host: HostState,
  session: OpenSession,
  { volume, lba }: PeerBody & { kind: "fetch" },
): void {
  const token = expectRead(host, { kind: "fetch", session: session.id, volume });
  emit(host, { kind: "read-blocks", token, volume, lbas: [lba] });
}
