/** Disks made byte by byte from docs/disk-format.md. Shares no code with the reader, nor with the hosts. */
import { crc32 } from "node:zlib";

export const BLOCKS = 256;
const LAYOUT = {
  page: [4_096, 12_288],
  pageSize: 8_192,
  applied: [20_480, 20_992],
  intents: 21_504,
  dirty: 22_016,
  sums: 24_576,
  data: 28_672,
} as const;
export const PAGE_OFFSETS = LAYOUT.page;
export const INTENTS_OFFSET = LAYOUT.intents;
const DISK_BYTES = LAYOUT.data + BLOCKS * 4_096;

export interface DiskPlan {
  readonly host: string;
  readonly cluster?: string;
  readonly blocks?: number;
  readonly right?: string;
  readonly copy?: string;
  readonly gen?: { readonly n: number; readonly id: string; readonly kind: string };
  readonly hold?: { readonly kind: string; readonly wallMs: number | null };
  /** Block address → byte that fills it. */
  readonly written?: Readonly<Record<number, number>>;
  readonly intents?: readonly number[];
  readonly dirty?: readonly number[];
}

export function buildDisk(plan: DiskPlan): Buffer {
  const disk = Buffer.alloc(DISK_BYTES);
  const volume = {
    volume: 0,
    blocks: plan.blocks ?? BLOCKS,
    intents: LAYOUT.intents,
    dirty: LAYOUT.dirty,
    sums: LAYOUT.sums,
    data: LAYOUT.data,
  };
  const superblock = {
    format: 1,
    cluster: plan.cluster ?? "c-1",
    host: plan.host,
    blockSize: 4_096,
    blocksPerExtent: 64,
    vms: [
      {
        vm: "vm1",
        page: LAYOUT.page,
        pageSize: LAYOUT.pageSize,
        applied: LAYOUT.applied,
        volumes: [volume],
      },
    ],
  };
  putSlot(disk, { offset: 0, magic: "FLSUPER1", sequence: 0, json: superblock });
  putPage(disk, 6, { right: "none", copy: "blank" });
  const { right = "open", copy = "in-sync", gen = null, hold = null } = plan;
  putPage(disk, 7, { right, copy, gen, hold });
  for (const [lba, fill] of Object.entries(plan.written ?? {})) putBlock(disk, Number(lba), fill);
  putBits(disk, LAYOUT.intents, plan.intents ?? []);
  putBits(disk, LAYOUT.dirty, plan.dirty ?? []);
  return disk;
}

export function putPage(
  disk: Buffer,
  sequence: number,
  page: { readonly right: string; readonly copy: string; readonly [field: string]: unknown },
): void {
  const json = { cluster: "c-1", vm: "vm1", gen: null, vmBoot: null, ...page };
  const offset = LAYOUT.page[sequence % 2 === 0 ? 0 : 1];
  putSlot(disk, { offset, magic: "FLPAGE01", sequence, json });
}

export function putSlot(
  disk: Buffer,
  slot: {
    readonly offset: number;
    readonly magic: string;
    readonly sequence: number;
    readonly json: unknown;
  },
): void {
  const text = Buffer.from(JSON.stringify(slot.json), "utf8");
  disk.write(slot.magic, slot.offset, "latin1");
  disk.writeBigUInt64LE(BigInt(slot.sequence), slot.offset + 8);
  disk.writeUInt32LE(text.length, slot.offset + 16);
  const head = disk.subarray(slot.offset, slot.offset + 20);
  disk.writeUInt32LE(crc32(Buffer.concat([head, text])), slot.offset + 20);
  disk.fill(0, slot.offset + 24, slot.offset + 32);
  text.copy(disk, slot.offset + 32);
}

export function putBlock(disk: Buffer, lba: number, fill: number): void {
  const data = Buffer.alloc(4_096, fill);
  data.copy(disk, dataOffset(lba));
  const entry = Buffer.alloc(16);
  entry.writeUInt32LE(crc32(data), 0);
  entry.writeUInt32LE(lba, 4);
  entry.writeUInt16LE(0, 8);
  entry.writeUInt16LE(1, 10);
  entry.writeUInt32LE(crc32(entry.subarray(0, 12)), 12);
  entry.copy(disk, sumOffset(lba));
}

export function dataOffset(lba: number): number {
  return LAYOUT.data + 4_096 * lba;
}

export function sumOffset(lba: number): number {
  return LAYOUT.sums + 16 * lba;
}

function putBits(disk: Buffer, offset: number, indices: readonly number[]): void {
  if (indices.length === 0) return;
  for (const index of indices) {
    const at = offset + Math.floor(index / 8);
    disk.writeUInt8(disk.readUInt8(at) | (1 << (index % 8)), at);
  }
  disk.writeUInt32LE(crc32(disk.subarray(offset, offset + 508)), offset + 508);
}
