/**
 * Goal: real Redis clients and tools use the guest as they use Redis, with their defaults.
 * Method: npm ioredis and redis, redis-cli and redis-benchmark over TCP; where the tools are not installed, said so.
 */
import { spawn, spawnSync } from "node:child_process";
import { Redis } from "ioredis";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { type Bridge, startBridge } from "./bridge.ts";

const hasTools = spawnSync("redis-cli", ["--version"]).status === 0;
const skip = hasTools ? false : "redis-cli is not installed (Debian: apt-get install redis-tools)";
const PATIENCE_MS = 20_000;

/** As its users write it; ends with the test. */
async function connectIoredis(t: Test, { port }: Bridge): Promise<Redis> {
  const client = new Redis(port, "127.0.0.1");
  t.teardown(() => client.disconnect());
  await new Promise<void>((resolve, reject) => {
    client.once("ready", resolve);
    client.once("error", reject);
  });
  return client;
}

async function connectNodeRedis(t: Test, { port }: Bridge) {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  const errors: unknown[] = [];
  client.on("error", (error) => errors.push(error));
  t.teardown(() => client.destroy());
  await client.connect();
  t.same(errors, [], "it connects without an error");
  return client;
}

async function scanned(
  client: Redis,
  options: { match?: string; count?: number },
): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of client.scanStream(options)) keys.push(...(page as string[]));
  return keys.sort();
}

await t.test("ioredis does with its defaults what it does with Redis", async (t) => {
  const bridge = await startBridge(t);
  const client = await connectIoredis(t, bridge);
  t.equal(await client.set("text", "välue"), "OK");
  t.equal(await client.get("text"), "välue");
  t.equal(await client.get("none"), null);
  t.equal(await client.set("text", "x", "EX", 100, "NX"), null);
  t.equal(await client.set("text", "x", "PX", 100_000, "XX", "GET"), "välue");
  t.equal(await client.ttl("text"), 100);
  t.same(await client.mget("text", "none"), ["x", null]);
  t.equal(await client.mset({ a: "1", b: "2" }), "OK");
  t.same([await client.incr("a"), await client.decrby("b", 5)], [2, -3]);
  t.equal(await client.append("text", "yz"), 3);
  t.equal(await client.strlen("text"), 3);
  t.equal(await client.rpush("list", "c", "d"), 2);
  t.equal(await client.lpush("list", "b", "a"), 4);
  t.same(await client.lrange("list", 0, -1), ["a", "b", "c", "d"]);
  t.same(await client.lpop("list", 2), ["a", "b"]);
  t.equal(await client.rpop("list"), "d");
  t.same(
    [await client.llen("list"), await client.type("list"), await client.dbsize()],
    [1, "list", 4],
  );
  t.same((await client.keys("*")).sort(), ["a", "b", "list", "text"]);
  t.same(await scanned(client, { match: "[ab]" }), ["a", "b"]);
  t.same(await client.exists("a", "none", "b"), 2);
  t.same(
    [await client.expire("a", 100), await client.persist("a"), await client.pttl("a")],
    [1, 1, -1],
  );
  t.equal(await client.del("a", "b"), 2);
  await t.rejects(client.get("list"), { message: /^WRONGTYPE / });
  await t.rejects(client.call("NOSUCH", "x"), { message: /^ERR unknown command 'NOSUCH'/ });
  await t.rejects(client.set("big", "x".repeat(100_000)), { message: /^ERR value is longer/ });
  t.equal(await client.ping(), "PONG", "and the connection lives");
  const results = await client.multi().set("m", "1").incr("m").lpush("m", "x").exec();
  t.match(results, [[null, "OK"], [null, 2], [{ message: /^WRONGTYPE / }]]);
  t.equal(await client.client("GETNAME"), null);
  t.match(await client.client("LIST"), /lib-name=ioredis/);
  t.match(await client.info("persistence"), /\r\nloading:0\r\n/);
  t.equal(await client.flushall(), "OK");
  t.equal(await client.dbsize(), 0);
  t.equal(await client.quit(), "OK");
  t.equal(bridge.trap(), null);
});

await t.test("a pipeline of a thousand commands is one round trip", async (t) => {
  const client = await connectIoredis(t, await startBridge(t));
  const pipeline = client.pipeline();
  for (let n = 0; n < 1000; n += 1) pipeline.set(`k${n}`, `v${n}`);
  t.same(
    (await pipeline.exec())?.filter(([error, reply]) => error !== null || reply !== "OK"),
    [],
  );
  const keys = Array.from({ length: 1000 }, (_, n) => `k${n}`);
  t.same(
    await client.mget(...keys),
    keys.map((key) => key.replace("k", "v")),
  );
  t.same((await scanned(client, { count: 7 })).length, 1000, "a scan finds each");
});

