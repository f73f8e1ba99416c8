/**
 * A disk as a sparse file. What was not flushed lives in this process's memory: SIGKILL loses it, as power loss empties a disk's cache, while
 * the kernel's page cache would survive the process.
 *
 * Reads and writes are synchronous: a call into the page cache takes 2 to 5 µs, a hop over the thread pool ten times that. Only fdatasync,
 * which waits for the medium, runs beside the loop.
 */
import {
  closeSync,
  fdatasync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  writeSync,
  writevSync,
} from "node:fs";
import { dirname } from "node:path";
import { destaged } from "../core/disk/destage.ts";
import { SECTOR_SIZE } from "../core/units.ts";
import type { RawDisk } from "../ports/disk.ts";
import { codeOf, EndProcess } from "./end-process.ts";
import { createWriteCache } from "./write-cache.ts";

type Done = (error: string | null) => void;

/** Counted since the start. */
export interface FlushFigures {
  /** Calls of `flush`. */
  readonly asked: number;
  /** Flushes of the file that served them. */
  readonly made: number;
}

export interface FileDevice extends RawDisk {
  /** Nothing is cached, no flush is under way. */
  readonly isIdle: boolean;
  readonly figures: FlushFigures;
  /** Gives the file back; what is cached is lost. */
  close(): void;
}

/**
 * @param destageSeed chooses which sectors reach the file before a flush: what is left of the cache of a process that is killed. Null: none, nothing is left
 * @throws EndProcess diskFailed when the file can neither be opened nor made
 */
export function openFileDevice(path: string, destageSeed: number | null): FileDevice {
  const file = openFile(path);
  const cache = createWriteCache();
  let size = fstatSync(file).size;
  let failure: string | null = null;
  let waiting: Done[] = [];
  let isFlushing = false;
  let asked = 0;
  let made = 0;
  const writeBackSome = writeBack(file, destageSeed);

  function readSector(offset: number): Uint8Array {
    const sector = new Uint8Array(SECTOR_SIZE);
    try {
      readFile(file, offset, sector);
    } catch (error: unknown) {
      failure ??= codeOf(error);
    }
    return sector;
  }

  /** The cache goes to the kernel at once; later writes belong to the next flush. */
  function destage(): void {
    try {
      for (const { offset, length, buffers } of cache.runs()) {
        if (writevSync(file, buffers, offset) !== length) failure ??= "SHORT_WRITE";
      }
    } catch (error: unknown) {
      failure ??= codeOf(error);
    }
    cache.clear();
  }

  function flushNext(): void {
    isFlushing = true;
    const served = waiting;
    waiting = [];
    made += 1;
    if (failure === null) destage();
    const end = (error: unknown): void => {
      if (error !== null) failure ??= codeOf(error);
      // What they write and flush now still joins the next flush.
      for (const done of served) done(failure);
      isFlushing = false;
      if (waiting.length > 0) flushNext();
    };
    if (failure === null) fdatasync(file, end);
    else setImmediate(end, null);
  }

  return {
    get size() {
      return size;
    },
    get isIdle() {
      return !isFlushing && waiting.length === 0 && cache.sectorCount === 0;
    },
    get figures() {
      return { asked, made };
    },
    read(offset, length) {
      const bytes = new Uint8Array(length);
      readFile(file, offset, bytes);
      cache.overlay(offset, bytes);
      return bytes;
    },
    write(offset, bytes) {
      size = Math.max(size, offset + bytes.length);
      cache.put(offset, bytes, readSector);
      failure ??= writeBackSome(offset, bytes);
    },
    flush(done) {
      asked += 1;
      waiting.push(done);
      if (!isFlushing) flushNext();
    },
    close: () => closeSync(file),
  };
}

function readFile(file: number, offset: number, into: Uint8Array): void {
  let filled = 0;
  while (filled < into.length) {
    const count = readSync(file, into, filled, into.length - filled, offset + filled);
    // Beyond the end of the file are zeros.
    if (count === 0) return;
    filled += count;
  }
}

/** Some sectors of each write, early: as a disk's cache does when it likes. The cache keeps them, and the flush writes them again. */
function writeBack(
  file: number,
  seed: number | null,
): (offset: number, bytes: Uint8Array) => string | null {
  let writes = 0;
  return (offset, bytes) => {
    if (seed === null || (offset | bytes.length) % SECTOR_SIZE !== 0) return null;
    const runs = destaged(seed, writes, bytes.length / SECTOR_SIZE);
    writes += 1;
    try {
      for (const { from, count } of runs) {
        const at = from * SECTOR_SIZE;
        writeSync(file, bytes, at, count * SECTOR_SIZE, offset + at);
      }
      return null;
    } catch (error: unknown) {
      return codeOf(error);
    }
  };
}

function openFile(path: string): number {
  try {
    try {
      return openSync(path, "r+");
    } catch (error: unknown) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
    const file = openSync(path, "wx+", 0o600);
    syncFolder(dirname(path));
    return file;
  } catch (error: unknown) {
    throw new EndProcess("diskFailed", `disk file ${path}: ${codeOf(error)}`, error);
  }
}

/** Makes a new name in a folder durable. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
