/** Where things lie on a disk (docs/disk-format.md, "Superblock"). Computed once, when a disk is formatted; afterwards the superblock's word counts. */
import type { HostId, VmId, VolumeId } from "../identity.ts";
import type { VolumeShape } from "../machine/entry.ts";
import { BLOCK_SIZE, BLOCKS_PER_EXTENT, SECTOR_SIZE } from "../units.ts";
import { bitmapSectors } from "./bitmap.ts";
import {
  type Fields,
  type Fit,
  fit,
  integer,
  integerOf,
  list,
  object,
  text,
  unfit,
} from "./fields.ts";
import { SUM_SIZE } from "./sums.ts";

/** Who a disk belongs to. */
export interface DiskIdentity {
  readonly cluster: string;
  readonly host: HostId;
  readonly vm: VmId;
  readonly volumes: readonly VolumeShape[];
}

/** All offsets from the start of the disk. Unit: bytes. */
export interface VolumeLayout {
  readonly volume: VolumeId;
  readonly blocks: number;
  readonly intents: number;
  readonly dirty: number;
  readonly sums: number;
  readonly data: number;
}

export interface VmLayout {
  readonly vm: VmId;
  /** Two slots of `pageSize` bytes each. */
  readonly page: readonly [number, number];
  readonly pageSize: number;
  /** Two sectors. */
  readonly applied: readonly [number, number];
  readonly volumes: readonly VolumeLayout[];
}

export interface Superblock {
  readonly cluster: string;
  readonly host: HostId;
  readonly vms: readonly VmLayout[];
}

/** One slot at offset 0. */
export const SUPERBLOCK_SIZE = BLOCK_SIZE;
const FORMAT = 1;
/** A page with a full history of 32 generations takes about 4 KiB. */
const PAGE_SIZE = 8_192;

export function layoutOf(identity: DiskIdentity): VmLayout {
  const page: [number, number] = [SUPERBLOCK_SIZE, SUPERBLOCK_SIZE + PAGE_SIZE];
  const appliedStart = SUPERBLOCK_SIZE + 2 * PAGE_SIZE;
  const applied: [number, number] = [appliedStart, appliedStart + SECTOR_SIZE];
  let end = appliedStart + 2 * SECTOR_SIZE;
  const volumes = identity.volumes.map(({ id, blocks }) => {
    const intents = end;
    const dirty = intents + SECTOR_SIZE * bitmapSectors(extentsOf(blocks));
    const sums = alignToBlock(dirty + SECTOR_SIZE * bitmapSectors(blocks));
    const data = alignToBlock(sums + SUM_SIZE * blocks);
    end = data + BLOCK_SIZE * blocks;
    return { volume: id, blocks, intents, dirty, sums, data };
  });
  return { vm: identity.vm, page, pageSize: PAGE_SIZE, applied, volumes };
}

/** Extents of a volume: the bits of its intent log. */
export function extentsOf(blocks: number): number {
  return Math.ceil(blocks / BLOCKS_PER_EXTENT);
}

export function superblockJson(identity: DiskIdentity, layout: VmLayout): string {
  const { cluster, host } = identity;
  const sizes = { blockSize: BLOCK_SIZE, blocksPerExtent: BLOCKS_PER_EXTENT };
  return JSON.stringify({ format: FORMAT, cluster, host, ...sizes, vms: [layout] });
}

export function parseSuperblock(json: string): Fit<Superblock> {
  return fit(json, (fields) => {
    requireNumber(fields, "format", FORMAT);
    requireNumber(fields, "blockSize", BLOCK_SIZE);
    requireNumber(fields, "blocksPerExtent", BLOCKS_PER_EXTENT);
    return {
      cluster: text(fields, "cluster"),
      host: text(fields, "host"),
      vms: list(fields, "vms").map(parseVm),
    };
  });
}

function parseVm(value: unknown): VmLayout {
  const fields = object(value, "an element of vms");
  return {
    vm: text(fields, "vm"),
    page: offsetPair(fields, "page"),
    pageSize: offset(fields["pageSize"], "pageSize"),
    applied: offsetPair(fields, "applied"),
    volumes: list(fields, "volumes").map(parseVolume),
  };
}

function parseVolume(value: unknown): VolumeLayout {
  const fields = object(value, "an element of volumes");
  return {
    volume: integer(fields, "volume", 0),
    blocks: integer(fields, "blocks", 1),
    intents: offset(fields["intents"], "intents"),
    dirty: offset(fields["dirty"], "dirty"),
    sums: offset(fields["sums"], "sums"),
    data: offset(fields["data"], "data"),
  };
}

function offsetPair(fields: Fields, name: string): readonly [number, number] {
  const offsets = list(fields, name);
  if (offsets.length !== 2) unfit(`"${name}" has ${offsets.length} slots instead of 2`);
  return [offset(offsets[0], name), offset(offsets[1], name)];
}

/** The superblock has offset 0 for itself, so nothing else starts before its end. */
function offset(value: unknown, name: string): number {
  const bytes = integerOf(value, name, SUPERBLOCK_SIZE);
  if (bytes % SECTOR_SIZE !== 0) unfit(`"${name}" is not at a sector border`);
  return bytes;
}

function requireNumber(fields: Fields, name: string, wanted: number): void {
  if (fields[name] !== wanted) unfit(`"${name}" is not ${wanted}`);
}

function alignToBlock(bytes: number): number {
  return Math.ceil(bytes / BLOCK_SIZE) * BLOCK_SIZE;
}
