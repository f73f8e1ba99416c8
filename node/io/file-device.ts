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
import { destaged, type SectorRun } from "../core/disk/destage.ts";
import { SECTOR_SIZE } from "../core/units.ts";
import type { RawDisk } from "../ports/disk.ts";
import { codeOf, EndProcess } from "./end-process.ts";
import { createWriteCache, type ReadSector } from "./write-cache.ts";

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
  let isUnflushed = false;
  const figures = { asked: 0, made: 0 };
  const early = earlyRuns(destageSeed);
  const readSector: ReadSector = (offset) => readPadded(file, offset, SECTOR_SIZE);

  function attempt(action: () => void): void {
    try {
      action();
    } catch (error: unknown) {
      failure ??= codeOf(error);
    }
  }

  /** The cache goes to the kernel at once; later writes belong to the next flush. */
  function destage(): void {
    attempt(() => {
      for (const { offset, length, buffers } of cache.runs()) {
        if (writevSync(file, buffers, offset) !== length) failure ??= "SHORT_WRITE";
      }
    });
    cache.clear();
    isUnflushed = false;
  }

  function flushNext(): void {
    isFlushing = true;
    const served = waiting;
    waiting = [];
    figures.made += 1;
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
      return !isFlushing && waiting.length === 0 && !isUnflushed;
    },
    get figures() {
      return { ...figures };
    },
    read(offset, length) {
      const bytes = readPadded(file, offset, length);
      cache.overlay(offset, bytes);
      return bytes;
    },
    write(offset, bytes) {
      size = Math.max(size, offset + bytes.length);
      isUnflushed = true;
      attempt(() => {
        const runs = early(offset, bytes);
        writeRuns(file, offset, bytes, runs);
        // Of a write that goes early and whole the cache keeps nothing; else it keeps all, and the flush writes it again.
        if (runs[0]?.count === bytes.length / SECTOR_SIZE) cache.drop(offset, bytes.length);
        else cache.put(offset, bytes, readSector);
      });
    },
    flush(done) {
      figures.asked += 1;
      waiting.push(done);
      if (!isFlushing) flushNext();
    },
    close: () => closeSync(file),
  };
}

/** Beyond the end of the file are zeros. */
function readPadded(file: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length; ) {
    const count = readSync(file, bytes, filled, length - filled, offset + filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes;
}

function writeRuns(
  file: number,
  offset: number,
  bytes: Uint8Array,
  runs: readonly SectorRun[],
): void {
  for (const { from, count } of runs) {
    const at = from * SECTOR_SIZE;
    writeSync(file, bytes, at, count * SECTOR_SIZE, offset + at);
  }
}

/** Which sectors of each write reach the file before any flush: as a disk's cache writes back when it likes. */
function earlyRuns(
  seed: number | null,
): (offset: number, bytes: Uint8Array) => readonly SectorRun[] {
  let writes = 0;
  return (offset, bytes) => {
    if (seed === null || (offset | bytes.length) % SECTOR_SIZE !== 0) return [];
    writes += 1;
    return destaged(seed, writes - 1, bytes.length / SECTOR_SIZE);
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
