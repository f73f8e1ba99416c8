/** Name of a host in its cluster, as the bed's address file spells it. Compared as text: the lower one dials. */
export type HostId = string;
/** Name of a virtual machine, unique in its cluster. */
export type VmId = string;
/** Number of a volume of one virtual machine; 0 is the first. */
export type VolumeId = number;
/** Name of a quorum service in its cluster. */
export type ServiceId = string;
/** 128 random bits as 32 hexadecimal digits, drawn by a driver, never by the core. */
export type RandomId = string;

export type GenerationKind = "joint" | "alone" | "forced" | "damaged";

/**
 * One spell of a virtual machine's data history. Two generations are equal only if their ids are;
 * `n` (parent's n + 1) is for people.
 */
export interface Generation {
  readonly n: number;
  readonly id: RandomId;
  /** `joint`: both hosts hold it. `alone`: one went on. `forced`, `damaged`: an operator booted a copy that might not have been current, or whole. */
  readonly kind: GenerationKind;
  readonly by: HostId;
}

/** One boot of the virtual machine: `n` grows with every boot and orders boots for the switches. */
export interface VmBoot {
  readonly id: RandomId;
  readonly n: number;
}

export function sameGeneration(left: Generation | null, right: Generation | null): boolean {
  return left !== null && right !== null && left.id === right.id;
}

export function sameBoot(left: VmBoot | null, right: VmBoot | null): boolean {
  return left !== null && right !== null && left.id === right.id;
}
