/**
 * Goal: the embedded proxy answers and acts like Toxiproxy, as far as the client and this project use it; docs/toxiproxy.md lists the rest.
 * Method: every assertion runs against both servers, through the unmodified toxiproxy-node-client, and by plain HTTP where that hides the answer.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import { type Proxy as ApiProxy, Toxiproxy } from "toxiproxy-node-client";
import { reserveClusterNumber } from "../../harness/local/cluster-number.ts";
import { listeningIn } from "../../harness/local/leftovers.ts";
import { proxyPrefix } from "../../harness/local/link-names.ts";
import { findProxy, type ProxySource } from "../../harness/proxy/find-proxy.ts";
import { createProxyLinks } from "../../harness/proxy/proxy-links.ts";
import { spawnProxy } from "../../harness/proxy/proxy-server.ts";
import { type Client, type EchoServer, eventually, openClient, startEcho } from "./echo.ts";

// The first run ever builds the server.
t.setTimeout(240_000);

const MEMBERS = { hosts: ["a", "b"], services: [], switches: [], vms: [] };
const SOURCES: readonly (readonly [string, ProxySource])[] = [
  ["toxiproxy", await findProxy({ env: process.env, onProgress: (line) => t.comment(line) })],
  ["embedded", await findProxy({ env: { FAULTLINE_TOXIPROXY: "embedded" } })],
];

interface Served {
  readonly url: string;
  readonly server: Toxiproxy;
  readonly echo: EchoServer;
  /** `host:port` of the echo server, and of two proxies that nothing listens on yet. */
  readonly upstream: string;
  readonly listen: string;
  readonly other: string;
  /** Opens a connection to an address, closed with the test. */
  readonly open: (address: string) => Promise<Client>;
}

async function serve(t: Test, source: ProxySource): Promise<Served> {
  const number = await reserveClusterNumber(MEMBERS, 171);
  const { plan } = number;
  const [first, second] = plan.links;
  if (first === undefined || second === undefined) throw new Error("a cluster has links");
  const echo = await startEcho(first.upstream);
  const proxy = await spawnProxy(source, {
    api: plan.proxyApi,
    logFile: join(t.testdir({}), "proxy.log"),
    trash: null,
    env: process.env,
  });
  t.teardown(async () => {
    const alive = await proxy.stop();
    await echo.close();
    await number.release();
    const left = [...alive, ...listeningIn(plan.number)];
    if (left.length > 0) throw new Error(`left: ${left.join(", ")}`);
  });
  await proxy.ready();
  const url = `http://${plan.proxyApi.address}:${plan.proxyApi.port}`;
  const textOf = (at: { address: string; port: number }): string => `${at.address}:${at.port}`;
  return {
    url,
    server: new Toxiproxy(url),
    echo,
    upstream: textOf(first.upstream),
    listen: textOf(first.listen),
    other: textOf(second.listen),
    async open(address) {
      const [host = "", port] = address.split(":");
      const client = await openClient({ address: host, port: Number(port) });
      t.teardown(() => client.close());
      return client;
    },
  };
}

async function echoes(client: Client, text: string): Promise<boolean> {
  client.send(text);
  return eventually(() => client.received().endsWith(text));
}

async function statusOf(url: string, init: RequestInit = {}): Promise<number> {
  const response = await fetch(url, init);
  await response.text();
  return response.status;
}

const post = (body: unknown): RequestInit => ({ method: "POST", body: JSON.stringify(body) });

/** Each gets servers of its own, so that nothing leaks from one into the next. */
async function both(
  title: string,
  test: (t: Test, served: Served) => Promise<void>,
): Promise<void> {
  for (const [name, source] of SOURCES) {
    await t.test(`${name}: ${title}`, async (t) => test(t, await serve(t, source)));
  }
}

async function withProxy({ server, listen, upstream }: Served): Promise<ApiProxy> {
  return server.createProxy({ name: "link", listen, upstream, enabled: true });
}

await both("proxies are made, listed, changed and removed", async (t, served) => {
  const { server, listen, other, upstream, open } = served;
  t.match(await server.getVersion(), /"version"/);
  const made = await withProxy(served);
  t.match(made.toJson(), { name: "link", listen, upstream, enabled: true });
  t.ok(await echoes(await open(listen), "one"));
  t.same(Object.keys(await server.getAll()), ["link"]);
  const off = await made.update({ listen, upstream, enabled: false });
  t.equal(off.enabled, false);
  t.equal((await open(listen)).state(), "ECONNREFUSED");
  const moved = await made.update({ listen: other, upstream, enabled: true });
  t.match(moved.toJson(), { listen: other, enabled: true });
  t.ok(await echoes(await open(other), "two"));
  t.equal((await server.get("link")).listen, other);
  await moved.remove();
  t.same(Object.keys(await server.getAll()), []);
  t.equal((await open(other)).state(), "ECONNREFUSED");
});

