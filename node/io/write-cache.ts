/**
 * Sectors written and not yet given to the file. Kept by block: a block's buffer and which of its eight sectors it holds. A sector written
 * twice between two flushes is kept once, as a disk's cache does.
 */
import { BLOCK_SIZE, SECTOR_SIZE } from "../core/units.ts";

interface CachedBlock {
  readonly bytes: Uint8Array;
  /** Bit i: sector i of the block is here. */
  sectors: number;
}

/** Neighbouring sectors, as one write of several buffers. */
export interface Run {
  readonly offset: number;
  readonly buffers: readonly Uint8Array[];
}

export type ReadSector = (offset: number) => Uint8Array;

const SECTORS_PER_BLOCK = BLOCK_SIZE / SECTOR_SIZE;
/** Limit of one vectored write (IOV_MAX). */
const BUFFERS_MAX = 1_024;

export interface WriteCache {
  /** Count of cached sectors. */
  readonly sectorCount: number;
  /** @param readSector current content of a sector that is not cached; called for the ends of a write that covers a sector in part */
  put(offset: number, bytes: Uint8Array, readSector: ReadSector): void;
  /** Puts the cached sectors into `into`, which was read at `offset`. */
  overlay(offset: number, into: Uint8Array): void;
  /** Everything, in the order of its place. */
  runs(): readonly Run[];
  clear(): void;
}

export function createWriteCache(): WriteCache {
  const blocks = new Map<number, CachedBlock>();
  let sectorCount = 0;

  function blockFor(index: number): CachedBlock {
    let block = blocks.get(index);
    if (block === undefined) {
      block = { bytes: new Uint8Array(BLOCK_SIZE), sectors: 0 };
      blocks.set(index, block);
    }
    return block;
  }

  function putSector(at: number, piece: Uint8Array, readSector: ReadSector): void {
    const sector = Math.floor(at / SECTOR_SIZE);
    const block = blockFor(Math.floor(sector / SECTORS_PER_BLOCK));
    const bit = 1 << (sector % SECTORS_PER_BLOCK);
    if ((block.sectors & bit) === 0) {
      if (piece.length < SECTOR_SIZE) {
        block.bytes.set(readSector(sector * SECTOR_SIZE), (sector * SECTOR_SIZE) % BLOCK_SIZE);
      }
      block.sectors |= bit;
      sectorCount += 1;
    }
    block.bytes.set(piece, at % BLOCK_SIZE);
  }

  function* cachedSectors(): Generator<{ readonly offset: number; readonly bytes: Uint8Array }> {
    for (const [index, block] of [...blocks].sort(([left], [right]) => left - right)) {
      for (let sector = 0; sector < SECTORS_PER_BLOCK; sector += 1) {
        if ((block.sectors & (1 << sector)) === 0) continue;
        const at = sector * SECTOR_SIZE;
        yield {
          offset: index * BLOCK_SIZE + at,
          bytes: block.bytes.subarray(at, at + SECTOR_SIZE),
        };
      }
    }
  }

  return {
    get sectorCount() {
      return sectorCount;
    },
    put(offset, bytes, readSector) {
      for (let done = 0; done < bytes.length; ) {
        const at = offset + done;
        const length = Math.min(SECTOR_SIZE - (at % SECTOR_SIZE), bytes.length - done);
        putSector(at, bytes.subarray(done, done + length), readSector);
        done += length;
      }
    },
    overlay(offset, into) {
      const last = Math.floor((offset + into.length - 1) / BLOCK_SIZE);
      for (let index = Math.floor(offset / BLOCK_SIZE); index <= last; index += 1) {
        const block = blocks.get(index);
        if (block !== undefined) overlayBlock(block, index * BLOCK_SIZE, offset, into);
      }
    },
    runs() {
      const runs: { offset: number; end: number; buffers: Uint8Array[] }[] = [];
      for (const { offset, bytes } of cachedSectors()) {
        const last = runs.at(-1);
        if (last !== undefined && last.end === offset && last.buffers.length < BUFFERS_MAX) {
          last.buffers.push(bytes);
          last.end += bytes.length;
        } else {
          runs.push({ offset, end: offset + bytes.length, buffers: [bytes] });
        }
      }
      return runs;
    },
    clear() {
      blocks.clear();
      sectorCount = 0;
    },
  };
}

function overlayBlock(block: CachedBlock, blockAt: number, offset: number, into: Uint8Array): void {
  for (let sector = 0; sector < SECTORS_PER_BLOCK; sector += 1) {
    if ((block.sectors & (1 << sector)) === 0) continue;
    const at = blockAt + sector * SECTOR_SIZE;
    const from = Math.max(at, offset);
    const to = Math.min(at + SECTOR_SIZE, offset + into.length);
    if (from < to) into.set(block.bytes.subarray(from - blockAt, to - blockAt), from - offset);
  }
}