await t.test("redis for Node does with its defaults what it does with Redis", async (t) => {
  const bridge = await startBridge(t);
  const client = await connectNodeRedis(t, bridge);
  t.equal(await client.set("text", "value"), "OK");
  t.equal(await client.get("text"), "value");
  t.equal(await client.get("none"), null);
  t.equal(await client.set("text", "x", { condition: "NX" }), null);
  t.equal(
    await client.set("text", "x", { expiration: { type: "EX", value: 100 }, GET: true }),
    "value",
  );
  t.equal(await client.ttl("text"), 100);
  t.same(await client.mGet(["text", "none"]), ["x", null]);
  t.equal(await client.mSet({ a: "1", b: "2" }), "OK");
  t.equal(await client.incrBy("a", 41), 42);
  t.equal(await client.lPush("list", ["b", "a"]), 2);
  t.equal(await client.rPush("list", "c"), 3);
  t.same(await client.lRange("list", 0, -1), ["a", "b", "c"]);
  t.same(await client.lPopCount("list", 5), ["a", "b", "c"]);
  t.equal(await client.lPop("list"), null);
  t.same(await client.configGet("appendonly"), { appendonly: "yes" });
  const keys: string[] = [];
  for await (const page of client.scanIterator({ TYPE: "string" })) keys.push(...page);
  t.same(keys.sort(), ["a", "b", "text"]);
  await t.rejects(client.lLen("text"), { message: /^WRONGTYPE / });
  await t.rejects(client.sendCommand(["NOSUCH"]), { message: /^ERR unknown command 'NOSUCH'/ });
  t.same(await client.multi().set("m", "1").incr("m").get("none").exec(), ["OK", 2, null]);
  await client.clientSetName("me");
  t.match(await client.clientInfo(), { name: "me", libName: "node-redis", resp: 3 });
  t.equal((await client.commandInfo(["get"]))[0]?.name, "get");
  t.match(await client.info(), /redis_mode:standalone/);
  t.equal(await client.flushDb(), "OK");
  await client.close();
  t.equal(bridge.trap(), null);
});

await t.test("clients find what they were told again after a reboot of the guest", async (t) => {
  const bridge = await startBridge(t);
  const [one, other] = [await connectIoredis(t, bridge), await connectNodeRedis(t, bridge)];
  one.on("error", () => undefined);
  await one.set("k", "acknowledged");
  await other.rPush("l", ["a", "b"]);
  bridge.reboot();
  t.equal(await one.get("k"), "acknowledged", "ioredis reconnects by itself");
  t.same(await other.lRange("l", 0, -1), ["a", "b"], "so does redis");
});

interface Ended {
  readonly status: number | null;
  readonly output: string;
}

async function run(program: string, args: readonly string[], input = ""): Promise<Ended> {
  const child = spawn(program, args, { timeout: PATIENCE_MS });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += String(chunk);
    });
  }
  child.stdin.end(input);
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { status, output };
}

await t.test("redis-cli speaks to the guest", { skip }, async (t) => {
  const bridge = await startBridge(t);
  const cli = async (...args: readonly string[]): Promise<string> =>
    (await run("redis-cli", ["-p", `${bridge.port}`, ...args])).output;
  t.equal(await cli("set", "k", "v"), "OK\n");
  t.equal(await cli("-3", "get", "k"), "v\n", "RESP3");
  t.equal(await cli("-3", "--no-raw", "config", "get", "databases"), '1# "databases" => "1"\n');
  t.equal(await cli("--no-raw", "mget", "k", "none"), '1) "v"\n2) (nil)\n');
  t.equal(await cli("get"), "ERR wrong number of arguments for 'get' command\n\n");
  t.match(await cli("-n", "3", "get", "k"), /ERR DB index is out of range/);
  t.match(await cli("info"), /^# Server\r\n/);
  t.match(await cli("command", "docs", "set"), /Set the string value of a key/);
  const lines = Array.from({ length: 5000 }, (_, n) => `SET p${n} ${n}\r\n`).join("");
  const pipe = await run("redis-cli", ["-p", `${bridge.port}`, "--pipe"], lines);
  t.match(pipe.output, /errors: 0, replies: 5000\n/, "mass insertion");
  t.equal((await cli("--scan")).trim().split("\n").length, 5001);
  t.match(await cli("--bigkeys"), /Sampled 5001 keys in the keyspace/);
  t.equal(bridge.trap(), null);
});

await t.test("redis-benchmark runs its tests against the guest", { skip }, async (t) => {
  const bridge = await startBridge(t);
  const tests = "ping,set,get,incr,lpush,rpush,lrange,mset";
  for (const more of [[], ["-P", "16"]]) {
    const args = ["-p", `${bridge.port}`, "-t", tests, "-n", "2000", "--csv", ...more];
    const { status, output } = await run("redis-benchmark", args);
    t.equal(status, 0);
    t.notMatch(output, /error|warning/i, "it complains of nothing");
    const rows = output.trim().split("\n").slice(1);
    for (const row of rows) t.comment(row.split(",").slice(0, 2).join(" "));
    t.equal(rows.length, 13, "each test has its result");
  }
  t.equal(bridge.trap(), null);
});
