/**
 * A host's disk above its sectors: the host core's `DiskOp`s become sector writes in docs/disk-format.md, and back.
 *
 * It orders nothing and flushes nothing. Whatever one `apply` writes may reach the disk in any order, in part, torn at sector borders, until
 * the caller's flush has ended. So the flush of a page has ended before the next page is applied: two on their way at once could both be
 * torn, and with them both slots. Everything else may be applied while a flush is under way.
 */
import type { VolumeId } from "../identity.ts";
import { invariant, unreachable } from "../invariant.ts";
import type { BootBlock } from "../machine/entry.ts";
import { blankPage, type Page } from "../pair/page.ts";
import { BLOCK_SIZE, extentOf, type Lba, SECTOR_SIZE } from "../units.ts";
import { type Bitmap, bitmapSectors, openBitmap } from "./bitmap.ts";
import {
  type DiskIdentity,
  extentsOf,
  layoutOf,
  parseSuperblock,
  SUPERBLOCK_SIZE,
  superblockJson,
  type VmLayout,
  type VolumeLayout,
} from "./layout.ts";
import type { DiskContents, DiskOp, ReadBlock } from "./ops.ts";
import { parsePage } from "./parse-page.ts";
import { readBlocks, type VerifiedBlock } from "./read-blocks.ts";
import {
  type Crc32,
  decodeApplied,
  decodeSlot,
  encodeApplied,
  encodeSlot,
  isBlank,
  newest,
  PAGE_MAGIC,
  SUPER_MAGIC,
} from "./slots.ts";
import { eachWritten, openSums, type SumTable, sumTableSize } from "./sums.ts";
import { type VerifiedVolume, verifyVolume } from "./verify.ts";

/** A disk with a volatile cache. */
export interface DiskBytes {
  /** Exactly `length` bytes, cached writes included, zero past the end. The bytes are the caller's to keep. */
  read(offset: number, length: number): Uint8Array;
  /**
   * Into the cache. `bytes` is whole sectors at a sector border.
   *
   * @param isGiven nobody changes `bytes` any more, so the disk may keep them; else it does not
   */
  write(offset: number, bytes: Uint8Array, isGiven?: boolean): void;
}

export type BadBlock = ReadBlock;

export type OpenResult =
  | {
      readonly ok: true;
      readonly contents: DiskContents;
      /**
       * Null: the disk was formatted long ago. Else it is being formatted: once all that `open` wrote is durable, and not before, this writes
       * the superblock, which is flushed too.
       */
      readonly seal: (() => void) | null;
    }
  | {
      readonly ok: false;
      readonly code: "FOREIGN_DISK" | "BAD_SUPERBLOCK";
      readonly why: string;
    };

export interface DiskStore {
  /**
   * Before anything else. A blank disk (first block all zero) is formatted into the cache; so is one whose superblock is unreadable while
   * everything else says that no host ever started on it: its first format was cut short.
   */
  open(): OpenResult;
  /** Into the cache, in order. Of several pages, or applied records, only the last is written. */
  apply(ops: readonly DiskOp[]): void;
  /** These blocks of a volume, in the order asked for. One that was never written is whole and all zero. */
  readBlocks(volume: VolumeId, lbas: readonly Lba[]): readonly VerifiedBlock[];
  /**
   * Every block ever written, by volume and address. Blocks whose checksum, address or entry is wrong are in both lists. A block with
   * an empty entry was never written, whatever its bytes are: a first write whose entry never arrived did not happen.
   */
  readAll(): { readonly blocks: readonly BootBlock[]; readonly bad: readonly BadBlock[] };
}

interface OpenDisk {
  readonly layout: VmLayout;
  pageSequence: number;
  appliedSequence: number;
  /** Holds the record while it is given to the disk. */
  readonly appliedSector: Uint8Array;
  readonly volumes: ReadonlyMap<VolumeId, OpenVolume>;
}

interface OpenVolume {
  readonly layout: VolumeLayout;
  readonly intents: Bitmap;
  readonly dirty: Bitmap;
  readonly sums: SumTable;
}

interface Medium {
  readonly raw: DiskBytes;
  readonly crc32: Crc32;
}

