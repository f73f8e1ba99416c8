/** Bytes at offsets; what was never written reads as zeros and takes no memory. Copies share what neither has changed since. */
export interface SparseBytes {
  /** End of the last byte ever written. */
  readonly size: number;
  /** A copy. */
  read(offset: number, length: number): Uint8Array;
  /** Ownership of `bytes` passes: nobody changes them any more. */
  write(offset: number, bytes: Uint8Array): void;
  /** Takes over the other's content. */
  become(other: SparseBytes): void;
  /** The content in pieces of 4 KiB by their number, for a copy that changes none of them: from here on this one changes none either. */
  share(): ReadonlyMap<number, Uint8Array>;
  /** What was written, in pieces of at most 4 KiB. */
  ranges(): readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  /** Pieces of 4 KiB that differ. */
  countDifferent(other: SparseBytes): number;
}

const CHUNK = 4_096;
const ZEROS = new Uint8Array(CHUNK);

export function createBytes(): SparseBytes {
  let chunks = new Map<number, Uint8Array>();
  /** Chunks that nobody else holds: they are changed in place. */
  const own = new Set<number>();
  let size = 0;

  function ownChunk(index: number): Uint8Array {
    const known = chunks.get(index);
    if (known !== undefined && own.has(index)) return known;
    const chunk = copyOf(known);
    chunks.set(index, chunk);
    own.add(index);
    return chunk;
  }

  function writePiece(index: number, from: number, piece: Uint8Array): void {
    if (piece.length < CHUNK) {
      ownChunk(index).set(piece, from);
      return;
    }
    chunks.set(index, piece);
    own.delete(index);
  }

  return {
    get size() {
      return size;
    },
    read(offset, length) {
      const first = Math.floor(offset / CHUNK);
      if (length === CHUNK && first * CHUNK === offset) {
        return copyOf(chunks.get(first));
      }
      const result = new Uint8Array(length);
      eachPiece(offset, length, (index, from, at, count) => {
        const chunk = chunks.get(index);
        if (chunk !== undefined) result.set(chunk.subarray(from, from + count), at);
      });
      return result;
    },
    write(offset, bytes) {
      size = Math.max(size, offset + bytes.length);
      const first = Math.floor(offset / CHUNK);
      const from = offset - first * CHUNK;
      if (from + bytes.length <= CHUNK) {
        writePiece(first, from, bytes);
        return;
      }
      eachPiece(offset, bytes.length, (index, start, at, count) =>
        writePiece(index, start, bytes.subarray(at, at + count)),
      );
    },
    become(other) {
      chunks = new Map(other.share());
      own.clear();
      size = other.size;
    },
    share() {
      own.clear();
      return chunks;
    },
    ranges() {
      own.clear();
      return [...chunks].map(([index, bytes]) => ({ offset: index * CHUNK, bytes }));
    },
    countDifferent(other) {
      const theirs = other.share();
      const all = new Set([...chunks.keys(), ...theirs.keys()]);
      const isEqual = (index: number): boolean => {
        const [mine, its] = [chunks.get(index) ?? ZEROS, theirs.get(index) ?? ZEROS];
        return mine === its || Buffer.compare(mine, its) === 0;
      };
      return [...all].filter((index) => !isEqual(index)).length;
    },
  };
}

/** Of a buffer, too: its `slice` would share the bytes. */
function copyOf(chunk: Uint8Array | undefined): Uint8Array {
  return chunk === undefined ? new Uint8Array(CHUNK) : new Uint8Array(chunk);
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
