/** Who looks on while a run goes: told of everything before anybody can act on it. */
import type { HostEffect } from "../../node/core/host/contract.ts";
import type { VmBoot } from "../../node/core/identity.ts";
import type { MachineResult } from "../../node/core/machine/entry.ts";

export interface Watch {
  /** Before the effect is performed. */
  effect(host: string, effect: HostEffect): void;
  /** After all effects of a host's step. */
  stepped(host: string): void;
  /** A machine's result, before the host hears of it. */
  result(host: string, vmBoot: VmBoot, result: MachineResult): void;
  /** Bytes are given to a host's disk, into its cache. */
  given(host: string, offset: number, length: number): void;
  /** A flush or a power failure made these ranges durable, in this order. */
  landed(host: string, ranges: readonly LandedRange[]): void;
  /** A host's process ended. */
  died(host: string): void;
  /** A dead host's disk was exchanged for one that no write of this life made; `ranges`: all that it holds. */
  replaced(host: string, ranges: readonly LandedRange[]): void;
  /** The durable record of a quorum service changed. */
  recorded(service: string): void;
}

export interface LandedRange {
  readonly offset: number;
  readonly bytes: Uint8Array;
}
