/** The JSON texts of a disk, checked field by field: every number becomes an offset or a size of something that is then read. */

export interface DiskVolume {
  readonly volume: number;
  readonly blocks: number;
  /** Offsets from the start of the disk. Unit: bytes. */
  readonly intents: number;
  readonly dirty: number;
  readonly sums: number;
  readonly data: number;
}

export interface DiskVm {
  readonly vm: string;
  /** Offsets of the two slots. Unit: bytes. */
  readonly page: readonly number[];
  readonly pageSize: number;
  readonly volumes: readonly DiskVolume[];
}

export interface Superblock {
  readonly cluster: string;
  readonly host: string;
  readonly blocksPerExtent: number;
  readonly vms: readonly DiskVm[];
}

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string };

const BLOCK_BYTES = 4_096;
const FORMAT = 1;
/** 1 TiB of 4 KiB blocks: above it the bitmaps would not fit into memory beside a run. */
const BLOCKS_MAX = 2 ** 28;
const PAGE_BYTES_MAX = 2 ** 20;
/** An extent of both disks is held in memory: 16 MiB each. */
const EXTENT_BLOCKS_MAX = 4_096;

export function parseSuperblock(json: string): Read<Superblock> {
  return reading(json, (fields) => {
    const format = fields["format"];
    if (format !== FORMAT) throw new Unfit(`format ${JSON.stringify(format)} is not ${FORMAT}`);
    const blockSize = fields["blockSize"];
    if (blockSize !== BLOCK_BYTES) throw new Unfit(`"blockSize" is not ${BLOCK_BYTES}`);
    return {
      cluster: text(fields, "cluster"),
      host: text(fields, "host"),
      blocksPerExtent: count(fields, "blocksPerExtent", { min: 1, max: EXTENT_BLOCKS_MAX }),
      vms: list(fields, "vms").map(parseVm),
    };
  });
}

/** What the audit uses of a metadata page. */
export interface DiskPage {
  readonly right: string;
  readonly copy: string;
  /** Null: before the first one. */
  readonly gen: { readonly n: number; readonly id: string; readonly kind: string } | null;
  /** Why the host does not boot by itself; null: nothing holds it. */
  readonly hold: string | null;
}

export function parsePage(json: string): Read<DiskPage> {
  return reading(json, (fields) => ({
    right: text(fields, "right"),
    copy: text(fields, "copy"),
    gen: optional(fields, "gen", (gen) => ({
      n: count(gen, "n", { min: 0, max: Number.MAX_SAFE_INTEGER }),
      id: text(gen, "id"),
      kind: text(gen, "kind"),
    })),
    hold: optional(fields, "hold", (hold) => text(hold, "kind")),
  }));
}

type Fields = Readonly<Record<string, unknown>>;

class Unfit extends Error {}

function reading<T>(json: string, parse: (fields: Fields) => T): Read<T> {
  try {
    const value: unknown = JSON.parse(json);
    return { ok: true, value: parse(fieldsOf(value, "the text")) };
  } catch (error: unknown) {
    if (error instanceof Unfit || error instanceof SyntaxError) {
      return { ok: false, why: error.message };
    }
    throw error;
  }
}

function parseVm(value: unknown): DiskVm {
  const fields = fieldsOf(value, "an element of vms");
  const page = list(fields, "page").map((offset) => offsetOf(offset, "page"));
  if (page.length !== 2) throw new Unfit(`"page" has ${page.length} slots instead of 2`);
  return {
    vm: text(fields, "vm"),
    page,
    pageSize: count(fields, "pageSize", { min: 512, max: PAGE_BYTES_MAX }),
    volumes: list(fields, "volumes").map(parseVolume),
  };
}

function parseVolume(value: unknown): DiskVolume {
  const fields = fieldsOf(value, "an element of volumes");
  return {
    volume: count(fields, "volume", { min: 0, max: 65_535 }),
    blocks: count(fields, "blocks", { min: 1, max: BLOCKS_MAX }),
    intents: offsetOf(fields["intents"], "intents"),
    dirty: offsetOf(fields["dirty"], "dirty"),
    sums: offsetOf(fields["sums"], "sums"),
    data: offsetOf(fields["data"], "data"),
  };
}

function fieldsOf(value: unknown, what: string): Fields {
  if (!isFields(value)) throw new Unfit(`${what} is not an object`);
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Null for a field that is null or absent. */
function optional<T>(fields: Fields, name: string, parse: (fields: Fields) => T): T | null {
  const value = fields[name] ?? null;
  return value === null ? null : parse(fieldsOf(value, `"${name}"`));
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw new Unfit(`"${name}" is not a text`);
  return value;
}

function list(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw new Unfit(`"${name}" is not an array`);
  return value;
}

function count(
  fields: Fields,
  name: string,
  bounds: { readonly min: number; readonly max: number },
): number {
  const value = fields[name];
  const isFit = typeof value === "number" && Number.isInteger(value);
  if (!isFit || value < bounds.min || value > bounds.max) {
    throw new Unfit(`"${name}" is not an integer from ${bounds.min} to ${bounds.max}`);
  }
  return value;
}

function offsetOf(value: unknown, name: string): number {
  // 2^50 leaves room for the end of the largest volume below the largest safe integer.
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 2 ** 50) {
    throw new Unfit(`"${name}" is not an offset`);
  }
  return value;
}