export function createStore(raw: DiskBytes, crc32: Crc32, identity: DiskIdentity): DiskStore {
  const medium: Medium = { raw, crc32 };
  let disk: OpenDisk | null = null;
  return {
    open: () => {
      const found = findLayout(medium, identity);
      if (!found.ok) return found;
      const { layout, isFresh } = found;
      const loaded = load(medium, identity, layout);
      disk = loaded.disk;
      const seal = isFresh ? (): void => writeSuperblock(medium, identity, layout) : null;
      return { ok: true, contents: loaded.contents, seal };
    },
    apply: (ops) => {
      invariant(disk !== null, "a disk is opened before it is written");
      applyAll(medium, disk, ops);
    },
    readBlocks: (volume, lbas) => {
      invariant(disk !== null, "a disk is opened before it is read");
      const read = raw.read.bind(raw);
      return readBlocks({ read, crc32 }, volumeOf(disk, volume).layout, lbas);
    },
    readAll: () => {
      invariant(disk !== null, "a disk is opened before it is read");
      return readVolumes(medium, disk.layout.volumes);
    },
  };
}

type FoundLayout =
  /** `isFresh`: formatted just now. */
  | { readonly ok: true; readonly layout: VmLayout; readonly isFresh: boolean }
  | Extract<OpenResult, { readonly ok: false }>;

function findLayout(medium: Medium, identity: DiskIdentity): FoundLayout {
  const first = medium.raw.read(0, SUPERBLOCK_SIZE);
  if (isBlank(first)) return { ok: true, layout: format(medium, identity), isFresh: true };
  const slot = decodeSlot(medium.crc32, SUPER_MAGIC, first);
  if (slot === null) {
    if (isUntouched(medium, identity)) {
      return { ok: true, layout: format(medium, identity), isFresh: true };
    }
    return { ok: false, code: "BAD_SUPERBLOCK", why: "its magic, length or checksum is wrong" };
  }
  const parsed = parseSuperblock(slot.json);
  if (!parsed.ok) return { ok: false, code: "BAD_SUPERBLOCK", why: parsed.why };
  const { cluster, host, vms } = parsed.value;
  const foreign = (why: string): FoundLayout => ({ ok: false, code: "FOREIGN_DISK", why });
  if (cluster !== identity.cluster) return foreign(`it belongs to cluster ${cluster}`);
  if (host !== identity.host) return foreign(`it belongs to host ${host}`);
  const layout = vms.find(({ vm }) => vm === identity.vm);
  if (layout === undefined) return foreign(`it holds no VM ${identity.vm}`);
  const shapes = layout.volumes.map(({ volume, blocks }) => ({ id: volume, blocks }));
  if (!isSameShape(shapes, identity.volumes)) return foreign(`it holds other volumes of the VM`);
  return { ok: true, layout, isFresh: false };
}

/**
 * All of a new disk but its superblock, which goes last: a format cut short leaves a disk that is still blank. What an earlier life of the
 * disk left in the areas that are read is wiped, since an old page would have the higher sequence.
 */
function format({ raw, crc32 }: Medium, identity: DiskIdentity): VmLayout {
  const layout = layoutOf(identity);
  const [firstVolume] = layout.volumes;
  wipe(raw, SUPERBLOCK_SIZE, firstVolume?.intents ?? layout.applied[1] + SECTOR_SIZE);
  for (const volume of layout.volumes) wipe(raw, volume.intents, volume.data);
  const page = { sequence: 1, json: firstPage(identity) };
  raw.write(layout.page[1], encodeSlot(crc32, PAGE_MAGIC, page, layout.pageSize));
  return layout;
}

function firstPage(identity: DiskIdentity): string {
  return JSON.stringify(blankPage(pageIdentity(identity)));
}

function writeSuperblock({ raw, crc32 }: Medium, identity: DiskIdentity, layout: VmLayout): void {
  const superblock = { sequence: 0, json: superblockJson(identity, layout) };
  raw.write(0, encodeSlot(crc32, SUPER_MAGIC, superblock, SUPERBLOCK_SIZE));
}

/**
 * It holds what a format leaves and nothing else. A host writes its page before it says a word to anybody, so nobody counts on this disk, and
 * a superblock that cannot be read is one that a power failure tore.
 */
function isUntouched({ raw, crc32 }: Medium, identity: DiskIdentity): boolean {
  const { page, pageSize, applied, volumes } = layoutOf(identity);
  const slot = decodeSlot(crc32, PAGE_MAGIC, raw.read(page[1], pageSize));
  if (slot?.sequence !== 1 || slot.json !== firstPage(identity)) return false;
  if (!isBlank(raw.read(page[0], pageSize))) return false;
  if (!applied.every((at) => isBlank(raw.read(at, SECTOR_SIZE)))) return false;
  return volumes.every(({ intents, data }) => isBlank(raw.read(intents, data - intents)));
}

