/**
 * Whose a client session is (LAN5). The number itself says it, so that any switch knows without asking where a session's bytes belong, and
 * numbers of two switches never meet.
 */
import type { SessionId } from "../machine/entry.ts";

/** Number of a site, 1 to 15. */
export type SiteNumber = number;

const SITES = 16;
/** A machine takes session numbers of 32 bits. */
export const SESSIONS_OF_SITE = 2 ** 28;

/** The `index`th session of a site; `index` from 0 to `SESSIONS_OF_SITE` − 1. */
export function sessionOf(site: SiteNumber, index: number): SessionId {
  return index * SITES + site;
}

/** Site of the switch that accepted this session. */
export function homeOf(session: SessionId): SiteNumber {
  return session % SITES;
}
