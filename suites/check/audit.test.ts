/**
 * Goal: the audit finds every block that differs, tells what a side admits from what none does, and gives a clear answer on any bytes.
 * Method: disks built byte by byte from docs/disk-format.md, then damaged.
 */
import { ftruncateSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { type DiskBytes, openDiskFile, readDisk } from "../../harness/check/disk-image.ts";
import { type AuditOptions, auditDisks } from "../../harness/check/divergence.ts";
import {
  buildDisk,
  type DiskPlan,
  dataOffset,
  INTENTS_OFFSET,
  PAGE_OFFSETS,
  putPage,
  putSlot,
  sumOffset,
} from "./disk-builder.ts";
import { drawsFrom } from "./generated-history.ts";

const bytesOf = (disk: Buffer): DiskBytes => ({
  size: disk.length,
  // A short answer past the end, which readers must pad.
  read: (offset, length) => disk.subarray(offset, offset + length),
});

const audit = (left: Buffer, right: Buffer, options: AuditOptions = {}) =>
  auditDisks(bytesOf(left), bytesOf(right), options);

const a = (plan: Omit<DiskPlan, "host"> = {}): Buffer => buildDisk({ host: "a", ...plan });
const b = (plan: Omit<DiskPlan, "host"> = {}): Buffer => buildDisk({ host: "b", ...plan });

await t.test("equal copies do not differ", (t) => {
  const written = { 0: 1, 65: 2, 255: 3 };
  const { check, divergence, compared, bad } = audit(a({ written }), b({ written }));
  t.same(divergence, { knownBlocks: 0, silentBlocks: 0, way: "none" });
  t.equal(check.verdict, "pass", check.why);
  t.equal(compared, 3);
  t.same(bad, []);
  t.end();
});

await t.test("what the dirty map of the sole host names is known, and one-way", (t) => {
  const survivor = b({
    written: { 0: 1, 7: 9, 70: 4 },
    right: "sole",
    copy: "ahead",
    dirty: [7, 70],
  });
  const { check, divergence } = audit(a({ written: { 0: 1, 7: 2 } }), survivor);
  t.same(divergence, { knownBlocks: 2, silentBlocks: 0, way: "one" });
  t.equal(check.verdict, "pass", check.why);
  t.equal(
    audit(a({ written: { 0: 1, 7: 2 } }), survivor, { mustBeEqual: true }).check.verdict,
    "fail",
  );
  t.end();
});

await t.test("a dirty map counts only while its host is sole", (t) => {
  const { check, divergence } = audit(
    a({ written: { 7: 2 } }),
    b({ written: { 7: 9 }, dirty: [7] }),
  );
  t.same(divergence, { knownBlocks: 0, silentBlocks: 1, way: "two" });
  t.match(check, { verdict: "fail", why: /vm1 volume 0 block 7/ });
  t.end();
});

await t.test("an extent in the intent log of either host is known", (t) => {
  // Block 70 lies in extent 1.
  const { divergence } = audit(a({ written: { 70: 2 }, intents: [1] }), b());
  t.same(divergence, { knownBlocks: 1, silentBlocks: 0, way: "one" });
  const other = audit(a({ written: { 70: 2 } }), b({ written: { 70: 3 }, intents: [0] }));
  t.equal(other.divergence.silentBlocks, 1, "the neighbouring extent names nothing");
  t.end();
});

await t.test("one silent block among known ones fails", (t) => {
  const survivor = b({ written: { 3: 9, 9: 9 }, right: "sole", copy: "ahead", dirty: [3] });
  const { check, divergence, silent } = audit(a({ written: { 3: 1, 9: 1 } }), survivor);
  t.same(divergence, { knownBlocks: 1, silentBlocks: 1, way: "one" });
  t.same(silent, [{ vm: "vm1", volume: 0, lba: 9 }]);
  t.equal(check.verdict, "fail");
  t.end();
});

await t.test("two hosts that went on alone differ two ways", (t) => {
  const left = a({ written: { 3: 1 }, right: "sole", copy: "ahead", dirty: [3] });
  const right = b({ written: { 4: 1 }, right: "sole", copy: "ahead", dirty: [4] });
  t.same(audit(left, right).divergence, { knownBlocks: 2, silentBlocks: 0, way: "two" });
  const intents = audit(
    a({ written: { 3: 1 }, intents: [0] }),
    b({ written: { 70: 1 }, intents: [1] }),
  );
  t.equal(intents.divergence.way, "two", "so do two intent logs that claim different writes");
  t.end();
});

await t.test(
  "beside a blank disk, a blank copy or one without a right everything is known",
  (t) => {
    const full = a({ written: { 0: 1, 99: 2 }, right: "sole", copy: "ahead" });
    const expected = { knownBlocks: 2, silentBlocks: 0, way: "one" };
    t.same(audit(full, Buffer.alloc(100_000)).divergence, expected);
    t.same(audit(Buffer.alloc(0), full).divergence, expected);
    t.same(audit(full, b({ right: "none", copy: "blank" })).divergence, expected);
    t.equal(audit(Buffer.alloc(0), Buffer.alloc(0)).check.verdict, "unknown");
    t.end();
  },
);

await t.test("a torn page leaves the older one in force, two leave a host in quarantine", (t) => {
  const disk = b({ right: "sole", copy: "ahead", written: { 5: 1 }, dirty: [5] });
  disk.fill(0xff, PAGE_OFFSETS[1] + 512, PAGE_OFFSETS[1] + 1_024);
  t.equal(pageOf(disk)?.right, "sole", "bytes after the JSON text do not matter");
  disk.fill(0xff, PAGE_OFFSETS[1] + 40, PAGE_OFFSETS[1] + 60);
  t.equal(pageOf(disk)?.right, "none");
  putPage(disk, 8, { right: "ceded", copy: "behind" });
  t.equal(pageOf(disk)?.right, "ceded", "the higher sequence counts, whatever its slot");
  disk.fill(0, PAGE_OFFSETS[0], PAGE_OFFSETS[0] + 8);
  t.equal(pageOf(disk), null);
  t.same(audit(a(), disk).divergence, { knownBlocks: 1, silentBlocks: 0, way: "one" });
  t.end();
});

await t.test("a damaged bitmap sector counts as all bits set", (t) => {
  const disk = b({ written: { 70: 3 }, intents: [0] });
  disk.writeUInt8(0, INTENTS_OFFSET);
  t.same(audit(a(), disk).divergence.knownBlocks, 1);
  t.end();
});

await t.test("a block that does not match its checksum is listed, torn or rotten", (t) => {
  const written = { 3: 1, 70: 2 };
  const disk = b({ written, intents: [0] });
  disk.writeUInt8(0xee, dataOffset(3));
  disk.writeUInt8(0xee, dataOffset(70) + 4_095);
  const { bad, divergence, badBlocks } = audit(a({ written }), disk);
  t.match(bad, [
    { side: "right", lba: 3, isTorn: true, why: "the checksum does not match the bytes" },
    { side: "right", lba: 70, isTorn: false, why: "the checksum does not match the bytes" },
  ]);
  t.same(badBlocks, { torn: 1, other: 1 });
  t.same(divergence, { knownBlocks: 1, silentBlocks: 1, way: "two" });
  t.end();
});

await t.test("a copy in resync takes blocks without intents: any of them may be torn", (t) => {
  const target = b({ written: { 3: 1, 4: 1 }, right: "ceded", copy: "inconsistent" });
  target.writeUInt8(0xee, dataOffset(3));
  const source = a({ written: { 3: 2, 4: 1 }, right: "sole", copy: "ahead", dirty: [3] });
  const { bad, check, divergence } = audit(source, target);
  t.match(bad, [{ side: "right", lba: 3, isTorn: true }]);
  t.same(divergence, { knownBlocks: 1, silentBlocks: 0, way: "one" });
  t.equal(check.verdict, "pass", check.why);
  t.end();
});

await t.test("equal bytes under a wrong entry are bad though not different", (t) => {
  const written = { 3: 1, 4: 1 };
  const disk = b({ written });
  disk.copy(disk, sumOffset(3), sumOffset(4), sumOffset(5));
  const { bad, divergence, check } = audit(a({ written }), disk);
  t.equal(divergence.way, "none");
  t.match(bad, [{ lba: 3, why: "the entry is one of block 4 of volume 0" }]);
  t.equal(check.verdict, "fail", check.why);
  t.end();
});

await t.test("disks that do not belong together are refused", (t) => {
  const foreign = { code: "BAD_DISK", message: /clusters c-1 and c-2/ };
  t.throws(() => audit(a(), b({ cluster: "c-2" })), foreign);
  t.throws(() => audit(a(), b({ blocks: 128 })), { code: "BAD_DISK", message: /different VMs/ });
  t.end();
});

await t.test("any bytes give an answer or BAD_DISK with a hint", (t) => {
  const draw = drawsFrom(7);
  const good = a({ written: { 0: 1, 200: 2 }, right: "sole", copy: "ahead" });
  const counts = { answer: 0, badDisk: 0 };
  for (let round = 0; round < 400; round += 1) {
    const disk = Buffer.from(
      good.subarray(0, round % 4 === 0 ? Math.floor(draw() * 40_000) : good.length),
    );
    const hits = round % 4 === 1 ? 5_000 : 3;
    const span = Math.min(disk.length, round % 2 === 0 ? 400 : 40_000);
    for (let hit = 0; hit < hits && span > 0; hit += 1) {
      disk.writeUInt8(Math.floor(draw() * 256), Math.floor(draw() * span));
    }
    try {
      audit(disk, b());
      counts.answer += 1;
    } catch (error: unknown) {
      t.match(error, { name: "HarnessError", code: "BAD_DISK", hint: /\w/ });
      counts.badDisk += 1;
    }
  }
  t.ok(counts.answer > 50 && counts.badDisk > 50, "both are common");
  t.end();
});

await t.test("a superblock with a right checksum and wrong contents is refused", (t) => {
  const wrong: readonly unknown[] = [
    null,
    [],
    { format: 2 },
    { format: 1, blockSize: 512 },
    { format: 1, cluster: "c", host: "a", blockSize: 4_096, blocksPerExtent: 1e9, vms: [] },
    { format: 1, cluster: "c", host: "a", blockSize: 4_096, blocksPerExtent: 64, vms: [{}] },
    { format: 1, cluster: "c", host: "a", blockSize: 4_096, blocksPerExtent: 64, vms: [null] },
  ];
  for (const json of wrong) {
    const disk = Buffer.alloc(4_096);
    putSlot(disk, { offset: 0, magic: "FLSUPER1", sequence: 0, json });
    t.throws(() => readDisk(bytesOf(disk)), { code: "BAD_DISK", hint: /disk-format/ });
  }
  t.end();
});

await t.test("files are read in any state and never written", (t) => {
  const folder = t.testdir();
  const left = join(folder, "a.disk");
  const right = join(folder, "b.disk");
  const written = { 0: 1, 200: 2 };
  writeFileSync(left, a({ written }));
  writeFileSync(right, b({ written }).subarray(0, dataOffset(200) + 100));
  const before = [readFileSync(left), statSync(left).mtimeMs, statSync(right).mtimeMs];
  const disks = [openDiskFile(left), openDiskFile(right)] as const;
  t.teardown(() => {
    for (const disk of disks) disk.close();
  });
  const { divergence, bad } = auditDisks(...disks);
  t.same(divergence, { knownBlocks: 0, silentBlocks: 1, way: "two" });
  t.match(bad, [{ side: "right", lba: 200 }], "a truncated file has bad blocks");
  t.same([readFileSync(left), statSync(left).mtimeMs, statSync(right).mtimeMs], before);
  t.throws(() => openDiskFile(join(folder, "none")), { code: "BAD_DISK", message: /ENOENT/ });
  t.throws(() => openDiskFile(folder), { code: "BAD_DISK", message: /not a regular file/ });
  t.end();
});

await t.test("a sparse disk of 16,384 blocks is compared in less than 3 s", (t) => {
  const folder = t.testdir();
  const written = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [index, index]));
  const paths = [
    { path: join(folder, "a.disk"), host: "a" },
    { path: join(folder, "b.disk"), host: "b" },
  ] as const;
  for (const { path, host } of paths) writeSparse(path, buildDisk({ host, written }));
  const disks = [openDiskFile(paths[0].path), openDiskFile(paths[1].path)] as const;
  t.teardown(() => {
    for (const disk of disks) disk.close();
  });
  const start = performance.now();
  const { check, compared } = auditDisks(...disks);
  const spentMs = Math.round(performance.now() - start);
  t.equal(check.verdict, "pass", check.why);
  t.equal(compared, 200);
  t.ok(spentMs < 3_000, "it skips what was never written");
  t.comment(`${spentMs} ms`);
  t.end();
});

