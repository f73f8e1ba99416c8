/**
 * Goal: what was applied and flushed is found again, whatever a power failure tore or a disk made up since, and readers of the format find
 * the same as the store.
 * Method: a disk in memory, its sectors damaged by hand; the audit's own reader as the second opinion.
 */
import { crc32 } from "node:zlib";
import t from "tap";
import { readDisk } from "../../harness/check/disk-image.ts";
import { auditDisks } from "../../harness/check/divergence.ts";
import { type DiskIdentity, layoutOf } from "../../node/core/disk/layout.ts";
import type { DiskContents, DiskOp } from "../../node/core/disk/ops.ts";
import { createStore, type DiskBytes, type DiskStore } from "../../node/core/disk/store.ts";
import type { Generation } from "../../node/core/identity.ts";
import { blankPage, type Page } from "../../node/core/pair/page.ts";

const IDENTITY = {
  cluster: "c-1",
  host: "a",
  vm: "vm1",
  volumes: [
    { id: 0, blocks: 5_000 },
    { id: 3, blocks: 100 },
  ],
};
const LAYOUT = layoutOf(IDENTITY);
const [FIRST, SECOND] = LAYOUT.volumes;
if (FIRST === undefined || SECOND === undefined) throw new Error("the layout has two volumes");
const SIZE = SECOND.data + 4_096 * SECOND.blocks;
const BOOT = { id: "b0".repeat(16), n: 2 };
const GEN: Generation = { n: 3, id: "aa".repeat(16), kind: "joint", by: "a" };

