/**
 * session-truth: inside a session, what a host believes of its peer's right and generation is what the peer's page says, but for messages
 * and steps under way. Those end within the step's timeout, on the slower clock; a belief that stays wrong for longer has no message to
 * wait for.
 */

import type { HostPeek } from "../../../node/core/host/host.ts";
import type { Micros } from "../../record/types.ts";
import { type Finding, type PairLook, peerIn } from "./look.ts";

/** Since when each host's belief is wrong, and in which session. */
export type Doubts = Map<string, { readonly session: string; readonly since: Micros }>;

/** @param graceUs the longest that a step may take */
export function sessionTruth(look: PairLook, doubts: Doubts, graceUs: Micros): Finding {
  for (const { name, peek } of look.hosts) {
    const session = peek?.session ?? null;
    const peer = peerIn(look, name)?.peek ?? null;
    // With the session open at one end only, the other end's word is still under way, or none will come.
    if (
      session === null ||
      peer === null ||
      peer.session?.id !== session.id ||
      agrees(session, peer)
    ) {
      doubts.delete(name);
      continue;
    }
    const doubt = doubts.get(name);
    if (doubt?.session !== session.id) {
      doubts.set(name, { session: session.id, since: look.now });
      continue;
    }
    if (look.now - doubt.since <= graceUs) continue;
    const span = ((look.now - doubt.since) / 1_000).toFixed(0);
    return `${name} believes for ${span} ms that its peer is ${session.peerRight}; its page says ${peer.page.right}`;
  }
  return null;
}

function agrees(session: NonNullable<HostPeek["session"]>, peer: HostPeek): boolean {
  const isRight = session.peerRight === peer.page.right || session.peerRight === peer.right;
  return isRight && session.peerGen === (peer.page.gen?.id ?? null);
}
