/**
 * Reads a host's disk, in any state, without writing to it: a second implementation of docs/disk-format.md, on purpose. A mistake of the
 * hosts' own parser must not hide itself here, so nothing of `node/` is imported.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { HarnessError } from "../errors.ts";
import {
  type DiskPage,
  type DiskVm,
  type DiskVolume,
  parsePage,
  parseSuperblock,
} from "./disk-json.ts";

/** Where a disk's bytes come from: a file, or a simulator's memory. */
export interface DiskBytes {
  readonly size: number;
  /** Exactly `length` bytes; those past the end are zero. */
  read(offset: number, length: number): Uint8Array;
}

export type DiskImage =
  /** The first block is all zero: never formatted. */
  | { readonly kind: "blank" }
  | {
      readonly kind: "formatted";
      readonly cluster: string;
      readonly host: string;
      readonly blocksPerExtent: number;
      readonly vms: readonly VmImage[];
    };

export interface VmImage {
  readonly vm: string;
  /** Null: neither slot is valid, the host is in quarantine. */
  readonly page: DiskPage | null;
  readonly volumes: readonly VolumeImage[];
}

export interface VolumeImage extends DiskVolume {
  /** One bit per extent. */
  readonly intentBits: Bits;
  /** One bit per block. Counts only while the page's right is `sole`. */
  readonly dirtyBits: Bits;
}

export interface Bits {
  has(index: number): boolean;
}

export const BLOCK_BYTES = 4_096;
const SECTOR_BYTES = 512;
const SECTOR_BITS = 4_032;
const SLOT_HEAD_BYTES = 32;

/** A file on disk as bytes. The caller closes it. */
export interface DiskFile extends DiskBytes {
  close(): void;
}

/** @throws HarnessError BAD_DISK when it cannot be opened or is no file */
export function openDiskFile(path: string): DiskFile {
  const fail = (cause: unknown): HarnessError => {
    const why = cause instanceof Error ? cause.message : String(cause);
    return badDisk(`cannot read ${path}: ${why}`, "Name a host's disk file.", cause);
  };
  const guarded = <T>(act: () => T): T => {
    try {
      return act();
    } catch (cause: unknown) {
      throw fail(cause);
    }
  };
  const file = guarded(() => openSync(path, "r"));
  const stat = guarded(() => fstatSync(file));
  if (!stat.isFile()) {
    closeSync(file);
    throw fail(new Error("it is not a regular file"));
  }
  return {
    size: stat.size,
    read(offset, length) {
      const bytes = Buffer.alloc(length);
      let done = 0;
      while (done < length) {
        const count = guarded(() => readSync(file, bytes, done, length - done, offset + done));
        if (count === 0) break;
        done += count;
      }
      return bytes;
    },
    close: () => closeSync(file),
  };
}

/** @throws HarnessError BAD_DISK when the superblock is neither blank nor readable */
export function readDisk(disk: DiskBytes): DiskImage {
  const first = readBytes(disk, 0, BLOCK_BYTES);
  if (first.every((byte) => byte === 0)) return { kind: "blank" };
  const slot = readSlot(first, "FLSUPER1");
  if (slot === null) {
    throw badDisk(
      "the superblock's magic, length or checksum is wrong",
      "Check that this is a host's disk file, written whole; format a blank one to replace it.",
    );
  }
  const parsed = parseSuperblock(slot.json);
  if (!parsed.ok) {
    throw badDisk(`the superblock: ${parsed.why}`, "Compare it with docs/disk-format.md.");
  }
  const { cluster, host, blocksPerExtent } = parsed.value;
  const vms = parsed.value.vms.map((vm) => readVm(disk, vm, blocksPerExtent));
  return { kind: "formatted", cluster, host, blocksPerExtent, vms };
}

/** Bytes of a disk; a source that gives fewer than asked for is padded with zeros. */
export function readBytes(disk: DiskBytes, offset: number, length: number): Buffer {
  const bytes = disk.read(offset, length);
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length === length) return view;
  const padded = Buffer.alloc(length);
  view.copy(padded, 0, 0, Math.min(length, view.length));
  return padded;
}

export function badDisk(message: string, hint: string, cause?: unknown): HarnessError {
  return new HarnessError("BAD_DISK", message, { hint, cause });
}

function readVm(disk: DiskBytes, vm: DiskVm, blocksPerExtent: number): VmImage {
  const slots = vm.page.flatMap((offset) => {
    const slot = readSlot(readBytes(disk, offset, vm.pageSize), "FLPAGE01");
    return slot === null ? [] : [slot];
  });
  slots.sort((left, right) => (left.sequence < right.sequence ? 1 : -1));
  const [inForce] = slots;
  return {
    vm: vm.vm,
    page: inForce === undefined ? null : pageOf(inForce.json, vm.vm),
    volumes: vm.volumes.map((volume) => ({
      ...volume,
      intentBits: readBits(disk, volume.intents, Math.ceil(volume.blocks / blocksPerExtent)),
      dirtyBits: readBits(disk, volume.dirty, volume.blocks),
    })),
  };
}

function pageOf(json: string, vm: string): DiskPage {
  const parsed = parsePage(json);
  if (parsed.ok) return parsed.value;
  // Its checksum is right: whoever wrote it meant it.
  throw badDisk(`the page of ${vm}: ${parsed.why}`, "Compare it with docs/disk-format.md.");
}

/** Null: not valid. */
function readSlot(bytes: Buffer, magic: string): { sequence: bigint; json: string } | null {
  if (bytes.toString("latin1", 0, 8) !== magic) return null;
  const length = bytes.readUInt32LE(16);
  if (SLOT_HEAD_BYTES + length > bytes.length) return null;
  const json = bytes.subarray(SLOT_HEAD_BYTES, SLOT_HEAD_BYTES + length);
  if (crc32(json, crc32(bytes.subarray(0, 20))) !== bytes.readUInt32LE(20)) return null;
  return { sequence: bytes.readBigUInt64LE(8), json: json.toString("utf8") };
}

function readBits(disk: DiskBytes, offset: number, count: number): Bits {
  const sectors = Math.ceil(count / SECTOR_BITS);
  const bits = Buffer.alloc(sectors * (SECTOR_BITS / 8));
  for (let index = 0; index < sectors; index += 1) {
    const sector = readBytes(disk, offset + index * SECTOR_BYTES, SECTOR_BYTES);
    const target = index * (SECTOR_BITS / 8);
    if (isBitSector(sector, index)) sector.copy(bits, target, 0, SECTOR_BITS / 8);
    else if (sector.some((byte) => byte !== 0)) bits.fill(0xff, target, target + SECTOR_BITS / 8);
  }
  return { has: (index) => (((bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1 };
}

function isBitSector(sector: Buffer, index: number): boolean {
  return (
    sector.readUInt32LE(504) === index &&
    sector.readUInt32LE(508) === crc32(sector.subarray(0, 508))
  );
}
