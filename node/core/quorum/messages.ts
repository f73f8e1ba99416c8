/** Messages between a host and a quorum service. A request is repeated with the same id until it is answered or cancelled. */
import type { Generation, HostId, RandomId, VmId } from "../identity.ts";
import type { Right } from "../pair/page.ts";

/** A quorum service's word on one VM. `gen` null: nothing was registered yet. */
export interface QuorumRecord {
  readonly cluster: string;
  readonly vm: VmId;
  readonly gen: Generation | null;
  readonly holder: HostId | null;
  /** Generation that the grant was asked for; null while `holder` is. */
  readonly from: Generation | null;
  /** Grows with every change; 0 before the first. */
  readonly counter: number;
  /** Drawn when the service's store was created. */
  readonly instance: RandomId;
}

/** What the host knows of the service's counter: null when it never saw this service. */
export interface SeenCounter {
  readonly instance: RandomId;
  readonly counter: number;
}

export type QuorumRequest =
  /** Also the host's confirmation of a service that started anew: it has no claim out on this connection, and states what it may become. */
  | {
      readonly kind: "watch";
      readonly gen: Generation | null;
      readonly right: Right;
      readonly seen: SeenCounter | null;
    }
  /** Compare-and-set on `counter`. */
  | { readonly kind: "register"; readonly gen: Generation; readonly counter: number }
  /** Compare-and-set on the generation: `from` must be the registered one, with no holder. */
  | {
      readonly kind: "claim";
      readonly from: Generation;
      readonly gen: Generation;
      readonly seen: SeenCounter | null;
    }
  /** An operator booted this host's copy by force as `gen`: nobody else is granted anything any more. Answered by `record`. */
  | { readonly kind: "override"; readonly gen: Generation }
  | { readonly kind: "beat" };

export type QuorumAnswer =
  | { readonly kind: "record"; readonly record: QuorumRecord }
  | { readonly kind: "registered"; readonly record: QuorumRecord }
  | { readonly kind: "stale"; readonly record: QuorumRecord }
  | { readonly kind: "grant"; readonly record: QuorumRecord }
  | { readonly kind: "refused"; readonly record: QuorumRecord }
  /**
   * The service grants nothing for this VM now. `forgot`: a host remembers more than it does; until a new registration. `unconfirmed`: it
   * started anew; until both hosts have watched since, or a new registration.
   */
  | {
      readonly kind: "behind";
      readonly record: QuorumRecord;
      readonly why: "forgot" | "unconfirmed";
    }
  | { readonly kind: "beat-ok" };

export interface QuorumFrame<Body> {
  readonly cluster: string;
  readonly vm: VmId;
  readonly host: HostId;
  /** Number of the request on its connection, from 1. An answer repeats it. */
  readonly request: number;
  readonly body: Body;
}
