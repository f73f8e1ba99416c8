/**
 * intake-has-right, promise-covers-lease. P2 and P4 are computed here once more, from the page on the disk and the clocks' true relation,
 * and compared with what the host does.
 */
import type { HostEffect } from "../../../node/core/host/contract.ts";
import { unreachable } from "../../../node/core/invariant.ts";
import { type Finding, type HostLook, type PairLook, peerIn } from "./look.ts";

/** Looked at when entries are given to the machine: that is when they are taken in. */
export function intakeHasRight(look: PairLook, name: string, effect: HostEffect): Finding {
  if (effect.kind !== "machine-run") return null;
  const host = look.hosts.find((candidate) => candidate.name === name);
  const page = host?.image.page();
  if (host?.peek === null || host === undefined || page === null || page === undefined) {
    return `${name} runs its machine without a page`;
  }
  const isCurrent = page.copy === "in-sync" || page.copy === "ahead";
  if (!isCurrent) return `${name} takes in input over a copy that is ${page.copy}`;
  switch (page.right) {
    case "sole":
    case "elected":
      return null;
    case "open":
    case "ceded":
      return isLeased(host, look.now)
        ? null
        : `${name} (${page.right}) takes in input without a lease`;
    case "none":
      return `${name} takes in input with no right`;
    default:
      return unreachable(page.right);
  }
}

function isLeased({ peek, clock }: HostLook, now: number): boolean {
  const until = peek?.leaseUntil ?? null;
  return until !== null && now < clock.when(until);
}

/** Clocks are read as floating point numbers. Unit: microseconds. */
const ROUNDING = 1e-3;

/** While a lease is valid, on true time, the other host's promise behind it has not run out. */
export function promiseCoversLease(look: PairLook): Finding {
  for (const host of look.hosts) {
    const until = host.peek?.leaseUntil ?? null;
    if (until === null) continue;
    const lease = host.clock.when(until);
    if (look.now >= lease) continue;
    const peer = peerIn(look, host.name);
    const promise = peer?.peek?.promiseUntil;
    if (peer === null || promise === undefined) continue;
    const end = peer.clock.when(promise);
    if (end + ROUNDING >= lease) continue;
    const short = ((lease - end) / 1_000).toFixed(3);
    return `the lease of ${host.name} outlives the promise of ${peer.name} by ${short} ms`;
  }
  return null;
}