await both("populate makes what is missing and leaves what is equal", async (t, served) => {
  const { server, listen, other, upstream, open } = served;
  const first = await server.populate([{ name: "link", listen, upstream, enabled: true }]);
  await first["link"]?.addToxic({
    name: "slow",
    type: "latency",
    stream: "upstream",
    toxicity: 1,
    attributes: { latency: 1, jitter: 0 },
  });
  const live = await open(listen);
  t.ok(await echoes(live, "before"));
  const second = await server.populate([
    { name: "link", listen, upstream, enabled: true },
    { name: "more", listen: other, upstream, enabled: false },
  ]);
  t.same(Object.keys(second), ["link", "more"]);
  t.ok(await echoes(live, "after"), "its connections live on");
  t.equal((await (await server.get("link")).getToxic("slow")).name, "slow", "and its toxics");
  t.equal((await open(other)).state(), "ECONNREFUSED", "a disabled one does not listen");
  const wrong = [
    { name: "again", listen: other, upstream },
    { name: "", listen, upstream },
  ];
  t.equal(await statusOf(`${served.url}/populate`, post(wrong)), 400);
  t.same(
    Object.keys(await server.getAll()).sort(),
    ["link", "more"],
    "checked before anything is made",
  );
});

await both("toxics are added, shown, changed and removed", async (t, served) => {
  const { server, url, listen, open } = served;
  const proxy = await withProxy(served);
  const attributes = { latency: 30, jitter: 0 };
  const toxic = await proxy.addToxic<{ latency: number; jitter: number }>({
    name: "slow",
    type: "latency",
    stream: "downstream",
    toxicity: 1,
    attributes,
  });
  t.match(toxic.toJson(), { name: "slow", type: "latency", stream: "downstream", attributes });
  t.match(await (await fetch(`${url}/proxies/link`)).json(), {
    toxics: [{ name: "slow", toxicity: 1 }],
  });
  const live = await open(listen);
  const from = performance.now();
  t.ok(await echoes(live, "slow"));
  t.ok(performance.now() - from >= 29, "it acts");
  await toxic.update({
    name: "slow",
    type: "latency",
    stream: "downstream",
    toxicity: 1,
    attributes: { latency: 0, jitter: 0 },
  });
  t.match(await (await fetch(`${url}/proxies/link/toxics/slow`)).json(), {
    attributes: { latency: 0 },
  });
  await toxic.remove();
  t.equal(await statusOf(`${url}/proxies/link/toxics/slow`), 404);
  t.ok(await echoes(live, "fast"), "the connection lives on");
  const unnamed = await fetch(`${url}/proxies/link/toxics`, post({ type: "timeout" }));
  t.match(await unnamed.json(), { name: "timeout_downstream", stream: "downstream", toxicity: 1 });
  await server.reset();
  t.match(await (await fetch(`${url}/proxies/link`)).json(), { enabled: true, toxics: [] });
});

await both("what is wrong is refused by its status", async (t, served) => {
  const { url, listen, upstream } = served;
  await withProxy(served);
  const proxy = { name: "link", listen, upstream };
  const table: readonly (readonly [number, string, RequestInit])[] = [
    [404, "/proxies/none", {}],
    [404, "/proxies/none/toxics", {}],
    [404, "/proxies/link/toxics/none", { method: "DELETE" }],
    [404, "/nothing", {}],
    [409, "/proxies", post(proxy)],
    [400, "/proxies", post({ ...proxy, name: "" })],
    [400, "/proxies", post({ name: "x", listen })],
    [400, "/proxies", { method: "POST", body: "{" }],
    [500, "/proxies", post({ ...proxy, name: "clash" })],
    [400, "/proxies/link/toxics", post({ type: "none" })],
    [400, "/proxies/link/toxics", post({ type: "latency", stream: "sideways" })],
    [400, "/proxies/link/toxics", post({ type: "latency", attributes: { latency: 1.5 } })],
    [200, "/proxies/link/toxics", post({ type: "latency", attributes: { nonsense: 1 } })],
    [409, "/proxies/link/toxics", post({ type: "latency" })],
    [403, "/version", { headers: { "user-agent": "Mozilla/5.0" } }],
  ];
  for (const [status, path, init] of table) {
    const what = `${init.method ?? "GET"} ${path} ${typeof init.body === "string" ? init.body : ""}`;
    t.equal(await statusOf(url + path, init), status, what);
  }
});

