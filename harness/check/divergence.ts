/**
 * Compares the copies on two disks, block by block. A block that differs is *known* when a side says so (the dirty map of a host that is
 * `sole`, the intent log of either, a copy that holds nothing valid) and *silent* otherwise: both sides claim agreement, and one is wrong.
 */
import type { CheckResult, Divergence } from "../record/types.ts";
import {
  type BadBlock,
  type BlockAddress,
  compareVolume,
  LISTED_MAX,
  type VolumeFigures,
} from "./block-compare.ts";
import { badDisk, type DiskBytes, type DiskImage, readDisk, type VmImage } from "./disk-image.ts";

export interface AuditOptions {
  /** After convergence, where the pair is duplex again, known differences fail too. Default false. */
  readonly mustBeEqual?: boolean;
  /** Both hosts went on alone by design: that both pages say so is no failure. Default false. */
  readonly isSplitExpected?: boolean;
  /** Name of the check. Default `divergence`. */
  readonly name?: string;
}

export interface DivergenceFigures {
  readonly check: CheckResult;
  readonly divergence: Divergence;
  readonly left: DiskImage;
  readonly right: DiskImage;
  /** In the order of the disks' superblocks. */
  readonly volumes: readonly VolumeFigures[];
  /** Blocks that were compared: written on either side. */
  readonly compared: number;
  /** Both pages of a VM say `sole`. */
  readonly isSplit: boolean;
  /** Sums over the volumes. */
  readonly changed: VolumeFigures["changed"];
  /** The first ones, at most `LISTED_MAX`. */
  readonly silent: readonly BlockAddress[];
  readonly bad: readonly BadBlock[];
  readonly badBlocks: VolumeFigures["badBlocks"];
}

/** @throws HarnessError BAD_DISK when a disk is unreadable or the two do not belong together */
export function auditDisks(
  left: DiskBytes,
  right: DiskBytes,
  options: AuditOptions = {},
): DivergenceFigures {
  return auditImages(
    { disk: left, image: readDisk(left) },
    { disk: right, image: readDisk(right) },
    options,
  );
}

/** A disk, and what was read of it. */
export interface ReadDisk {
  readonly disk: DiskBytes;
  readonly image: DiskImage;
}

/** @throws HarnessError BAD_DISK when the two do not belong together */
export function auditImages(
  left: ReadDisk,
  right: ReadDisk,
  options: AuditOptions = {},
): DivergenceFigures {
  const volumes = compareDisks(left, right);
  const sum = (of: (volume: VolumeFigures) => number): number =>
    volumes.reduce((total, volume) => total + of(volume), 0);
  const found = {
    volumes,
    compared: sum(({ compared }) => compared),
    isSplit: areBothSole(left.image, right.image),
    changed: {
      left: sum(({ changed }) => changed.left),
      right: sum(({ changed }) => changed.right),
      both: sum(({ changed }) => changed.both),
    },
    silent: volumes.flatMap(({ silentBlocks }) => silentBlocks).slice(0, LISTED_MAX),
    bad: volumes.flatMap(({ bad }) => bad).slice(0, LISTED_MAX),
    badBlocks: {
      torn: sum(({ badBlocks }) => badBlocks.torn),
      other: sum(({ badBlocks }) => badBlocks.other),
    },
    divergence: {
      knownBlocks: sum(({ known }) => known.dirty + known.intents + known.void),
      silentBlocks: sum(({ silent }) => silent),
      way: worstWay(volumes),
    },
  };
  return { check: summarize(found, options), left: left.image, right: right.image, ...found };
}

function compareDisks(left: ReadDisk, right: ReadDisk): readonly VolumeFigures[] {
  if (left.image.kind === "formatted" && right.image.kind === "formatted") {
    checkSameShape(left.image, right.image);
    const others = new Map(right.image.vms.map((vm) => [vm.vm, vm]));
    const { blocksPerExtent } = left.image;
    return left.image.vms.flatMap((vm) => {
      const other = others.get(vm.vm) ?? vm;
      return compareVms({ ...left, vm }, { ...right, vm: other }, blocksPerExtent);
    });
  }
  if (left.image.kind === "formatted") {
    const { vms, blocksPerExtent } = left.image;
    return vms.flatMap((vm) =>
      compareVms({ ...left, vm }, { disk: NOTHING, vm: blankOf(vm) }, blocksPerExtent),
    );
  }
  if (right.image.kind === "formatted") {
    const { vms, blocksPerExtent } = right.image;
    return vms.flatMap((vm) =>
      compareVms({ disk: NOTHING, vm: blankOf(vm) }, { ...right, vm }, blocksPerExtent),
    );
  }
  return [];
}

