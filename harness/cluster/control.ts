/** What other commands may ask of the process that keeps a cluster, as JSON over HTTP on an address of the cluster's own. */
import type { Micros } from "../record/types.ts";
import type { HostView } from "../rig/rig.ts";

export type ControlRequest =
  | { readonly op: "status" }
  /** `fields`: the fault and its data, as a step of a scenario names them. `forMs` null: until it is healed. */
  | {
      readonly op: "fault";
      readonly fields: Readonly<Record<string, unknown>>;
      readonly forMs: number | null;
    }
  /** `id` null: all. */
  | { readonly op: "heal"; readonly id: number | null }
  | {
      readonly op: "operator";
      readonly host: string | null;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly op: "audit" }
  | { readonly op: "down" };

/** A fault that was injected by hand. */
export interface FaultView {
  readonly id: number;
  readonly fault: string;
  readonly target: string;
  readonly at: Micros;
  readonly state: "active" | "healed";
  /** Null: until it is healed. Unit: milliseconds. */
  readonly forMs: number | null;
  /** What was seen of its effect; null while it is too early to look. */
  readonly proof: { readonly hasBitten: boolean; readonly why: string } | null;
}

export interface ClusterStatus {
  readonly name: string;
  readonly level: number;
  readonly proxy: string;
  /** Since the cluster began to start. Unit: microseconds. */
  readonly now: Micros;
  readonly hosts: readonly HostView[];
  readonly others: readonly { readonly name: string; readonly alive: boolean }[];
  readonly clients: readonly {
    readonly site: string;
    readonly address: string;
    readonly port: number;
  }[];
  readonly faults: readonly FaultView[];
  readonly runDir: string;
}

export type ControlAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly hint: string };

/** Header that carries the cluster's secret. */
export const SECRET_HEADER = "x-faultline-secret";
