/** A quorum service's file: JSON with a checksum, replaced whole. What a service grants is in it before anyone hears of it. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import type { RandomId } from "../core/identity.ts";
import type { QuorumRecord } from "../core/quorum/messages.ts";
import { type Check, count, listOf, name, randomId, shape, uint32 } from "../wire/checks.ts";
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

/** @throws EndProcess badFile for a store that is damaged or somebody else's; diskFailed when it cannot be made */
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

function readStore(file: string, owner: StoreOwner): StoreFile | null {
  const text = readText(file);
  if (text === null) return null;
  const bad = (why: string): EndProcess => new EndProcess("badFile", `store ${file}: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Damaged: nothing in it can be trusted.
    throw bad("no JSON");
  }
  const wrong = storeFile(value);
  if (wrong !== null) throw bad(`wrong field ${wrong}`);
  const { crc, ...content } = value as StoreFile;
  if (crc32(JSON.stringify(content)) !== crc) throw bad("wrong checksum");
  if (content.format !== FORMAT) throw bad(`format ${content.format} is unknown here`);
  if (content.cluster !== owner.cluster) throw bad(`it belongs to cluster ${content.cluster}`);
  if (content.service !== owner.service) throw bad(`it belongs to service ${content.service}`);
  return { crc, ...content };
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
