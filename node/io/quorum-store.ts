/** A quorum service's file: JSON with a checksum, replaced whole. What a service grants is in it before anyone hears of it. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import type { RandomId } from "../core/identity.ts";
import type { QuorumRecord } from "../core/quorum/messages.ts";
import {
  type Check,
  count,
  isRecord,
  listOf,
  name,
  randomId,
  shape,
  uint32,
} from "../wire/checks.ts";
import { quorumRecord } from "../wire/quorum.ts";
import { codeOf, EndProcess } from "./end-process.ts";
import { syncFolder } from "./file-device.ts";

/** Most VMs of one service. */
const RECORDS_MAX = 1_024;
const FORMAT = 1;

interface StoreFile {
  readonly format: number;
  readonly cluster: string;
  readonly service: string;
  readonly instance: RandomId;
  readonly records: readonly QuorumRecord[];
  /** CRC-32 of the JSON text of the document without this field. */
  readonly crc: number;
}

const storeFile: Check<StoreFile> = shape<StoreFile>({
  format: count,
  cluster: name,
  service: name,
  instance: randomId,
  records: listOf(quorumRecord, RECORDS_MAX),
  crc: uint32,
});

export interface QuorumStore {
  readonly instance: RandomId;
  readonly records: readonly QuorumRecord[];
  /**
   * Returns when the records are durable: a power failure at any moment leaves the old file or the new one.
   *
   * @throws EndProcess diskFailed
   */
  persist(records: readonly QuorumRecord[]): void;
}

export interface StoreOwner {
  readonly cluster: string;
  readonly service: string;
}

/**
 * A store that is not there is made: a new instance, which grants nothing before a registration.
 *
 * @throws EndProcess badFile with a code of docs/errors.md for a store that is damaged or somebody else's: it is left as it is, and the process
 *   grants nothing; diskFailed when it cannot be made
 */
export function openQuorumStore(file: string, owner: StoreOwner): QuorumStore {
  const found = readStore(file, owner);
  const instance = found?.instance ?? randomBytes(16).toString("hex");
  const persist = (records: readonly QuorumRecord[]): void => {
    try {
      replaceFile(file, textOf({ format: FORMAT, ...owner, instance, records }));
    } catch (error: unknown) {
      throw new EndProcess("diskFailed", `store ${file}: ${codeOf(error)}`, error);
    }
  };
  // The instance is durable before the first answer carries it.
  if (found === null) persist([]);
  return { instance, records: found?.records ?? [], persist };
}

const HINTS = {
  /** Nothing in it can be trusted: part of it may be what a grant rests on. */
  DAMAGED_STORE:
    "Move the file away while both hosts are connected to each other: a new store grants nothing until they register anew.",
  FOREIGN_STORE: "Name this service's own store in the process file; this one was left as it is.",
  STORE_FORMAT: "Start the version that wrote it.",
} as const;

type StoreFault = keyof typeof HINTS;

function readStore(file: string, owner: StoreOwner): StoreFile | null {
  const text = readText(file);
  if (text === null) return null;
  const fault = (code: StoreFault, why: string): EndProcess =>
    new EndProcess("badFile", `store ${file}: ${code}: ${why}. ${HINTS[code]}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fault("DAMAGED_STORE", `expected JSON, found ${text.length} characters that are none`);
  }
  const format: unknown = isRecord(value) ? value["format"] : undefined;
  if (count(format) === null && format !== FORMAT) {
    throw fault("STORE_FORMAT", `expected format ${FORMAT}, found ${Number(format)}`);
  }
  const wrong = storeFile(value);
  if (wrong !== null) throw fault("DAMAGED_STORE", `wrong field ${wrong === "" ? "none" : wrong}`);
  const { crc, ...content } = value as StoreFile;
  const found = crc32(JSON.stringify(content));
  if (found !== crc)
    throw fault("DAMAGED_STORE", `wrong checksum: expected ${crc}, found ${found}`);
  for (const [what, own] of Object.entries(owner) as readonly (readonly [
    keyof StoreOwner,
    string,
  ])[]) {
    if (content[what] === own) continue;
    throw fault("FOREIGN_STORE", `it belongs to ${what} ${content[what]}, expected ${own}`);
  }
  checkRecords(content, (why) => fault("DAMAGED_STORE", why));
  return { crc, ...content };
}

/** A record that was put into another store says nothing about this one's grants. */
function checkRecords(
  { cluster, instance, records }: Omit<StoreFile, "crc">,
  fault: (why: string) => EndProcess,
): void {
  const known = new Set<string>();
  for (const record of records) {
    if (known.has(record.vm)) throw fault(`two records of VM ${record.vm}`);
    known.add(record.vm);
    for (const [what, own] of [
      ["cluster", cluster],
      ["instance", instance],
    ] as const) {
      if (record[what] === own) continue;
      throw fault(`the record of VM ${record.vm} is of ${what} ${record[what]}, expected ${own}`);
    }
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error: unknown) {
    if (codeOf(error) === "ENOENT") return null;
    throw new EndProcess("badFile", `store ${file}: ${codeOf(error)}`, error);
  }
}

function textOf(content: Omit<StoreFile, "crc">): string {
  return JSON.stringify({ ...content, crc: crc32(JSON.stringify(content)) });
}

function replaceFile(file: string, text: string): void {
  const fresh = `${file}.new`;
  const handle = openSync(fresh, "w", 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(fresh, file);
  syncFolder(dirname(file));
}
