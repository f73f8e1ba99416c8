/** What the rules look at: the state of all hosts and services at one instant of true time. */
import type { HostPeek } from "../../../node/core/host/host.ts";
import type { QuorumRecord } from "../../../node/core/quorum/messages.ts";
import type { Micros } from "../../record/types.ts";
import type { HostClock } from "../host-clock.ts";
import type { DiskImage } from "./disk-image.ts";

export interface HostLook {
  readonly name: string;
  /** State after its last step; null: no process. */
  readonly peek: HostPeek | null;
  readonly clock: HostClock;
  readonly image: DiskImage;
  /** Its disk was put in place of another one, and no resync has made it the peer's equal since: only what it does counts, not what it holds. */
  readonly isForeign: boolean;
}

export interface PairLook {
  readonly now: Micros;
  /** In host order. */
  readonly hosts: readonly HostLook[];
  /** Durable record of a service for the VM; null: it has none. */
  readonly record: (service: string) => QuorumRecord | null;
}

/** Why a rule is broken, for people; null: it holds. */
export type Finding = string | null;

/** It runs the VM and takes in input now. */
export function takesIn({ peek, clock }: HostLook, now: Micros): boolean {
  return peek?.running === true && peek.mayIntake(clock.read(now));
}

export function peerIn(look: PairLook, name: string): HostLook | null {
  for (const host of look.hosts) if (host.name !== name) return host;
  return null;
}

/** What its disk says of the right; null: no page. */
export function rightIn({ image }: HostLook): string | null {
  return image.page()?.right ?? null;
}

export function isSomebodySole(hosts: readonly HostLook[]): boolean {
  return hosts.some((host) => rightIn(host) === "sole");
}
