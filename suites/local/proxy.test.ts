/**
 * Goal: what a cut of each kind does to live and to new connections through the real Toxiproxy is what the rest of the harness counts on,
 * and the server is found, started and named as promised.
 * Method: an echo server behind one link; every wait has a deadline, silence is looked at for 100 ms.
 */
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { boundEndpoints, planAddresses } from "../../harness/local/address-plan.ts";
import { type ClusterNumber, reserveClusterNumber } from "../../harness/local/cluster-number.ts";
import { listeningIn } from "../../harness/local/leftovers.ts";
import { proxyNameOf } from "../../harness/local/link-names.ts";
import { findProxy, type ProxySource } from "../../harness/proxy/find-proxy.ts";
import { createProxyLinks, type ProxyLinks } from "../../harness/proxy/proxy-links.ts";
import { type SpawnedProxy, spawnProxy } from "../../harness/proxy/proxy-server.ts";
import type { LinkDelay } from "../../harness/rig/rig.ts";
import type { Endpoint } from "../../node/ports/process-file.ts";
import { type Client, type EchoServer, eventually, openClient, startEcho } from "./echo.ts";

// The first run ever builds the server.
t.setTimeout(240_000);

const MEMBERS = { hosts: ["a", "b"], services: ["q1"], switches: ["s1"], vms: ["vm1"] };
const LOOK_MS = 100;
const REAL = await findProxy({ env: process.env, onProgress: (line) => t.comment(line) });
const EMBEDDED = await findProxy({ env: { FAULTLINE_TOXIPROXY: "embedded" } });
const SOURCES: readonly (readonly [string, ProxySource])[] = [
  ["toxiproxy", REAL],
  ["embedded", EMBEDDED],
];

interface Bench {
  readonly number: ClusterNumber;
  readonly proxy: SpawnedProxy;
  readonly links: ProxyLinks;
  readonly name: string;
  /** The proxy side. */
  readonly link: Endpoint;
  readonly upstream: Endpoint;
  readonly echo: EchoServer;
  readonly open: () => Promise<Client>;
}

/** A server of its own, the links of a whole cluster, an echo server behind the first. */
async function setUp(t: Test, source: ProxySource, first: number): Promise<Bench> {
  const number = await reserveClusterNumber(MEMBERS, first);
  const [plan] = number.plan.links;
  if (plan === undefined) throw new Error("a cluster has links");
  const echo = await startEcho(plan.upstream);
  const proxy = await spawnProxy(source, {
    api: number.plan.proxyApi,
    logFile: join(t.testdir({}), "toxiproxy.log"),
    trash: null,
    env: process.env,
  });
  t.teardown(async () => {
    // An assertion after the test's end would not count; an error does.
    const alive = await proxy.stop();
    await echo.close();
    await number.release();
    const left = [...alive, ...listeningIn(number.plan.number)];
    if (left.length > 0) throw new Error(`left: ${left.join(", ")}`);
  });
  await proxy.ready();
  await proxy.links.create(
    number.plan.links.map((it) => ({ name: proxyNameOf(it), ...it })),
    0,
  );
  const open = async (): Promise<Client> => {
    const client = await openClient(plan.listen);
    t.teardown(() => client.close());
    return client;
  };
  const { links } = proxy;
  const name = proxyNameOf(plan);
  return { number, proxy, links, name, link: plan.listen, upstream: plan.upstream, echo, open };
}

async function echoes(client: Client, text: string): Promise<boolean> {
  client.send(text);
  return eventually(() => client.received().endsWith(text));
}

/** True when nothing more arrived at the client while we looked. */
async function isSilent(client: Client): Promise<boolean> {
  const before = client.received();
  return !(await eventually(() => client.received() !== before, LOOK_MS));
}

const by = (latencyMs: number): LinkDelay => ({ latencyMs, jitterMs: 0 });

