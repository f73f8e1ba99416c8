/** Bytes at offsets; what was never written reads as zeros and takes no memory. */
export interface SparseBytes {
  /** End of the last byte ever written. */
  readonly size: number;
  /** A copy. */
  read(offset: number, length: number): Uint8Array;
  write(offset: number, bytes: Uint8Array): void;
  /** Takes over the other's content. */
  become(other: SparseBytes): void;
  chunks(): ReadonlyMap<number, Uint8Array>;
  /** What was written, in pieces of at most 4 KiB. */
  ranges(): readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  /** Pieces of 4 KiB that differ. */
  countDifferent(other: SparseBytes): number;
}

const CHUNK = 4_096;
const ZEROS = new Uint8Array(CHUNK);

export function createBytes(): SparseBytes {
  let chunks = new Map<number, Uint8Array>();
  let size = 0;
  return {
    get size() {
      return size;
    },
    read(offset, length) {
      const result = new Uint8Array(length);
      eachPiece(offset, length, (index, from, at, count) => {
        const chunk = chunks.get(index);
        if (chunk !== undefined) result.set(chunk.subarray(from, from + count), at);
      });
      return result;
    },
    write(offset, bytes) {
      eachPiece(offset, bytes.length, (index, from, at, count) => {
        let chunk = chunks.get(index);
        if (chunk === undefined) {
          chunk = new Uint8Array(CHUNK);
          chunks.set(index, chunk);
        }
        chunk.set(bytes.subarray(at, at + count), from);
      });
      size = Math.max(size, offset + bytes.length);
    },
    become(other) {
      chunks = new Map([...other.chunks()].map(([index, chunk]) => [index, chunk.slice()]));
      size = other.size;
    },
    chunks: () => chunks,
    ranges: () =>
      [...chunks].map(([index, bytes]) => ({ offset: index * CHUNK, bytes: bytes.slice() })),
    countDifferent(other) {
      const all = new Set([...chunks.keys(), ...other.chunks().keys()]);
      const theirs = other.chunks();
      const isEqual = (index: number): boolean =>
        Buffer.compare(chunks.get(index) ?? ZEROS, theirs.get(index) ?? ZEROS) === 0;
      return [...all].filter((index) => !isEqual(index)).length;
    },
  };
}

function eachPiece(
  offset: number,
  length: number,
  visit: (chunk: number, from: number, at: number, count: number) => void,
): void {
  for (let at = 0; at < length; ) {
    const index = Math.floor((offset + at) / CHUNK);
    const from = offset + at - index * CHUNK;
    const count = Math.min(CHUNK - from, length - at);
    visit(index, from, at, count);
    at += count;
  }
}
