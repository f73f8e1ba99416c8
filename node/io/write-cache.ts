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

/** Neighbouring sectors, as one write of several buffers: one a block. */
export interface Run {
  readonly offset: number;
  /** Of all buffers. Unit: bytes. */
  readonly length: number;
  readonly buffers: readonly Uint8Array[];
}

export type ReadSector = (offset: number) => Uint8Array;

const SECTORS_PER_BLOCK = BLOCK_SIZE / SECTOR_SIZE;
const WHOLE = (1 << SECTORS_PER_BLOCK) - 1;
/** Empty blocks kept for the next writes: making one costs more than filling it. */
const SPARES_MAX = 512;
/** Limit of one vectored write (IOV_MAX). */
const BUFFERS_MAX = 1_024;

export interface WriteCache {
  /** Count of cached sectors. */
  readonly sectorCount: number;
  /** @param readSector current content of a sector that is not cached; called for the ends of a write that covers a sector in part */
  put(offset: number, bytes: Uint8Array, readSector: ReadSector): void;
  /** Forgets whole sectors: the file has newer ones. */
  drop(offset: number, length: number): void;
  /** Puts the cached sectors into `into`, which was read at `offset`. */
  overlay(offset: number, into: Uint8Array): void;
  /** Everything, in the order of its place. */
  runs(): readonly Run[];
  clear(): void;
}

export function createWriteCache(): WriteCache {
  const blocks = new Map<number, CachedBlock>();
  const spares: CachedBlock[] = [];
  let sectorCount = 0;

  function blockFor(index: number): CachedBlock {
    let block = blocks.get(index);
    if (block === undefined) {
      block = spares.pop() ?? { bytes: new Uint8Array(BLOCK_SIZE), sectors: 0 };
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

  function putBlock(index: number, bytes: Uint8Array): void {
    const block = blockFor(index);
    block.bytes.set(bytes);
    sectorCount += SECTORS_PER_BLOCK - countOf(block.sectors);
    block.sectors = WHOLE;
  }

  function forget(block: CachedBlock): void {
    if (spares.length === SPARES_MAX) return;
    block.sectors = 0;
    spares.push(block);
  }

  return {
    get sectorCount() {
      return sectorCount;
    },
    put(offset, bytes, readSector) {
      if (offset % BLOCK_SIZE === 0 && bytes.length === BLOCK_SIZE) {
        putBlock(offset / BLOCK_SIZE, bytes);
        return;
      }
      for (let done = 0; done < bytes.length; ) {
        const at = offset + done;
        const length = Math.min(SECTOR_SIZE - (at % SECTOR_SIZE), bytes.length - done);
        putSector(at, bytes.subarray(done, done + length), readSector);
        done += length;
      }
    },
    drop(offset, length) {
      for (let at = offset; at < offset + length; at += SECTOR_SIZE) {
        const index = Math.floor(at / BLOCK_SIZE);
        const block = blocks.get(index);
        const bit = 1 << ((at % BLOCK_SIZE) / SECTOR_SIZE);
        if (block === undefined || (block.sectors & bit) === 0) continue;
        block.sectors &= ~bit;
        sectorCount -= 1;
        if (block.sectors === 0 && blocks.delete(index)) forget(block);
      }
    },
    overlay(offset, into) {
      const last = Math.floor((offset + into.length - 1) / BLOCK_SIZE);
      for (let index = Math.floor(offset / BLOCK_SIZE); index <= last; index += 1) {
        const block = blocks.get(index);
        if (block !== undefined) overlayBlock(block, index * BLOCK_SIZE, offset, into);
      }
    },
    runs: () => runsOf([...blocks].sort(([left], [right]) => left - right)),
    clear() {
      for (const block of blocks.values()) forget(block);
      blocks.clear();
      sectorCount = 0;
    },
  };
}

function runsOf(ascending: readonly (readonly [index: number, CachedBlock])[]): readonly Run[] {
  const runs: GrowingRun[] = [];
  for (const [index, block] of ascending) {
    for (let from = 0; from < SECTORS_PER_BLOCK; ) {
      const to = endOfSpan(block.sectors, from);
      if (to > from)
        addSpan(runs, index * BLOCK_SIZE + from * SECTOR_SIZE, spanOf(block, from, to));
      from = to + 1;
    }
  }
  return runs;
}

interface GrowingRun extends Run {
  length: number;
  readonly buffers: Uint8Array[];
}

function addSpan(runs: GrowingRun[], offset: number, bytes: Uint8Array): void {
  const last = runs.at(-1);
  const isNext = last !== undefined && last.offset + last.length === offset;
  if (isNext && last.buffers.length < BUFFERS_MAX) {
    last.buffers.push(bytes);
    last.length += bytes.length;
  } else {
    runs.push({ offset, length: bytes.length, buffers: [bytes] });
  }
}

/** First sector from `from` on that is not cached; `from` itself when it is not. */
function endOfSpan(sectors: number, from: number): number {
  let to = from;
  while (to < SECTORS_PER_BLOCK && (sectors & (1 << to)) !== 0) to += 1;
  return to;
}

function spanOf({ bytes }: CachedBlock, from: number, to: number): Uint8Array {
  const isWhole = from === 0 && to === SECTORS_PER_BLOCK;
  return isWhole ? bytes : bytes.subarray(from * SECTOR_SIZE, to * SECTOR_SIZE);
}

function countOf(sectors: number): number {
  let count = 0;
  for (let left = sectors; left !== 0; left &= left - 1) count += 1;
  return count;
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