for (const [title, source] of SOURCES) {
  await t.test(
    `${title}: refuse ends live connections and refuses new ones until it is mended`,
    async (t) => {
      const { links, name, open } = await setUp(t, source, 1);
      const live = await open();
      t.ok(await echoes(live, "before"), "an open link carries bytes");
      await links.cut(name, "refuse", "both");
      await links.cut(name, "refuse", "both");
      t.ok(await eventually(() => live.state() !== "open"), "the live connection ended");
      t.equal((await open()).state(), "ECONNREFUSED");
      await links.mend(name);
      await links.mend(name);
      t.ok(await echoes(await open(), "after"), "it carries bytes again");
    },
  );

  await t.test(
    `${title}: blackhole drops bytes for good and closes when it is mended`,
    async (t) => {
      const { links, name, open, echo } = await setUp(t, source, 21);
      const live = await open();
      t.ok(await echoes(live, "before"), "an open link carries bytes");
      await links.cut(name, "blackhole", "both");
      live.send("lost");
      const fresh = await open();
      fresh.send("lost");
      t.equal(fresh.state(), "open", "a new connection is accepted");
      t.ok(await isSilent(live), "the live connection is silent");
      t.ok(await isSilent(fresh), "the new connection is silent");
      t.equal(live.state(), "open", "it is not closed");
      await links.mend(name);
      t.ok(await eventually(() => live.state() !== "open"), "mending closes the live connection");
      t.ok(await echoes(await open(), "after"), "it carries bytes again");
      t.notMatch(echo.received(), /lost/, "dropped bytes never arrive");
    },
  );

  await t.test(`${title}: blackhole in one direction lets the other through`, async (t) => {
    const { links, name, open, echo } = await setUp(t, source, 41);
    const live = await open();
    t.ok(await echoes(live, "before"), "an open link carries bytes");
    await links.cut(name, "blackhole", "forward");
    live.send("lost");
    echo.push("pushed");
    t.ok(await eventually(() => live.received() === "beforepushed"), "backward bytes arrive");
    t.notMatch(echo.received(), /lost/, "forward bytes do not");
    await links.cut(name, "blackhole", "backward");
    const other = await open();
    other.send("heard");
    t.ok(await eventually(() => echo.received().endsWith("heard")), "forward bytes arrive");
    t.ok(await isSilent(other), "backward bytes do not");
  });

  await t.test(
    `${title}: the end of a stream passes a blackhole, and waits behind jammed bytes`,
    async (t) => {
      const { links, name, open, echo } = await setUp(t, source, 51);
      const swallowed = await open();
      t.ok(await echoes(swallowed, "before"), "an open link carries bytes");
      await links.cut(name, "blackhole", "both");
      echo.push("lost");
      echo.hangUp();
      t.ok(await eventually(() => swallowed.state() === "ended"), "the end arrives");
      t.equal(swallowed.received(), "before", "the bytes before it do not");
      await links.mend(name);
      const jammed = await open();
      t.ok(await echoes(jammed, "again"), "it carries bytes again");
      await links.cut(name, "jam", "both");
      echo.push("queued");
      echo.hangUp();
      t.ok(await isSilent(jammed), "nothing arrives");
      t.equal(jammed.state(), "open", "the end neither");
      await links.mend(name);
      t.ok(await eventually(() => jammed.received() === "againqueued"), "the bytes arrive");
      t.ok(await eventually(() => jammed.state() === "ended"), "and then the end");
    },
  );

  await t.test(
    `${title}: jam queues bytes and delivers them in order when it is mended`,
    async (t) => {
      const { links, name, open, echo } = await setUp(t, source, 61);
      const live = await open();
      t.ok(await echoes(live, "before"), "an open link carries bytes");
      await links.cut(name, "jam", "both");
      const fresh = await open();
      fresh.send("fresh");
      const queued = Array.from({ length: 2_000 }, (_, index) => `${index},`).join("");
      live.send(queued);
      t.ok(await isSilent(live), "the live connection is silent");
      t.equal(echo.received(), "before", "nothing arrives, of a new connection neither");
      await links.mend(name);
      t.ok(await eventually(() => live.received() === `before${queued}`), "every byte arrives");
      t.ok(await eventually(() => fresh.received() === "fresh"), "of the new connection too");
      t.ok(await echoes(live, "after"), "the connection lives on");
    },
  );

  await t.test(`${title}: jam in one direction lets the other through`, async (t) => {
    const { links, name, open, echo } = await setUp(t, source, 81);
    const live = await open();
    await links.cut(name, "jam", "backward");
    live.send("heard");
    t.ok(await eventually(() => echo.received() === "heard"), "forward bytes arrive");
    t.ok(await isSilent(live), "backward bytes wait");
    await links.mend(name);
    t.ok(await eventually(() => live.received() === "heard"), "and arrive on mending");
  });

  await t.test(`${title}: a cut of another kind replaces the first`, async (t) => {
    const { links, name, open, echo } = await setUp(t, source, 101);
    await links.cut(name, "refuse", "both");
    await links.cut(name, "jam", "both");
    const jammed = await open();
    t.equal(jammed.state(), "open", "refuse gave way to jam");
    jammed.send("queued");
    await links.cut(name, "blackhole", "both");
    t.ok(await isSilent(jammed), "jam gave way to blackhole");
    await links.cut(name, "refuse", "both");
    t.equal((await open()).state(), "ECONNREFUSED", "blackhole gave way to refuse");
    await links.mend(name);
    t.ok(await echoes(await open(), "after"), "one mend undoes whatever was last");
    t.equal(echo.received().endsWith("after"), true);
  });

  await t.test(
    `${title}: a delay counts each way, survives a cut and can be taken off`,
    async (t) => {
      const { links, name, open } = await setUp(t, source, 121);
      const live = await open();
      t.ok(await echoes(live, "warm"), "an open link carries bytes");
      await links.delay(name, by(20), by(30));
      await links.cut(name, "jam", "both");
      await links.mend(name);
      const start = performance.now();
      t.ok(await echoes(live, "slow"), "bytes arrive");
      t.ok(performance.now() - start >= 50, "a round trip takes both delays");
      await links.delay(name, by(1), by(0));
      await links.delay(name, by(0), by(0));
      await echoes(live, "settled");
      const fast = performance.now();
      t.ok(await echoes(live, "fast"), "bytes arrive");
      t.ok(performance.now() - fast < 50, "without delays it is fast again");
    },
  );
}