/** Only where something is, so that a sparse file stays sparse. */
function wipe(raw: DiskBytes, start: number, end: number): void {
  for (let offset = start; offset < end; offset += BLOCK_SIZE) {
    const length = Math.min(BLOCK_SIZE, end - offset);
    if (!isBlank(raw.read(offset, length))) raw.write(offset, new Uint8Array(length));
  }
}

function load(
  medium: Medium,
  identity: DiskIdentity,
  layout: VmLayout,
): { readonly disk: OpenDisk; readonly contents: DiskContents } {
  const { raw, crc32 } = medium;
  const slot = newest(
    layout.page.map((at) => decodeSlot(crc32, PAGE_MAGIC, raw.read(at, layout.pageSize))),
  );
  const applied = newest(
    layout.applied.map((at) => decodeApplied(crc32, raw.read(at, SECTOR_SIZE))),
  );
  const page = slot === null ? null : pageOf(slot.json, identity);
  const volumes = new Map(
    layout.volumes.map((volume) => [volume.volume, openVolume(medium, volume)]),
  );
  const disk: OpenDisk = {
    layout,
    pageSequence: slot?.sequence ?? 0,
    appliedSequence: applied?.sequence ?? 0,
    appliedSector: new Uint8Array(SECTOR_SIZE),
    volumes,
  };
  const verified = new Map(
    Array.from(volumes, ([id, volume]) => [id, verify(medium, volume, page)] as const),
  );
  // A record of another boot than the page's says nothing of this copy.
  const isCounted = applied !== null && applied.boot === page?.vmBoot?.id;
  const contents: DiskContents = {
    page,
    applied: isCounted ? { boot: applied.boot, number: applied.number } : null,
    intents: new Map(Array.from(volumes, ([id, volume]) => [id, volume.intents.indices()])),
    dirty: new Map(Array.from(volumes, ([id, volume]) => [id, volume.dirty.indices()])),
    sums: new Map(Array.from(verified, ([id, { sums }]) => [id, sums])),
    torn: Array.from(verified.values()).flatMap(({ torn }) => torn),
  };
  return { disk, contents };
}

/** A copy in resync takes blocks whose extents no intent names: all of it is suspect. So is one whose page is lost. */
function verify({ raw, crc32 }: Medium, volume: OpenVolume, page: Page | null): VerifiedVolume {
  const intents = volume.intents.indices();
  const isAll = page === null || page.copy === "inconsistent";
  return verifyVolume(
    { read: raw.read.bind(raw), crc32 },
    volume.layout,
    (lba) => isAll || intents.has(extentOf(lba)),
  );
}

/**
 * Null for a page whose checksum is right and that makes no sense here. The older slot is no substitute: this one was written whole, and
 * the right in the older one may have been given up in it.
 */
function pageOf(json: string, identity: DiskIdentity): Page | null {
  const parsed = parsePage(json);
  if (!parsed.ok) return null;
  const { cluster, vm, volumes } = parsed.value;
  const isOwn = cluster === identity.cluster && vm === identity.vm;
  return isOwn && isSameShape(volumes, identity.volumes) ? parsed.value : null;
}

function openVolume({ raw, crc32 }: Medium, layout: VolumeLayout): OpenVolume {
  const bitmap = (offset: number, count: number): Bitmap =>
    openBitmap(crc32, raw.read(offset, SECTOR_SIZE * bitmapSectors(count)), count);
  return {
    layout,
    intents: bitmap(layout.intents, extentsOf(layout.blocks)),
    dirty: bitmap(layout.dirty, layout.blocks),
    sums: openSums(crc32, raw.read(layout.sums, sumTableSize(layout.blocks)), layout),
  };
}

type OpOf<Name extends DiskOp["op"]> = Extract<DiskOp, { readonly op: Name }>;