interface Written {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

interface MemoryDisk extends DiskBytes {
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly written: Written[];
}

function memoryDisk(bytes = new Uint8Array(SIZE)): MemoryDisk {
  const written: MemoryDisk["written"] = [];
  return {
    size: SIZE,
    bytes,
    written,
    read: (offset, length) => bytes.slice(offset, offset + length),
    write: (offset, part) => {
      if (offset % 512 !== 0 || part.length % 512 !== 0) throw new Error("not whole sectors");
      written.push({ offset, bytes: part.slice() });
      bytes.set(part, offset);
    },
  };
}

const copyOf = (disk: MemoryDisk): MemoryDisk => memoryDisk(disk.bytes.slice());

/** Their superblock takes more than one sector. */
const MANY_VOLUMES: DiskIdentity = {
  ...IDENTITY,
  volumes: [1, 2, 3, 4, 5].map((id) => ({ id, blocks: 70 })),
};

function opened(
  disk: DiskBytes,
  identity: DiskIdentity = IDENTITY,
): { readonly store: DiskStore; readonly contents: DiskContents } {
  const store = createStore(disk, crc32, identity);
  const result = store.open();
  if (!result.ok) throw new Error(`${result.code}: ${result.why}`);
  result.seal?.();
  return { store, contents: result.contents };
}

const contentsOf = (disk: DiskBytes): DiskContents => opened(disk).contents;

const { host: _, ...PAGE_IDENTITY } = IDENTITY;
const page = (starts: number): Page => ({ ...blankPage(PAGE_IDENTITY), starts });

/** Every field set, and a history as long as it may become: the longest page there is. */
const FULL_PAGE: Page = {
  ...page(7),
  gen: GEN,
  parent: GEN,
  right: "sole",
  copy: "ahead",
  base: { gen: GEN, parent: null },
  history: Array.from({ length: 32 }, (_, index) => ({ ...GEN, n: index })),
  arbiter: { service: "q", instance: "cc".repeat(16), counter: 4 },
  vmBoot: BOOT,
  startId: "dd".repeat(16),
  lastStartId: "ee".repeat(16),
  peer: { gen: GEN, right: "ceded", copy: "behind", starts: 2, startId: null },
  hold: { kind: "force", wallMs: 1_700_000_000_000 },
};

const block = (volume: number, lba: number, fill: number): DiskOp => {
  const data = new Uint8Array(4_096).fill(fill);
  return { op: "block", volume, lba, data, sum: crc32(data) };
};

await t.test("the layout is the one of docs/disk-format.md", (t) => {
  t.same(layoutOf({ ...IDENTITY, volumes: [{ id: 0, blocks: 16_384 }] }), {
    vm: "vm1",
    page: [4_096, 12_288],
    pageSize: 8_192,
    applied: [20_480, 20_992],
    volumes: [
      { volume: 0, blocks: 16_384, intents: 21_504, dirty: 22_016, sums: 24_576, data: 286_720 },
    ],
  });
  t.end();
});

await t.test("a blank disk is formatted once, with the blank page as sequence 1", (t) => {
  const disk = memoryDisk();
  const { contents } = opened(disk);
  t.same(contents.page, blankPage(PAGE_IDENTITY));
  t.equal(contents.applied, null);
  t.same(
    [...contents.intents],
    [
      [0, new Set()],
      [3, new Set()],
    ],
  );
  t.equal(disk.written.at(-1)?.offset, 0, "the superblock goes last");
  t.equal(disk.bytes[12_288 + 8], 1);
  const writes = disk.written.length;
  t.same(contentsOf(disk), contents);
  t.equal(disk.written.length, writes, "the second open writes nothing");
  t.end();
});

await t.test("what an earlier life of a disk left does not come back when it is formatted", (t) => {
  const disk = memoryDisk();
  const { store } = opened(disk);
  for (const starts of [1, 2, 3]) store.apply([{ op: "page", page: page(starts) }]);
  store.apply([block(0, 5, 1), { op: "intents", volume: 0, set: [0], clear: [] }]);
  disk.bytes.fill(0, 0, 4_096);
  opened(disk);
  const { store: again, contents } = opened(disk);
  t.equal(contents.page?.starts, 0);
  t.equal(contents.intents.get(0)?.size, 0);
  t.same(again.readAll(), { blocks: [], bad: [] });
  t.end();
});

const SUPERBLOCKS: readonly {
  readonly title: string;
  readonly identity?: Partial<typeof IDENTITY>;
  readonly flip?: number;
  readonly code: "FOREIGN_DISK" | "BAD_SUPERBLOCK";
}[] = [
  { title: "another cluster", identity: { cluster: "c-2" }, code: "FOREIGN_DISK" },
  { title: "another host", identity: { host: "b" }, code: "FOREIGN_DISK" },
  { title: "another VM", identity: { vm: "vm2" }, code: "FOREIGN_DISK" },
  { title: "other volumes", identity: { volumes: [{ id: 0, blocks: 9 }] }, code: "FOREIGN_DISK" },
  { title: "a bad magic", flip: 0, code: "BAD_SUPERBLOCK" },
  { title: "a bad length", flip: 18, code: "BAD_SUPERBLOCK" },
  { title: "a bad text", flip: 40, code: "BAD_SUPERBLOCK" },
];

for (const { title, identity, flip, code } of SUPERBLOCKS) {
  await t.test(`a superblock with ${title} is ${code}, and nothing is written`, (t) => {
    const formatted = memoryDisk();
    const { store, contents } = opened(formatted, { ...IDENTITY, ...identity });
    store.apply([{ op: "page", page: { ...(contents.page ?? page(0)), starts: 1 } }]);
    const disk = copyOf(formatted);
    if (flip !== undefined) disk.bytes[flip] = (disk.bytes[flip] ?? 0) ^ 1;
    const result = createStore(disk, crc32, IDENTITY).open();
    t.equal(result.ok ? null : result.code, code);
    t.same(disk.written, []);
    t.end();
  });
}

/** Leaves of the writes what `keeps` says, sector by sector. */
function cutShort(
  before: MemoryDisk,
  writes: readonly Written[],
  keeps: (write: number, sector: number) => boolean,
): MemoryDisk {
  const disk = copyOf(before);
  for (const [index, { offset, bytes }] of writes.entries()) {
    for (let sector = 0; sector < bytes.length / 512; sector += 1) {
      const at = sector * 512;
      if (keeps(index, sector)) disk.bytes.set(bytes.subarray(at, at + 512), offset + at);
    }
  }
  return disk;
}

await t.test("a first format cut short anywhere ends as a fresh disk at the next start", (t) => {
  const small = (): MemoryDisk => memoryDisk(new Uint8Array(2 * 1024 * 1024));
  const used = small();
  opened(used, MANY_VOLUMES).store.apply([{ op: "page", page: FULL_PAGE }, block(1, 5, 1)]);
  used.bytes.fill(0, 0, 4_096);
  for (const before of [small(), used]) {
    const whole = copyOf(before);
    const result = createStore(whole, crc32, MANY_VOLUMES).open();
    if (!result.ok || result.seal === null) throw new Error("a blank disk is formatted");
    const format = [...whole.written];
    const unsealed = copyOf(whole);
    whole.written.length = 0;
    result.seal();
    const seal = [...whole.written];
    t.ok((seal[0]?.bytes.length ?? 0) > 512, "the superblock has several sectors");
    for (let round = 0; round < 64; round += 1) {
      const torn = [
        cutShort(before, format, (write, sector) => ((round >> ((write + sector) % 6)) & 1) === 1),
        cutShort(unsealed, seal, (_write, sector) => ((round >> sector) & 1) === 1),
      ];
      for (const disk of torn) {
        const { contents } = opened(disk, MANY_VOLUMES);
        t.equal(contents.page?.copy, "blank");
        t.equal(contents.torn.length, 0);
        t.ok(Buffer.from(disk.bytes).equals(whole.bytes), "as if nothing had happened");
      }
    }
  }
  t.end();
});

await t.test("a page of every field is read back equal, sequence after sequence", (t) => {
  const disk = memoryDisk();
  const { store } = opened(disk);
  for (const written of [page(1), FULL_PAGE, page(3), FULL_PAGE]) {
    store.apply([{ op: "page", page: written }]);
    t.same(contentsOf(disk).page, written);
  }
  t.end();
});

await t.test("a page write torn at any sector border leaves the older page or is whole", (t) => {
  for (const sequenceBefore of [2, 3]) {
    const disk = memoryDisk();
    const { store } = opened(disk);
    for (let sequence = 2; sequence <= sequenceBefore; sequence += 1) {
      store.apply([{ op: "page", page: { ...FULL_PAGE, starts: sequence } }]);
    }
    const before = copyOf(disk);
    disk.written.length = 0;
    store.apply([{ op: "page", page: { ...FULL_PAGE, starts: 9, hold: null } }]);
    const [write] = disk.written;
    if (write === undefined || disk.written.length > 1) throw new Error("a page is one write");
    const sectors = write.bytes.length / 512;
    t.ok(sectors > 4, `the page has ${sectors} sectors`);
    for (let cut = 0; cut <= sectors; cut += 1) {
      for (const part of ["head", "tail"] as const) {
        const torn = copyOf(before);
        const [from, to] = part === "head" ? [0, cut * 512] : [cut * 512, write.bytes.length];
        torn.bytes.set(write.bytes.subarray(from, to), write.offset + from);
        const isWhole = to - from === write.bytes.length;
        const found = opened(torn);
        t.equal(found.contents.page?.starts, isWhole ? 9 : sequenceBefore, `${part} ${cut}`);
        found.store.apply([{ op: "page", page: page(10) }]);
        t.equal(contentsOf(torn).page?.starts, 10, "and the next page takes its turn");
      }
    }
  }
  t.end();
});

await t.test("with both page slots bad there is no page", (t) => {
  const disk = memoryDisk();
  const { store } = opened(disk);
  store.apply([{ op: "page", page: page(1) }]);
  for (const offset of LAYOUT.page) disk.bytes[offset + 33] = 0;
  t.equal(contentsOf(disk).page, null);
  t.end();
});

await t.test(
  "a page that is whole and makes no sense here is not replaced by the older one",
  (t) => {
    for (const wrong of [
      { right: "all" },
      { vm: "vm2" },
      { starts: -1 },
      { gen: 4 },
      { peer: {} },
    ]) {
      const disk = memoryDisk();
      const { store } = opened(disk);
      const forged: Page = Object.assign({}, page(1), wrong);
      store.apply([{ op: "page", page: forged }]);
      t.equal(contentsOf(disk).page, null, JSON.stringify(wrong));
    }
    t.end();
  },
);

await t.test("the applied record takes turns too, and counts for the page's boot alone", (t) => {
  const disk = memoryDisk();
  const { store } = opened(disk);
  const applied = (number: number, boot = BOOT.id): DiskOp => ({ op: "applied", boot, number });
  store.apply([{ op: "page", page: FULL_PAGE }, applied(4)]);
  store.apply([applied(2 ** 40)]);
  t.same(contentsOf(disk).applied, { boot: BOOT.id, number: 2 ** 40 });
  const torn = copyOf(disk);
  torn.bytes.fill(0xee, LAYOUT.applied[0], LAYOUT.applied[0] + 512);
  t.same(contentsOf(torn).applied, { boot: BOOT.id, number: 4 }, "the newer one is lost");
  store.apply([applied(1, "0".repeat(32))]);
  t.equal(contentsOf(disk).applied, null);
  t.end();
});

await t.test("bits are found as they were set and cleared, in touched sectors only", (t) => {
  const disk = memoryDisk();
  const { store } = opened(disk);
  store.apply([
    { op: "dirty", volume: 0, set: [0, 7, 4_031, 4_032, 4_999], clear: [] },
    { op: "intents", volume: 0, set: [0, 78], clear: [] },
    { op: "intents", volume: 3, set: [1], clear: [] },
    { op: "dirty", volume: 0, set: [], clear: [7] },
  ]);
  const { dirty, intents } = contentsOf(disk);
  t.same([...(dirty.get(0) ?? [])], [0, 4_031, 4_032, 4_999]);
  t.same([...(intents.get(0) ?? [])], [0, 78]);
  t.same([...(intents.get(3) ?? [])], [1]);
  disk.written.length = 0;
  store.apply([{ op: "dirty", volume: 0, set: [4_033], clear: [4_032] }]);
  t.same(
    disk.written.map(({ offset }) => offset),
    [FIRST.dirty + 512],
  );
  store.apply([{ op: "dirty", volume: 0, set: [4_033], clear: [] }]);
  t.equal(disk.written.length, 1, "a bit that is set is not written again");
  t.end();
});

const BAD_SECTORS: readonly {
  readonly title: string;
  readonly damage: (disk: MemoryDisk) => void;
}[] = [
  {
    title: "rotten",
    damage: ({ bytes }) => bytes.fill(0x10, FIRST.dirty + 512, FIRST.dirty + 513),
  },
  {
    title: "misdirected",
    damage: ({ bytes }) => bytes.copyWithin(FIRST.dirty + 512, FIRST.dirty, FIRST.dirty + 512),
  },
];

for (const { title, damage } of BAD_SECTORS) {
  await t.test(`a ${title} bitmap sector counts as all set, until its bits are cleared`, (t) => {
    const disk = memoryDisk();
    opened(disk).store.apply([{ op: "dirty", volume: 0, set: [3, 4_040], clear: [] }]);
    damage(disk);
    const { store, contents } = opened(disk);
    const all = Array.from({ length: 968 }, (_, index) => 4_032 + index);
    t.same([...(contents.dirty.get(0) ?? [])], [3, ...all]);
    store.apply([{ op: "dirty", volume: 0, set: [], clear: all.slice(1) }]);
    t.same([...(contentsOf(disk).dirty.get(0) ?? [])], [3, 4_032]);
    t.end();
  });
}

await t.test("a bad last sector sets no bit beyond the volume", (t) => {
  const disk = memoryDisk();
  opened(disk);
  disk.bytes.fill(1, SECOND.intents, SECOND.intents + 512);
  t.same([...(contentsOf(disk).intents.get(3) ?? [])], [0, 1]);
  t.end();
});

await t.test("every block written is read, by volume and address, and no other", (t) => {
  const disk = memoryDisk();
  const { store } = opened(disk);
  store.apply([block(3, 99, 1), block(0, 4_999, 2), block(0, 0, 3), block(0, 31, 4)]);
  store.apply([block(0, 32, 5), block(0, 0, 6)]);
  const { blocks, bad } = opened(disk).store.readAll();
  const found = blocks.map(({ volume, lba, data }) => [volume, lba, data[0], data[4_095]]);
  t.same(found, [
    [0, 0, 6, 6],
    [0, 31, 4, 4],
    [0, 32, 5, 5],
    [0, 4_999, 2, 2],
    [3, 99, 1, 1],
  ]);
  t.same(bad, []);
  t.end();
});

const DAMAGES: readonly { readonly title: string; readonly damage: (bytes: Uint8Array) => void }[] =
  [
    {
      title: "torn data",
      damage: (bytes) => bytes.fill(9, FIRST.data + 4_096, FIRST.data + 4_608),
    },
    { title: "a rotten entry", damage: (bytes) => bytes.fill(9, FIRST.sums + 16, FIRST.sums + 17) },
    {
      title: "an entry of another address",
      damage: (bytes) => bytes.copyWithin(FIRST.sums + 16, FIRST.sums + 32, FIRST.sums + 48),
    },
    {
      title: "an entry of another volume",
      damage: (bytes) => bytes.copyWithin(FIRST.sums + 16, SECOND.sums + 16, SECOND.sums + 32),
    },
  ];

for (const { title, damage } of DAMAGES) {
  await t.test(`a block with ${title} is in both lists, as it was read`, (t) => {
    const disk = memoryDisk();
    opened(disk).store.apply([block(0, 1, 7), block(0, 2, 7), block(3, 1, 7)]);
    damage(disk.bytes);
    const { blocks, bad } = opened(disk).store.readAll();
    const data = disk.read(FIRST.data + 4_096, 4_096);
    t.equal(blocks.length, 3);
    t.same(bad, [{ volume: 0, lba: 1, data, sum: crc32(data) }]);
    t.same(blocks[0]?.data, data);
    t.end();
  });
}

await t.test("data whose first entry never arrived was never written", (t) => {
  const disk = memoryDisk();
  const { store } = opened(disk);
  disk.bytes.fill(9, FIRST.data, FIRST.data + 4_096);
  t.same(store.readAll(), { blocks: [], bad: [] });
  t.end();
});

await t.test("the audit's reader finds what the store wrote", (t) => {
  const disk = memoryDisk();
  const { store } = opened(disk);
  store.apply([
    { op: "page", page: FULL_PAGE },
    { op: "intents", volume: 0, set: [2], clear: [] },
    { op: "dirty", volume: 0, set: [130, 4_500], clear: [] },
    block(0, 130, 1),
    block(3, 2, 2),
  ]);
  const image = readDisk(disk);
  if (image.kind === "blank") throw new Error("the disk is formatted");
  t.same([image.cluster, image.host, image.blocksPerExtent], ["c-1", "a", 64]);
  const [vm] = image.vms;
  const gen = { n: FULL_PAGE.gen?.n, id: FULL_PAGE.gen?.id, kind: FULL_PAGE.gen?.kind };
  t.same(vm?.page, { right: "sole", copy: "ahead", gen, hold: FULL_PAGE.hold?.kind });
  const [first, second] = vm?.volumes ?? [];
  t.match(first, FIRST);
  t.match(second, SECOND);
  t.same(
    [1, 2, 3].map((index) => first?.intentBits.has(index)),
    [false, true, false],
  );
  t.same(
    [129, 130, 4_500].map((index) => first?.dirtyBits.has(index)),
    [false, true, true],
  );
  const other = copyOf(disk);
  // Both pages say `sole`, since one disk is the other's copy.
  const same = auditDisks(disk, other, { isSplitExpected: true });
  t.same([same.check.verdict, same.compared, same.bad], ["pass", 2, []]);
  opened(other).store.apply([block(0, 130, 5), block(3, 9, 6)]);
  const changed = auditDisks(disk, other);
  t.same(changed.divergence, { knownBlocks: 1, silentBlocks: 1, way: "two" });
  t.same(changed.bad, [], "its sums are right in the audit's eyes");
  t.end();
});