await t.test("two servers side by side do not meet", async (t) => {
  const one = await setUp(t, REAL, 141);
  const two = await setUp(t, REAL, 141);
  t.not(one.number.plan.number, two.number.plan.number);
  await one.links.cut(one.name, "refuse", "both");
  t.equal((await one.open()).state(), "ECONNREFUSED");
  t.ok(await echoes(await two.open(), "untouched"), "the other's link is whole");
  t.equal(await two.proxy.ready(), "toxiproxy 2.12.0");
});

await t.test("a failed call says what the server or the system said", async (t) => {
  const { links, name, link, upstream } = await setUp(t, REAL, 161);
  const again = links.create([{ name: `${name}-2`, listen: link, upstream }], 0);
  await t.rejects(again, { code: "PROXY_FAILED", message: /status 500: .*address already in use/ });
  const nobody = createProxyLinks("http://127.161.9.9:8474");
  const dead = nobody.create([{ name: "x", listen: link, upstream }], 0);
  await t.rejects(dead, { code: "PROXY_FAILED", message: /ECONNREFUSED 127\.161\.9\.9:8474/ });
});

await t.test(
  "a proxy is found by name, on PATH and in the cache, else it is the embedded one",
  async (t) => {
    const dir = t.testdir({ cache: { "toxiproxy-2.12.0": {} }, bin: {} });
    const releases = "http://127.0.0.1:9/none";
    const find = (env: Record<string, string>) =>
      findProxy({ env, cacheDir: join(dir, "cache"), releases });
    const url = await find({ FAULTLINE_TOXIPROXY: "http://127.0.0.1:8474/", PATH: "" });
    t.same(url, { kind: "url", url: "http://127.0.0.1:8474" });
    const none = find({ FAULTLINE_TOXIPROXY: join(dir, "none"), PATH: "" });
    await t.rejects(none, { code: "PROXY_NOT_FOUND" });
    const nowhere = { PATH: join(dir, "bin") };
    t.match(await find(nowhere), { kind: "embedded" }, "no server, no Go, no release");
    const cached = join(dir, "cache", "toxiproxy-2.12.0", "toxiproxy-server");
    const onPath = join(dir, "bin", "toxiproxy-server");
    for (const path of [cached, onPath]) {
      writeFileSync(path, "#!/bin/sh\n");
      chmodSync(path, 0o755);
    }
    t.same(await find({ PATH: "" }), { kind: "binary", path: cached, version: "2.12.0" });
    const found = await find({ PATH: join(dir, "bin") });
    t.same(found, { kind: "binary", path: onPath, version: null });
  },
);