await both("a dead upstream, another one, and half a close", async (t, served) => {
  const { echo, listen, upstream, open } = served;
  const proxy = await withProxy(served);
  const live = await open(listen);
  t.ok(await echoes(live, "before"));
  await proxy.update({ listen, upstream, enabled: true });
  t.ok(await echoes(live, "same"), "equal addresses leave connections alone");
  echo.hangUp();
  t.ok(await eventually(() => live.state() === "ended"), "the end comes through");
  const kept = await open(listen);
  t.ok(await echoes(kept, "kept"));
  const nobody = upstream.replace(/:\d+$/, ":9");
  await proxy.update({ listen, upstream: nobody, enabled: true });
  t.ok(await eventually(() => kept.state() !== "open"), "another upstream drops connections");
  const refused = await open(listen);
  t.ok(await eventually(() => refused.state() !== "open"), "accepted, and then closed");
});

await both("each toxic does what its name says", async (t, served) => {
  const { url, listen, open } = served;
  const proxy = await withProxy(served);
  const add = (body: object): Promise<number> => statusOf(`${url}/proxies/link/toxics`, post(body));
  const remove = (name: string): Promise<number> =>
    statusOf(`${url}/proxies/link/toxics/${name}`, { method: "DELETE" });
  const live = await open(listen);
  t.ok(await echoes(live, "warm"));

  t.equal(await add({ name: "never", type: "timeout", toxicity: 0 }), 200);
  t.ok(await echoes(live, "dice"), "toxicity 0 acts on nobody");
  await remove("never");
  const again = await open(listen);

  t.equal(await add({ name: "band", type: "bandwidth", attributes: { rate: 100 } }), 200);
  const from = performance.now();
  t.ok(await echoes(again, "x".repeat(20_000)), "all of it arrives");
  const tookMs = performance.now() - from;
  t.ok(tookMs > 120 && tookMs < 600, `20 kB at 100 kB/s: ${tookMs.toFixed(0)} ms`);
  t.equal(await remove("band"), 204);

  t.equal(await add({ name: "late", type: "slow_close", attributes: { delay: 150 } }), 200);
  const closing = await open(listen);
  t.ok(await echoes(closing, "open"));
  const closeFrom = performance.now();
  served.echo.hangUp();
  t.ok(await eventually(() => closing.state() === "ended"));
  t.ok(performance.now() - closeFrom >= 145, "the end is held back");
  t.equal(await remove("late"), 204);

  t.equal(await add({ name: "quiet", type: "timeout", attributes: { timeout: 100 } }), 200);
  const timed = await open(listen);
  timed.send("lost");
  t.ok(await eventually(() => timed.state() === "ended"), "a timeout closes");
  t.equal(timed.received(), "");
  t.equal(await remove("quiet"), 204);

  t.equal(await add({ name: "reset", type: "reset_peer", attributes: { timeout: 0 } }), 200);
  const reset = await open(listen);
  reset.send("gone");
  t.ok(await eventually(() => reset.state() === "ECONNRESET"), `it is reset: ${reset.state()}`);
  t.equal(await remove("reset"), 204);
  t.ok(await echoes(await open(listen), "whole"), "and all are gone again");
  await proxy.remove();
});

await both(
  "what a dead run left on a shared server is swept, and nothing else",
  async (t, served) => {
    const { server, url, listen, other, upstream } = served;
    await server.createProxy({ name: "fl7-a-b-alink0", listen, upstream, enabled: true });
    await server.createProxy({ name: "fl71-a-b-alink0", listen: other, upstream, enabled: true });
    await createProxyLinks(url).sweep(proxyPrefix(7));
    t.same(Object.keys(await server.getAll()), ["fl71-a-b-alink0"]);
  },
);

await both("much is carried both ways at once, in order and whole", async (t, served) => {
  const { listen, open } = served;
  await withProxy(served);
  const clients = await Promise.all(Array.from({ length: 8 }, () => open(listen)));
  const text = Array.from({ length: 60_000 }, (_, index) => `${index},`).join("");
  for (const client of clients) client.send(text);
  const isWhole = (): boolean =>
    clients.every((client) => client.received().length === text.length);
  t.ok(await eventually(isWhole, 10_000), "nothing is missing");
  t.ok(
    clients.every((client) => client.received() === text),
    "nor out of order",
  );
});
