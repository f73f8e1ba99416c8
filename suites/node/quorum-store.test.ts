/**
 * Goal: a quorum service starts with exactly what its store last held, or not at all: nothing is granted on the strength of a store that is
 * damaged, cut short or somebody else's.
 * Method: stores on files of their own, changed by hand; each must be refused with its code and hint and stay as it is.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import t, { type Test } from "tap";
import type { QuorumRecord } from "../../node/core/quorum/messages.ts";
import { EndProcess } from "../../node/io/end-process.ts";
import { openQuorumStore } from "../../node/io/quorum-store.ts";
import { smallCluster } from "./small-cluster.ts";

const OWNER = { cluster: "c-1", service: "q1" } as const;
const GEN = { n: 3, id: "0123456789abcdef0123456789abcdef", kind: "joint", by: "a" } as const;

interface Stored {
  readonly file: string;
  readonly instance: string;
  readonly record: QuorumRecord;
}

/** A store that holds the registration of one VM. */
function stored(t: Test): Stored {
  const file = join(t.testdir(), "q1.store");
  const store = openQuorumStore(file, OWNER);
  const { instance } = store;
  const record: QuorumRecord = {
    cluster: OWNER.cluster,
    vm: "vm1",
    gen: GEN,
    holder: null,
    from: null,
    counter: 7,
    instance,
  };
  store.persist([record]);
  return { file, instance, record };
}

function refusalOf(file: string, owner: { cluster: string; service: string } = OWNER): string {
  const before = existsSync(file) ? readFileSync(file) : null;
  try {
    openQuorumStore(file, owner);
    return "it was taken";
  } catch (error) {
    if (!(error instanceof EndProcess)) throw error;
    const isKept = before !== null && readFileSync(file).equals(before);
    return `${error.exit}${isKept ? "" : " and changed"}: ${error.message}`;
  }
}

/** The store with other content and a checksum that fits it: not damage, but a file that does not belong here. */
function rewrite({ file }: Stored, change: (content: Record<string, unknown>) => object): void {
  const { crc: _old, ...content } = JSON.parse(readFileSync(file, "utf8")) as Record<
    string,
    unknown
  >;
  const changed = change(content);
  writeFileSync(file, JSON.stringify({ ...changed, crc: crc32(JSON.stringify(changed)) }));
}

await t.test("what was made durable is there after a start, under the same instance", async (t) => {
  const { file, instance, record } = stored(t);
  const again = openQuorumStore(file, OWNER);
  t.equal(again.instance, instance);
  t.same(again.records, [record]);
});

await t.test("a store that is not there is a new one, which knows nothing", async (t) => {
  const { instance } = stored(t);
  const fresh = openQuorumStore(join(t.testdir(), "other.store"), OWNER);
  t.not(fresh.instance, instance);
  t.same(fresh.records, []);
});

await t.test("a power failure in the middle of a change leaves the store before it", async (t) => {
  const { file, record } = stored(t);
  writeFileSync(`${file}.new`, readFileSync(file, "utf8").slice(0, 40));
  t.same(openQuorumStore(file, OWNER).records, [record]);
});

await t.test("a store cut short at any length is refused, and stays as it is", async (t) => {
  const { file } = stored(t);
  const whole = readFileSync(file);
  for (let length = 0; length < whole.length; length += 1) {
    writeFileSync(file, whole.subarray(0, length));
    const refusal = refusalOf(file);
    if (/^badFile: store .*: DAMAGED_STORE: .*\. Move the file away while/.test(refusal)) continue;
    t.fail(`${length} of ${whole.length} bytes: ${refusal}`);
  }
  t.ok(whole.length > 200, `${whole.length} lengths`);
});

await t.test("a store with any byte changed is refused", async (t) => {
  const { file } = stored(t);
  const whole = readFileSync(file);
  for (let at = 0; at < whole.length; at += 1) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    writeFileSync(file, damaged);
    const refusal = refusalOf(file);
    if (!/^badFile: store .*: (DAMAGED_STORE|STORE_FORMAT): /.test(refusal))
      t.fail(`byte ${at}: ${refusal}`);
  }
  t.ok(whole.length > 200, `${whole.length} bytes`);
});

const OTHERS: readonly (readonly [string, (it: Stored) => void, RegExp])[] = [
  [
    "of another cluster",
    (it) => rewrite(it, (content) => ({ ...content, cluster: "c-2" })),
    /^badFile: .*FOREIGN_STORE: it belongs to cluster c-2, expected c-1\. Name this service's own/,
  ],
  [
    "of another service",
    (it) => rewrite(it, (content) => ({ ...content, service: "q2" })),
    /^badFile: .*FOREIGN_STORE: it belongs to service q2, expected q1\. /,
  ],
  [
    "of a later format",
    (it) => rewrite(it, (content) => ({ ...content, format: 2, records: {} })),
    /^badFile: .*STORE_FORMAT: expected format 1, found 2\. Start the version that wrote it/,
  ],
  [
    "with a record of another cluster",
    (it) => rewrite(it, (content) => ({ ...content, records: [{ ...it.record, cluster: "c-2" }] })),
    /^badFile: .*DAMAGED_STORE: the record of VM vm1 is of cluster c-2, expected c-1\. /,
  ],
  [
    "with a record of another instance",
    (it) => rewrite(it, (content) => ({ ...content, instance: GEN.id })),
    /^badFile: .*DAMAGED_STORE: the record of VM vm1 is of instance .*, expected 0123.*\. /,
  ],
  [
    "with two records of one VM",
    (it) => rewrite(it, (content) => ({ ...content, records: [it.record, it.record] })),
    /^badFile: .*DAMAGED_STORE: two records of VM vm1\. /,
  ],
  [
    "that is something else altogether",
    ({ file }) => writeFileSync(file, "[]"),
    /^badFile: .*DAMAGED_STORE: wrong field none\. /,
  ],
];

for (const [what, change, refusal] of OTHERS) {
  await t.test(`a store ${what} is refused with its reason and what to do`, async (t) => {
    const it = stored(t);
    change(it);
    t.match(refusalOf(it.file), refusal);
  });
}

await t.test("a store that cannot be read is refused too", async (t) => {
  const file = join(t.testdir(), "q1.store");
  mkdirSync(file);
  t.throws(() => openQuorumStore(file, OWNER), { exit: "badFile", message: /EISDIR/ });
});

await t.test("a service with such a store ends before it takes in anybody", async (t) => {
  const { files, start } = await smallCluster(t);
  const { q1 } = files;
  const started = await start(q1);
  await started.ask("stop");
  await started.exited;
  const whole = readFileSync(q1.storeFile);
  writeFileSync(q1.storeFile, whole.subarray(0, whole.length / 2));
  await t.rejects(start(q1), {
    message: /ended with 12 before it was ready: store .*DAMAGED_STORE: .*Move the file away/,
  });
  writeFileSync(q1.storeFile, whole);
  await t.rejects(start({ ...q1, cluster: "c-other" }), {
    message:
      /ended with 12 before it was ready: store .*FOREIGN_STORE: it belongs to cluster c-test, expected c-other/,
  });
  await t.resolves(start(q1), "its own store is as it was");
});
