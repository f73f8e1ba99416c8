/** A frame of the peer: whether it counts, and whose business it is. */
import { takeFetched } from "../host/boot.ts";
import { emit, expectRead, mark } from "../host/context.ts";
import { peerDiskDead } from "../host/dead-disk.ts";
import type { HostState, OpenSession, PathState } from "../host/state.ts";
import type { RandomId } from "../identity.ts";
import { takeMirrored, takeWrote } from "../mirror/mirror.ts";
import { takeCopied, takeReady, takeSums } from "../resync/source.ts";
import { takeCopy, takeMerged } from "../resync/target.ts";
import type { PathId, PeerBody, PeerFrame } from "./frames.ts";
import { takeBye, takeHandover } from "./handover.ts";
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
  if (session === null) return;
  // The kind of a body says which taker is its own.
  const taker = TAKERS[frame.body.kind] as (host: HostState, body: PeerBody, by: Arrived) => void;
  taker(host, frame.body, { session, path, from: frame.from });
}

interface Arrived {
  readonly session: OpenSession;
  readonly path: PathState;
  /** The sender's generation when it sent. */
  readonly from: RandomId | null;
}

type BodyOf<Kind extends PeerBody["kind"]> = Extract<PeerBody, { readonly kind: Kind }>;
type Takers = {
  readonly [Kind in Exclude<PeerBody["kind"], "hello">]: (
    host: HostState,
    body: BodyOf<Kind>,
    arrived: Arrived,
  ) => void;
};

const TAKERS: Takers = {
  opened: () => undefined,
  beat: (host, body, { session, path }) => takeBeat(host, session, path, body),
  "beat-ok": (host, body, { session }) => takeBeatOk(host, session, body),
  write: (host, body) => takeMirrored(host, body),
  wrote: (host, body) => takeWrote(host, body),
  "clean-to": ({ mirror }, { number }) => {
    mirror.cleanTo = Math.max(mirror.cleanTo, number);
  },
  cede: (host, body, { session, from }) => takeCede(host, session, body, from),
  ceded: (host, body, { session, from }) => takeCeded(host, session, body, from),
  pair: (host, body, { session, from }) => takePair(host, session, body, from),
  paired: (host, body, { session, from }) => takePaired(host, session, body, from),
  armed: (host, body, { session, from }) => takeArmed(host, session, body, from),
  ready: (host, body, { session }) => takeReady(host, session, body),
  merged: (host, body, { session }) => takeMerged(host, session, body),
  sums: (host, body, { session }) => takeSums(host, session, body),
  copy: (host, body, { session }) => takeCopy(host, session, body),
  copied: (host, body, { session }) => takeCopied(host, session, body),
  discard: (host, _, { session }) => takeDiscard(host, session),
  maps: (host, body, { session }) => takeMaps(host, session, body),
  mapped: (host, body, { session }) => takeMapped(host, session, body),
  fetch: (host, body, { session }) => fetchFor(host, session, body),
  fetched: (host, { volume, lba, block }) => takeFetched(host, volume, lba, block),
  handover: (host, { vmBoot }, { session }) => takeHandover(host, session, vmBoot),
  "disk-dead": (host) => peerDiskDead(host),
  leave: (_, __, { session }) => {
    session.isLeaving = true;
  },
  bye: (host, { reason }, { session, from }) => takeBye(host, session, reason, from),
};

function fetchFor(
  host: HostState,
  session: OpenSession,
  { volume, lba }: PeerBody & { kind: "fetch" },
): void {
  const token = expectRead(host, { kind: "fetch", session: session.id, volume });
  emit(host, { kind: "read-blocks", token, volume, lbas: [lba] });
}