/** Sectors that several ops touch are written once, after the blocks: nothing is durable before the flush, so the order is free. */
function applyAll(medium: Medium, disk: OpenDisk, ops: readonly DiskOp[]): void {
  let page: OpOf<"page"> | null = null;
  let applied: OpOf<"applied"> | null = null;
  for (const op of ops) {
    switch (op.op) {
      case "page":
        page = op;
        break;
      case "applied":
        applied = op;
        break;
      case "intents":
        changeBits(volumeOf(disk, op.volume).intents, op);
        break;
      case "dirty":
        changeBits(volumeOf(disk, op.volume).dirty, op);
        break;
      case "block":
        writeBlock(medium.raw, volumeOf(disk, op.volume), op);
        break;
      default:
        unreachable(op);
    }
  }
  for (const volume of disk.volumes.values()) writeTouched(medium.raw, volume);
  if (applied !== null) writeApplied(medium, disk, applied);
  if (page !== null) writePage(medium, disk, page.page);
}

function changeBits(
  bitmap: Bitmap,
  change: { readonly set: readonly number[]; readonly clear: readonly number[] },
): void {
  for (const index of change.set) bitmap.set(index);
  for (const index of change.clear) bitmap.clear(index);
}

function writeBlock(raw: DiskBytes, volume: OpenVolume, block: OpOf<"block">): void {
  invariant(block.data.length === BLOCK_SIZE, "a block is written whole");
  volume.sums.set(block.lba, block.sum);
  raw.write(volume.layout.data + BLOCK_SIZE * block.lba, block.data, true);
}

function writeTouched(raw: DiskBytes, { layout, intents, dirty, sums }: OpenVolume): void {
  for (const { offset, bytes } of intents.takeTouched()) raw.write(layout.intents + offset, bytes);
  for (const { offset, bytes } of dirty.takeTouched()) raw.write(layout.dirty + offset, bytes);
  for (const { offset, bytes } of sums.takeTouched()) raw.write(layout.sums + offset, bytes);
}

function writeApplied({ raw, crc32 }: Medium, disk: OpenDisk, op: OpOf<"applied">): void {
  disk.appliedSequence += 1;
  const { boot, number } = op;
  const { appliedSequence: sequence, appliedSector } = disk;
  const bytes = encodeApplied(crc32, { sequence, boot, number }, appliedSector);
  raw.write(turnOf(disk.layout.applied, disk.appliedSequence), bytes);
}

/** The slot that is not in force, so that a torn write leaves the one that is. */
function writePage({ raw, crc32 }: Medium, disk: OpenDisk, page: Page): void {
  disk.pageSequence += 1;
  const slot = { sequence: disk.pageSequence, json: JSON.stringify(page) };
  const bytes = encodeSlot(crc32, PAGE_MAGIC, slot, disk.layout.pageSize);
  raw.write(turnOf(disk.layout.page, disk.pageSequence), bytes);
}

function readVolumes(
  { raw, crc32 }: Medium,
  volumes: readonly VolumeLayout[],
): ReturnType<DiskStore["readAll"]> {
  const blocks: BootBlock[] = [];
  const bad: BadBlock[] = [];
  for (const layout of volumes) {
    const { volume } = layout;
    // From the disk, not from memory: rot of the table is looked for too.
    const table = raw.read(layout.sums, sumTableSize(layout.blocks));
    eachWritten(crc32, table, layout, (lba, entry) => {
      const data = raw.read(layout.data + BLOCK_SIZE * lba, BLOCK_SIZE);
      const sum = crc32(data);
      blocks.push({ volume, lba, data });
      if (entry.kind === "bad" || entry.sum !== sum) bad.push({ volume, lba, data, sum });
    });
  }
  return { blocks, bad };
}

function volumeOf(disk: OpenDisk, id: VolumeId): OpenVolume {
  const volume = disk.volumes.get(id);
  invariant(volume !== undefined, "an op names a volume of the disk");
  return volume;
}

function turnOf(slots: readonly [number, number], sequence: number): number {
  return sequence % 2 === 0 ? slots[0] : slots[1];
}

function pageIdentity({ cluster, vm, volumes }: DiskIdentity): Parameters<typeof blankPage>[0] {
  return { cluster, vm, volumes: volumes.map(({ id, blocks }) => ({ id, blocks })) };
}

function isSameShape(
  left: ReturnType<typeof pageIdentity>["volumes"],
  right: ReturnType<typeof pageIdentity>["volumes"],
): boolean {
  const isSame = left.every(
    ({ id, blocks }, index) => right[index]?.id === id && right[index].blocks === blocks,
  );
  return isSame && left.length === right.length;
}