interface OnDisk {
  readonly disk: DiskBytes;
  readonly vm: VmImage;
}

function compareVms(left: OnDisk, right: OnDisk, perExtent: number): readonly VolumeFigures[] {
  const others = new Map(right.vm.volumes.map((volume) => [volume.volume, volume]));
  return left.vm.volumes.flatMap((volume) => {
    const other = others.get(volume.volume);
    if (other === undefined) return [];
    return compareVolume(
      { name: "left", ...left, volume },
      { name: "right", ...right, volume: other },
      perExtent,
    );
  });
}

/** Beside a blank disk every written block of the other one is a known difference, unless it holds zeros. */
const NOTHING: DiskBytes = { size: 0, read: (_offset, length) => new Uint8Array(length) };

function blankOf(vm: VmImage): VmImage {
  const none = { has: () => false };
  const volumes = vm.volumes.map((volume) => ({ ...volume, intentBits: none, dirtyBits: none }));
  return { vm: vm.vm, page: null, volumes };
}

type Formatted = Extract<DiskImage, { kind: "formatted" }>;

function checkSameShape(left: Formatted, right: Formatted): void {
  if (left.cluster !== right.cluster) {
    throw badDisk(
      `the disks belong to clusters ${left.cluster} and ${right.cluster}`,
      "Name the disks of two hosts of one cluster.",
    );
  }
  if (shapeOf(left) !== shapeOf(right)) {
    throw badDisk(
      "the disks hold different VMs or volumes",
      "Name the disks of two hosts that protect the same VMs.",
    );
  }
}

function shapeOf({ vms, blocksPerExtent }: Formatted): string {
  const shapes = vms.map(({ vm, volumes }) => {
    const sizes = volumes.map(({ volume, blocks }) => `${volume}: ${blocks}`);
    return `${vm}: ${sizes.sort(byText).join(", ")}`;
  });
  return `${blocksPerExtent}; ${shapes.sort(byText).join("; ")}`;
}

function byText(left: string, right: string): number {
  return left < right ? -1 : 1;
}

function areBothSole(left: DiskImage, right: DiskImage): boolean {
  if (left.kind !== "formatted" || right.kind !== "formatted") return false;
  const sole = new Set(soleVms(left));
  return soleVms(right).some((vm) => sole.has(vm));
}

function soleVms({ vms }: Formatted): readonly string[] {
  return vms.filter(({ page }) => page?.right === "sole").map(({ vm }) => vm);
}

function worstWay(volumes: readonly VolumeFigures[]): Divergence["way"] {
  const ways = volumes.map(({ way }) => way);
  return ways.find((way) => way === "two") ?? ways.find((way) => way === "one") ?? "none";
}

function summarize(
  found: Omit<DivergenceFigures, "check" | "left" | "right">,
  options: AuditOptions,
): CheckResult {
  const name = options.name ?? "divergence";
  const { knownBlocks, silentBlocks, way } = found.divergence;
  const looked = `${found.compared} written blocks compared`;
  const [silent] = found.silent;
  if (silent !== undefined) {
    const first = `${silent.vm} volume ${silent.volume} block ${silent.lba}`;
    const why = `${looked}: ${silentBlocks} differ although both sides claim agreement, the first is ${first}`;
    return { name, verdict: "fail", why };
  }
  const bad = found.bad.find((block) => !block.isTorn);
  if (found.badBlocks.other > 0) {
    const first = bad === undefined ? "" : `, e.g. block ${bad.lba} on the ${bad.side}: ${bad.why}`;
    const why = `${looked}: ${found.badBlocks.other} bad blocks outside the intent logs${first}`;
    return { name, verdict: "fail", why };
  }
  if (found.isSplit && options.isSplitExpected !== true) {
    const ways = { none: "", one: ", one way", two: ", two ways" } as const;
    const why = `${looked}: both hosts went on alone, ${knownBlocks} blocks differ${ways[way]}`;
    return { name, verdict: "fail", why };
  }
  if (knownBlocks > 0 && options.mustBeEqual === true) {
    const why = `${looked}: ${knownBlocks} differ although the pair should be equal`;
    return { name, verdict: "fail", why };
  }
  if (found.compared === 0) {
    return { name, verdict: "unknown", why: "neither disk holds a written block" };
  }
  const torn = found.badBlocks.torn > 0 ? `, ${found.badBlocks.torn} torn` : "";
  const why = `${looked}: ${knownBlocks} known to differ, 0 silent${torn}`;
  return { name, verdict: "pass", why };
}
