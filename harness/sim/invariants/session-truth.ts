/**
 * session-truth: inside a session, what a host believes of its peer's right and generation is what the peer's page says, but for messages
 * and steps under way. Those end within the step's timeout, on the slower clock; a belief that stays wrong for longer has no message to
 * wait for.
 */

import type { HostPeek } from "../../../node/core/host/host.ts";
import type { Micros } from "../../record/types.ts";
import { type Finding, type HostLook, type PairLook, peerIn } from "./look.ts";

/** Since when each host's belief is wrong, and in which session. */
export type Doubts = Map<string, { readonly session: string; readonly since: Micros }>;

type Session = NonNullable<HostPeek["session"]>;

/** @param graceUs the longest that a step may take */
export function sessionTruth(look: PairLook, doubts: Doubts, graceUs: Micros): Finding {
  for (const host of look.hosts) {
    const { name } = host;
    const session = doubtful(host, peerIn(look, name));
    if (session === null) {
      if (doubts.size > 0) doubts.delete(name);
      continue;
    }
    const doubt = doubts.get(name);
    if (doubt?.session !== session.id) {
      doubts.set(name, { session: session.id, since: look.now });
      continue;
    }
    if (look.now - doubt.since <= graceUs) continue;
    const span = ((look.now - doubt.since) / 1_000).toFixed(0);
    const said = peerIn(look, name)?.peek?.page.right ?? "nothing";
    return `${name} believes for ${span} ms that its peer is ${session.peerRight}; its page says ${said}`;
  }
  return null;
}

/**
 * The session in which the host's belief is wrong; null: none. With the session open at one end only, the other end's word is still
 * under way, or none will come.
 */
function doubtful({ peek }: HostLook, peer: HostLook | null): Session | null {
  const session = peek?.session ?? null;
  const other = peer?.peek ?? null;
  if (session === null || other === null || other.session?.id !== session.id) return null;
  return agrees(session, other) ? null : session;
}

function agrees(session: Session, peer: HostPeek): boolean {
  const { page } = peer;
  const isRight = session.peerRight === page.right || session.peerRight === peer.right;
  return isRight && session.peerGen === (page.gen?.id ?? null);
}
