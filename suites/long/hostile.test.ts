/**
 * Goal: whoever does not know the secret changes nothing in a cluster that serves, and costs its clients at most one probe.
 * Method: real processes under load; every address that they listen on is dialled with random bytes and frames, foreign and oversized hellos, pages, slow
 * and silent connections; then the clients' history and the hosts' own words are looked at.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { WebSocket } from "ws";
import { startCluster } from "../../chaos/suite/index.ts";
import { operationsOf } from "../../harness/check/operations.ts";
import { listeningIn } from "../../harness/local/leftovers.ts";
import { readHistory } from "../../harness/record/reader.ts";

const FRAMES = 10_000;
const FRAMES_A_CONNECTION = 50;
const SILENT = 1_000;
/** Toxiproxy's API and the VM's own port are not ours to guard. */
const NOT_OURS = new Set(["8474", "6379"]);

t.setTimeout(180_000);
const out = mkdtempSync(join(tmpdir(), "faultline-hostile-"));
t.teardown(() => rmSync(out, { recursive: true, force: true }));

/** Ends when the other side has had enough, at the latest after 3 s. */
function dial(address: string, then: (socket: Socket) => void): Promise<void> {
  const [host = "", port] = address.split(":");
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) }, () => then(socket));
    socket.setTimeout(3_000, () => socket.destroy());
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
  });
}

function upgrade(
  address: string,
  options: { readonly origin?: string },
  then: (socket: WebSocket) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://${address}/`, { ...options, handshakeTimeout: 3_000 });
    const timer = setTimeout(() => socket.terminate(), 3_000);
    socket.on("open", () => then(socket));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const foreignHello = JSON.stringify({
  hello: 1,
  protocol: 1,
  cluster: "c-somebody-elses",
  role: "host",
  name: "a",
  path: "alink0",
  secret: "0".repeat(32),
});

async function inTurns<Item>(items: readonly Item[], act: (item: Item) => Promise<void>) {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await act(item);
  };
  await Promise.all(Array.from({ length: 64 }, worker));
}

await t.test("strangers change nothing", async (t) => {
  const cluster = await startCluster({ name: "hostile", out, seed: 11 });
  t.teardown(() => cluster.close());
  await cluster.load("short");
  const number = Number(cluster.clients[0]?.address.split(".")[1]);
  const targets = listeningIn(number).filter((at) => !NOT_OURS.has(at.split(":")[1] ?? ""));
  t.ok(targets.length >= 10, `${targets.length} addresses: ${targets.join(" ")}`);
  const from = cluster.events().length;

  const rounds = Math.ceil(FRAMES / FRAMES_A_CONNECTION / targets.length);
  const each = targets.flatMap((at) => Array.from({ length: rounds }, () => at));
  await inTurns(each, (at) => dial(at, (socket) => socket.write(randomBytes(512))));
  await inTurns(each, (at) =>
    upgrade(at, {}, (socket) => {
      for (let nth = 0; nth < FRAMES_A_CONNECTION; nth += 1) socket.send(randomBytes(nth * 7));
    }),
  );
  await inTurns(targets, (at) => upgrade(at, {}, (socket) => socket.send(foreignHello)));
  await inTurns(targets, (at) => upgrade(at, {}, (socket) => socket.send("x".repeat(8_192))));
  await inTurns(targets, (at) => upgrade(at, {}, (socket) => socket.send(randomBytes(1_000_000))));
  await inTurns(targets, (at) => upgrade(at, { origin: "http://page.invalid" }, () => undefined));
  await inTurns(targets, (at) =>
    dial(at, (socket) => {
      const slow = setInterval(() => socket.write("G"), 100);
      socket.on("close", () => clearInterval(slow));
    }),
  );
  const silent = Array.from({ length: SILENT }, (_, nth) => targets[nth % targets.length] ?? "");
  await Promise.all(silent.map((at) => dial(at, () => undefined)));

  await cluster.waitFor("redundant");
  const alarms = cluster
    .events()
    .slice(from)
    .filter(
      ({ what, state }) =>
        what === "suspect" || what === "claim" || (what === "session" && state === "closed"),
    );
  t.same(alarms, [], "no host doubted another");
  await cluster.close();
  const operations = operationsOf(readHistory(join(cluster.folder, "history.ndjson")).lines);
  const bad = operations.filter(({ end }) => end.kind !== "ok");
  t.ok(operations.length > 1_000, `${operations.length} operations`);
  // What was under way when the cluster ended has no end.
  const last = Math.max(...operations.map(({ invokedAt }) => invokedAt)) - 1_000_000;
  const missed = bad.filter(({ invokedAt }) => invokedAt < last);
  t.ok(missed.length <= 1, `${missed.length} of them were not answered`);
});

await t.test("no record holds the secret", (t) => {
  const runs = join(out, "runs");
  const [name = ""] = readdirSync(runs).filter((it) => it !== "latest");
  const text = readdirSync(join(runs, name))
    .filter((file) => /\.(log|ndjson|json|stderr)$/.test(file))
    .map((file) => readFileSync(join(runs, name, file), "utf8"))
    .join("\n");
  t.notMatch(text, /"secret"/);
  t.end();
});