/** The same disk with its tables moved behind the builder's, so that they have room for 16,384 blocks. */
function writeSparse(path: string, disk: Buffer): void {
  const layout = { intents: 2_097_152, dirty: 2_101_248, sums: 2_109_440, data: 4_194_304 };
  const volume = { volume: 0, blocks: 16_384, ...layout };
  const vm = { vm: "vm1", page: PAGE_OFFSETS, pageSize: 8_192, volumes: [volume] };
  const json = {
    format: 1,
    cluster: "c-1",
    host: "a",
    blockSize: 4_096,
    blocksPerExtent: 64,
    vms: [vm],
  };
  putSlot(disk, { offset: 0, magic: "FLSUPER1", sequence: 0, json });
  const file = openSync(path, "w");
  writeSync(file, disk, 0, sumOffset(0), 0);
  writeSync(file, disk, sumOffset(0), 16 * 256, layout.sums);
  writeSync(file, disk, dataOffset(0), 4_096 * 256, layout.data);
  ftruncateSync(file, layout.data + 4_096 * 16_384);
}

function pageOf(disk: Buffer): { readonly right: string; readonly copy: string } | null {
  const image = readDisk(bytesOf(disk));
  return image.kind === "formatted" ? (image.vms[0]?.page ?? null) : null;
}
