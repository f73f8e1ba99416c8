/**
 * Goal: a disk or a frame that is not what it should be is named, nothing is lost with it, and nothing wrong is served.
 * Method: a pair of real processes without proxies; between two lives of a host its disk file is damaged, or a stranger who knows the secret sends nonsense.
 */
import { createHash } from "node:crypto";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { encodeCommand } from "../../harness/workload/resp.ts";
import type { Endpoint } from "../../node/ports/process-file.ts";
import { encodeHello } from "../../node/wire/hello.ts";
import {
  CLUSTER,
  SECRET,
  type SmallCluster,
  type Started,
  smallCluster,
  within,
} from "./small-cluster.ts";

t.setTimeout(180_000);

/** Of the reference layout, docs/disk-format.md. */
const PAGE_SLOTS = [4_096, 12_288] as const;
const PAGE_BYTES = 8_192;

function ask(endpoint: Endpoint, words: readonly string[]): Promise<string | null> {
  const answer = new Promise<string | null>((resolve) => {
    const socket = connect({ host: endpoint.address, port: endpoint.port });
    socket.on("connect", () => socket.write(encodeCommand(words)));
    socket.on("data", (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(null));
  });
  return within(answer, "an answer");
}

const derived = (host: Started, state: string, after = 0) =>
  host.event(
    (it) => it.seq > after && it.what === "state" && it.fields["derived"] === state,
    `${host.file.control.port} ${state}`,
  );
const alerted = (host: Started, code: string) =>
  host.event((it) => it.what === "alert" && it.fields["code"] === code, `alert ${code}`);
const lastSeq = (host: Started): number => host.events.at(-1)?.seq ?? 0;

interface Pair extends SmallCluster {
  readonly a: Started;
}

/** `a` serves a few keys; `b` was duplex with it and is dead. */
async function leftAlone(t: Test): Promise<Pair> {
  const cluster = await smallCluster(t);
  const { files, client, start } = cluster;
  const s1 = await start(files.s1);
  const [, a, b] = await Promise.all([start(files.q1), start(files.a), start(files.b)]);
  await derived(a, "duplex");
  await s1.event((it) => it.what === "announce", "announce");
  for (let key = 0; key < 20; key += 1)
    t.equal(await ask(client, ["SET", `k${key}`, `v${key}`]), "+OK\r\n");
  b.child.kill("SIGKILL");
  await b.exited;
  await derived(a, "simplex");
  return { ...cluster, a };
}

/** The returning `b` becomes the equal of `a` again, and serves everything when `a` dies. */
async function isMadeWhole(t: Test, { files, client, start, a }: Pair): Promise<Started> {
  const before = lastSeq(a);
  const b = await start(files.b);
  await derived(a, "duplex", before);
  await derived(b, "duplex");
  a.child.kill("SIGKILL");
  await b.event((it) => it.what === "vm" && it.fields["state"] === "announced", "announced");
  for (let key = 0; key < 20; key += 1) {
    const value = await askUntilServed(client, ["GET", `k${key}`]);
    t.equal(value, `$${`v${key}`.length}\r\nv${key}\r\n`, `k${key} is there`);
  }
  return b;
}

/** The switch follows the new host within a moment. */
async function askUntilServed(client: Endpoint, words: readonly string[]): Promise<string | null> {
  const deadline = performance.now() + 5_000;
  for (;;) {
    const answer = await ask(client, words);
    if (answer !== null || performance.now() > deadline) return answer;
  }
}

function damage(path: string, offset: number, length: number, byte: number): void {
  const disk = readFileSync(path);
  disk.fill(byte, offset, offset + length);
  writeFileSync(path, disk);
}

await t.test("with both pages bad a copy is in quarantine until a full resync", async (t) => {
  const pair = await leftAlone(t);
  for (const slot of PAGE_SLOTS) damage(pair.files.b.diskFile, slot + 40, 8, 0xff);
  const b = await isMadeWhole(t, pair);
  await alerted(b, "quarantine");
  t.ok(
    pair.a.events.some((it) => it.what === "resync" && it.fields["isFull"] === true),
    "every block was looked at",
  );
});

for (const [index, slot] of PAGE_SLOTS.entries()) {
  await t.test(
    `page slot ${index} cut off: the other one counts, and nothing is lost`,
    async (t) => {
      const pair = await leftAlone(t);
      damage(pair.files.b.diskFile, slot + PAGE_BYTES / 8, PAGE_BYTES - PAGE_BYTES / 8, 0);
      damage(pair.files.b.diskFile, slot + 33, 16, 0);
      await isMadeWhole(t, pair);
    },
  );
}

await t.test("a disk whose superblock is bad is left as it is, and named", async (t) => {
  const { files, start } = await leftAlone(t);
  damage(files.b.diskFile, 12, 8, 0xaa);
  const sum = (): string =>
    createHash("sha256").update(readFileSync(files.b.diskFile)).digest("hex");
  const before = sum();
  await t.rejects(start(files.b), { message: /ended with 11 .*BAD_SUPERBLOCK/ });
  t.equal(sum(), before, "not a byte was written");
});

await t.test(
  "a disk file that lost its end is mended from the peer before it serves",
  async (t) => {
    const pair = await leftAlone(t);
    // Behind the metadata: every block that was written is zero now, and its checksum says otherwise.
    truncateSync(pair.files.b.diskFile, 286_720);
    const b = await isMadeWhole(t, pair);
    t.ok(b.events.length > 0);
  },
);

await t.test(
  "nonsense from somebody who knows the secret costs a connection and nothing else",
  async (t) => {
    const cluster = await smallCluster(t);
    const { files, client, start } = cluster;
    await start(files.s1);
    const [, a, b] = await Promise.all([start(files.q1), start(files.a), start(files.b)]);
    await Promise.all([derived(a, "duplex"), derived(b, "duplex")]);
    t.equal(await askUntilServed(client, ["SET", "k", "v"]), "+OK\r\n");
    const listener = files.b.paths.find(({ id }) => id === "alink1")?.listen;
    if (listener === null || listener === undefined) throw new Error("b listens on alink1");
    const nonsense = [
      Buffer.from("no frame at all"),
      Buffer.alloc(70_000, 7),
      Buffer.concat([Buffer.from([1, 2, 3, 4, 0x7f]), Buffer.from("{}")]),
    ];
    for (const bytes of nonsense) {
      const closed = new Promise<void>((resolve) => {
        const socket = new WebSocket(`ws://${listener.address}:${listener.port}/`);
        t.teardown(() => socket.terminate());
        socket.on("error", () => undefined);
        socket.on("close", () => resolve());
        socket.once("open", () =>
          socket.send(
            encodeHello({
              cluster: CLUSTER,
              role: "host",
              name: "a",
              path: "alink1",
              secret: SECRET,
            }),
          ),
        );
        socket.once("message", () => socket.send(bytes));
      });
      await within(closed, `the end of a connection with ${bytes.length} bytes of nonsense`);
    }
    t.equal(await ask(client, ["GET", "k"]), "$1\r\nv\r\n", "served all the time");
    await within(untilDuplex(a, b), "duplex again");
    for (const host of [a, b]) t.equal(host.child.exitCode, null, "nobody ended");
  },
);

async function untilDuplex(...hosts: readonly Started[]): Promise<void> {
  for (;;) {
    const states = await Promise.all(hosts.map((host) => host.ask("status")));
    if (states.every(({ fields }) => fields["derived"] === "duplex")) return;
  }
}
