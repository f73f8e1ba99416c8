/** What the blocks of a volume hold, by their bytes: a copy is compared with its peer's by what is there, not by what the checksum table says. */
import { BLOCK_SIZE, type Lba, ZERO_BLOCK_SUM } from "../units.ts";
import type { VolumeLayout } from "./layout.ts";
import type { ReadBlock } from "./ops.ts";
import type { Crc32 } from "./slots.ts";
import { eachWritten, sumTableSize } from "./sums.ts";

export interface VerifiedVolume {
  /** By address. */
  readonly sums: Uint32Array;
  /** Suspect blocks whose entry does not match their bytes. */
  readonly torn: readonly ReadBlock[];
}

/** A block with an empty entry was never written, whatever its bytes are. */
export function verifyVolume(
  disk: { readonly read: (offset: number, length: number) => Uint8Array; readonly crc32: Crc32 },
  layout: VolumeLayout,
  isSuspect: (lba: Lba) => boolean,
): VerifiedVolume {
  const { read, crc32 } = disk;
  const { volume, blocks } = layout;
  const table = read(layout.sums, sumTableSize(blocks));
  const sums = new Uint32Array(blocks).fill(ZERO_BLOCK_SUM);
  const torn: ReadBlock[] = [];
  eachWritten(crc32, table, layout, (lba, entry) => {
    const bytes = read(layout.data + BLOCK_SIZE * lba, BLOCK_SIZE);
    const sum = crc32(bytes);
    sums[lba] = sum;
    const isWhole = entry.kind === "written" && entry.sum === sum;
    if (!isWhole && isSuspect(lba)) torn.push({ volume, lba, data: bytes, sum });
  });
  return { sums, torn };
}
