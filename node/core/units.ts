/** Span of time. Unit: milliseconds; 0 or more. */
export type Milliseconds = number;
/** Point on the clock of the host that reads it, counted from an arbitrary start. Unit: milliseconds. Never wall time. */
export type Instant = number;
/** Block address in one volume: an index of blocks, not a byte offset. */
export type Lba = number;

/** Size of a block. Unit: bytes. */
export const BLOCK_SIZE = 4096;
/** Size of a sector, the unit that a disk writes whole or not at all. Unit: bytes. */
export const SECTOR_SIZE = 512;
/** Blocks in one extent of the intent log: 256 KiB, so that a 64 MiB volume has 256 bits. */
export const BLOCKS_PER_EXTENT = 64;

/** CRC-32 of a block of zeros: the sum of a block that was never written. */
export const ZERO_BLOCK_SUM = 0xc71c_0011;

export const extentOf = (lba: Lba): number => Math.floor(lba / BLOCKS_PER_EXTENT);
