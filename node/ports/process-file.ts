/**
 * The file that a bed writes for each process: every address and name it needs. A process computes no address. JSON, mode 0600.
 */

import type { SwitchId } from "../core/host/contract.ts";
import type { HostId, ServiceId, VmId } from "../core/identity.ts";
import type { VolumeShape } from "../core/machine/entry.ts";
import type { PathId } from "../core/pair/frames.ts";
import type { SiteNumber } from "../core/switch/home.ts";
import type { Timing } from "../core/timing.ts";

export interface Endpoint {
  /** Numeric address. */
  readonly address: string;
  readonly port: number;
}

interface ProcessFileBase {
  readonly schema: 1;
  readonly cluster: string;
  /** File with the run's 128-bit secret as 32 hexadecimal digits; mode 0600. */
  readonly secretFile: string;
  /** Where the harness attaches (docs/wire.md, "Control channel"); not through a proxy. */
  readonly control: Endpoint;
  /** The process's own log, NDJSON. */
  readonly logFile: string;
}

export interface VmFile {
  readonly vm: VmId;
  readonly hosts: readonly [HostId, HostId];
  readonly volumes: readonly VolumeShape[];
  /** Path of the guest's `.wasm`. */
  readonly guest: string;
  readonly memoryPages: number;
  readonly preferred: HostId;
  /** `protect` was asked for on this host; null: on none. */
  readonly protect: HostId | null;
  readonly peerLoss: "preferred" | "continue";
  readonly bootDelayMs: number;
}

export interface HostFile extends ProcessFileBase {
  readonly role: "host";
  readonly host: HostId;
  readonly diskFile: string;
  /** Seeds which sectors of the disk's cache reach the file before a flush, so that a killed process leaves what a power failure would. */
  readonly destageSeed: number;
  readonly timing: Timing;
  readonly vms: readonly VmFile[];
  /** Paths to the peer, in order; `listen` for those the peer dials, `dial` (a proxy's address) for the others. */
  readonly paths: readonly {
    readonly id: PathId;
    readonly role: "alink" | "mgmt";
    readonly peer: HostId;
    readonly listen: Endpoint | null;
    readonly dial: Endpoint | null;
    /** Own address to dial from; null: any. */
    readonly from: string | null;
  }[];
  readonly services: readonly { readonly id: ServiceId; readonly dial: Endpoint }[];
  readonly switches: readonly { readonly id: SwitchId; readonly dial: Endpoint }[];
}

export interface QuorumFile extends ProcessFileBase {
  readonly role: "quorum";
  readonly service: ServiceId;
  readonly storeFile: string;
  /** After its start it grants nothing until both hosts confirmed, or the pair registered. */
  readonly confirmAfterRestart: boolean;
  readonly listen: Endpoint;
}

/** One end of the trunk: exactly one of `listen` and `dial` (a proxy's address). */
export interface TrunkFile {
  readonly peer: SwitchId;
  readonly listen: Endpoint | null;
  readonly dial: Endpoint | null;
}

export interface SwitchFile extends ProcessFileBase {
  readonly role: "switch";
  readonly switch: SwitchId;
  /** Differs from every other switch's of the cluster; 1 to 15. */
  readonly site: SiteNumber;
  /** To the other site's switch; null: there is one site. */
  readonly trunk: TrunkFile | null;
  /** Where hosts connect. */
  readonly listen: Endpoint;
  /** The VM's own addresses towards clients at this site. */
  readonly vms: readonly { readonly vm: VmId; readonly client: Endpoint }[];
}

export type ProcessFile = HostFile | QuorumFile | SwitchFile;
