/** Disk files as a whole: sparse ones, so holes stay holes. */
import { type FileHandle, open } from "node:fs/promises";

const BLOCK = 4_096;
const CHUNK = 256 * BLOCK;
const ZEROS = Buffer.alloc(BLOCK);

/** Writes a new file; blocks of zeros take no room in it. Replaces what is there. */
export async function copySparse(from: string, to: string): Promise<void> {
  const source = await open(from, "r");
  try {
    const target = await open(to, "w", 0o600);
    try {
      const { size } = await source.stat();
      await target.truncate(size);
      for (let at = 0; at < size; at += CHUNK) {
        const chunk = await readChunk(source, at);
        for (const { start, end } of runsOf(chunk)) {
          await target.write(chunk, start, end - start, at + start);
        }
      }
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Blocks of 4 KiB that hold something else in the other file; what lies past an end reads as zeros. Null: a file without a byte. */
export async function countDifferent(left: string | null, right: string | null): Promise<number> {
  const files = await Promise.all([left, right].map((path) => openOrNull(path)));
  try {
    const sizes = await Promise.all(files.map(async (file) => (await file?.stat())?.size ?? 0));
    let count = 0;
    for (let at = 0; at < Math.max(...sizes); at += CHUNK) {
      const [one = ZEROS, other = ZEROS] = await Promise.all(
        files.map((file) => readChunk(file, at)),
      );
      for (let start = 0; start < CHUNK; start += BLOCK) {
        const end = start + BLOCK;
        if (!blockOf(one, start, end).equals(blockOf(other, start, end))) count += 1;
      }
    }
    return count;
  } finally {
    await Promise.all(files.map(async (file) => file?.close()));
  }
}

async function openOrNull(path: string | null): Promise<FileHandle | null> {
  return path === null ? null : open(path, "r");
}

function blockOf(chunk: Buffer, start: number, end: number): Buffer {
  const part = chunk.subarray(start, end);
  return part.length === BLOCK ? part : Buffer.concat([part, ZEROS], BLOCK);
}

/** Shorter at the end of the file. */
async function readChunk(file: FileHandle | null, at: number): Promise<Buffer> {
  if (file === null) return Buffer.alloc(0);
  const chunk = Buffer.alloc(CHUNK);
  let filled = 0;
  while (filled < CHUNK) {
    const { bytesRead } = await file.read(chunk, filled, CHUNK - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return chunk.subarray(0, filled);
}

/** Stretches of blocks that are not all zeros. */
function* runsOf(chunk: Buffer): Generator<{ readonly start: number; readonly end: number }> {
  let start: number | null = null;
  for (let at = 0; at < chunk.length; at += BLOCK) {
    const end = Math.min(at + BLOCK, chunk.length);
    const isEmpty = chunk.subarray(at, end).equals(ZEROS.subarray(0, end - at));
    if (isEmpty && start !== null) yield { start, end: at };
    if (isEmpty) start = null;
    else start ??= at;
  }
  if (start !== null) yield { start, end: chunk.length };
}
