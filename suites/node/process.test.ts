/**
 * Goal: the three roles as built processes keep their contract with whoever starts them, and work together.
 * Method: start them on loopback without proxies, speak to them as the harness and as a client do.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import t from "tap";
import { encodeCommand } from "../../harness/workload/resp.ts";
import type { Endpoint, ProcessFile } from "../../node/ports/process-file.ts";
import { EXIT } from "../../node/wire/control.ts";
import { SECRET, type Started, smallCluster, within } from "./small-cluster.ts";

t.setTimeout(120_000);

/** The answer; null: the connection was reset or closed without one. */
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

const announced = (host: Started) =>
  host.event((it) => it.what === "vm" && it.fields["state"] === "announced", "announced");
const followed = (site: Started, host: string) =>
  site.event(
    (it) =>
      it.what === "announce" && it.fields["state"] === "accepted" && it.fields["host"] === host,
    "accepted",
  );

await t.test(
  "a pair serves a client through its switch, and survives the active one's death",
  async (t) => {
    const { folder, files, client, start } = await smallCluster(t);
    const startedAt = performance.now();
    const since = (): number => Math.round(performance.now() - startedAt);
    const s1 = await start(files.s1);
    t.equal(await ask(client, ["PING"]), null, "nobody announces the VM yet");
    const [q1, a, b] = await Promise.all([start(files.q1), start(files.a), start(files.b)]);
    await announced(a);
    await followed(s1, "a");
    t.equal(await ask(client, ["PING"]), "+PONG\r\n");
    t.comment(`first PONG ${since()} ms after the first start`);
    t.equal(await ask(client, ["SET", "k", "v"]), "+OK\r\n");
    t.match((await a.ask("status")).fields, { right: "open", derived: "duplex", running: true });
    const killedAt = performance.now();
    a.child.kill("SIGKILL");
    await announced(b);
    await followed(s1, "b");
    t.comment(`takeover ${Math.round(performance.now() - killedAt)} ms after the kill`);
    t.equal(await ask(client, ["GET", "k"]), "$1\r\nv\r\n");
    t.equal((await q1.event((it) => it.what === "granted", "granted")).fields["holder"], "b");
    await b.ask("quiesce");
    await s1.ask("quiesce");
    t.ok(s1.events.some((it) => it.what === "outputs" && it.fields["host"] === "b"));
    t.match((await b.ask("status")).fields, { right: "sole", derived: "simplex" });
    t.equal(await ask(client, ["PING"]), null, "a quiesced switch takes nobody in");
    for (const it of [b, s1, q1]) {
      await it.ask("stop");
      t.equal(await it.exited, EXIT.asked);
    }
    for (const name of readdirSync(folder).filter((it) => it.endsWith(".log"))) {
      t.notMatch(readFileSync(join(folder, name), "utf8"), SECRET, `${name} holds no secret`);
      t.equal(statSync(join(folder, name)).mode & 0o077, 0);
    }
  },
);

await t.test("a process ends with its starter, unless it is told not to", async (t) => {
  const { files, start } = await smallCluster(t);
  const [guarded, free] = await Promise.all([
    start(files.q1),
    start(files.s1, { isGuarded: false }),
  ]);
  free.child.stdin?.end();
  guarded.child.stdin?.end();
  t.equal(await guarded.exited, EXIT.orphaned);
  t.ok((await free.ask("status")).fields["pid"], "still there");
  free.child.kill("SIGTERM");
  t.equal(await free.exited, EXIT.asked);
});

await t.test("a second process of one name does not start", async (t) => {
  const { files, start } = await smallCluster(t);
  await start(files.q1);
  await t.rejects(start(files.q1), { message: /ended with 13 .*EADDRINUSE/ });
});

const q1Of = (file: ProcessFile, changes: object): ProcessFile => ({ ...file, ...changes });

await t.test("what a process cannot work with ends it with a name for it", async (t) => {
  const { folder, files, start } = await smallCluster(t);
  const { q1, a } = files;
  const listen = { address: "localhost", port: 7 };
  await t.rejects(start(q1Of(q1, { listen })), {
    message: /ended with 12 .*listen\.address: must be a numeric address/,
  });
  await t.rejects(start({ ...a, timing: { ...a.timing, lease: 1 } }), {
    message: /ended with 12 .*timing: must hold that four beats fit into a lease/,
  });
  writeFileSync(join(folder, "bad-secret"), "short");
  const secretFile = join(folder, "bad-secret");
  await t.rejects(start(q1Of(q1, { secretFile })), {
    message: /ended with 12 .*must hold 32 hexadecimal digits/,
  });
  const [vm] = a.vms;
  if (vm === undefined) throw new Error("a host has a VM");
  await t.rejects(start({ ...a, vms: [{ ...vm, guest: secretFile }] }), {
    message: /ended with 12 .*GUEST_NOT_WASM/,
  });
  await t.rejects(start({ ...a, diskFile: folder }), { message: /ended with 11 .*EISDIR/ });
});

await t.test("a disk and a store of another cluster are left as they are", async (t) => {
  const { files, start } = await smallCluster(t);
  for (const file of [files.q1, files.a]) {
    const started = await start(file);
    await started.ask("stop");
    await started.exited;
  }
  const diskBefore = readFileSync(files.a.diskFile).subarray(0, 65_536);
  await t.rejects(start({ ...files.q1, cluster: "c-other" }), {
    message: /ended with 12 .*it belongs to cluster c-test/,
  });
  await t.rejects(start({ ...files.a, cluster: "c-other" }), {
    message: /ended with 11 .*FOREIGN_DISK: it belongs to cluster c-test/,
  });
  t.strictSame(readFileSync(files.a.diskFile).subarray(0, 65_536), diskBefore);
  writeFileSync(
    files.q1.storeFile,
    readFileSync(files.q1.storeFile, "utf8").replace("c-test", "c-tost"),
  );
  await t.rejects(start(files.q1), { message: /ended with 12 .*wrong checksum/ });
});