await t.test("runs that need an install at once build it once", async (t) => {
  const dir = t.testdir({
    bin: { go: `#!/bin/sh\necho run >> "$COUNT"\nsleep 0.2\necho '#!/bin/sh' > "$GOBIN/server"\n` },
    cache: {},
  });
  chmodSync(join(dir, "bin", "go"), 0o755);
  const env = { PATH: `${join(dir, "bin")}:/usr/bin:/bin`, COUNT: join(dir, "count") };
  const lines: string[] = [];
  const options = { env, cacheDir: join(dir, "cache"), onProgress: (it: string) => lines.push(it) };
  await Promise.all([findProxy(options), findProxy(options)]);
  t.equal(lines.filter((line) => line.includes("once: about")).length, 1);
  t.equal(lines.filter((line) => line.includes("waiting for it")).length, 1);
  t.notOk(existsSync(join(dir, "cache", "toxiproxy-2.12.0", "install.lock")), "the lock is gone");
});

await t.test("the plan gives every listener and proxy an address of its own", (t) => {
  const { links, topology, control, clients } = planAddresses(7, MEMBERS);
  const ids = ["a>b/alink0", "a>b/alink1", "b>a/mgmt", "a>q1/quorum", "b>q1/quorum"];
  t.same(
    topology.links.map(({ id }) => id),
    [...ids, "a>s1/lan", "b>s1/lan"],
  );
  t.same(links[0]?.listen, { address: "127.7.101.1", port: 7002 });
  t.same(links[0]?.upstream, { address: "127.7.1.2", port: 7002 });
  t.equal(links[0]?.from, "127.7.1.1");
  t.same(clients.get("s1/vm1"), { address: "127.7.201.1", port: 6379 });
  const all = [...links.map(({ listen }) => listen), ...control.values(), ...clients.values()];
  t.equal(new Set(all.map(({ address, port }) => `${address}:${port}`)).size, all.length);
  t.ok(
    all.every(({ port }) => port < 32_768),
    "below what kernels hand out",
  );
  t.end();
});

await t.test("a second site and service add addresses and move none", (t) => {
  const one = planAddresses(7, MEMBERS);
  const two = planAddresses(7, { ...MEMBERS, services: ["q1", "q2"], switches: ["s1", "s2"] });
  const more = ["a>q2/quorum", "b>q2/quorum", "a>s2/lan", "b>s2/lan", "s1>s2/trunk"];
  const ids = two.topology.links.map(({ id }) => id);
  t.same(new Set(ids), new Set([...one.topology.links.map(({ id }) => id), ...more]));
  t.same(two.clients.get("s1/vm1"), one.clients.get("s1/vm1"));
  t.same(two.clients.get("s2/vm1"), { address: "127.7.202.1", port: 6379 });
  const bound = boundEndpoints(two).map(({ address, port }) => `${address}:${port}`);
  t.equal(new Set(bound).size, bound.length, "no address twice");
  t.end();
});
