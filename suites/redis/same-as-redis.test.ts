/**
 * Goal: what the guest has of Redis it has in Redis' own words, errors included.
 * Method: the same commands over TCP to Redis itself and to the guest, byte for byte; where Redis is not installed, said so.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import t, { type Test } from "tap";
import { command } from "../machine/rig.ts";
import { startBridge } from "./bridge.ts";

const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;
const skip = hasRedis
  ? false
  : "redis-server is not installed (Debian: apt-get install redis-server)";
const PATIENCE_MS = 10_000;

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Resolves once it takes in connections. */
async function startRedis(t: Test): Promise<number> {
  const port = await freePort();
  const options = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", t.testdir()];
  const child: ChildProcess = spawn("redis-server", options, {
    stdio: ["ignore", "pipe", "ignore"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("redis-server is not ready")), PATIENCE_MS);
    child.stdout?.on("data", (chunk) => {
      if (!String(chunk).includes("Ready to accept connections")) return;
      clearTimeout(late);
      resolve();
    });
  });
  return port;
}

/** Sends texts in one go, an ECHO behind each, and tells the answers apart by it. */
async function askAll(t: Test, port: number, texts: readonly string[]): Promise<readonly string[]> {
  const socket = connect(port, "127.0.0.1");
  t.teardown(() => socket.destroy());
  const mark = (n: number): string => `mark-${n}-`;
  const echoed = (n: number): string => `$${mark(n).length}\r\n${mark(n)}\r\n`;
  const end = echoed(texts.length - 1);
  let found = "";
  const answered = new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no answer behind ${found}`)), PATIENCE_MS);
    socket.on("error", reject);
    socket.on("data", (bytes) => {
      found += bytes.toString("latin1");
      if (!found.endsWith(end)) return;
      clearTimeout(late);
      resolve();
    });
  });
  const all = texts.map((text, n) => text + command("ECHO", mark(n))).join("");
  socket.write(Buffer.from(all, "latin1"));
  await answered;
  let at = 0;
  return texts.map((_, n) => {
    const from = at;
    const to = found.indexOf(echoed(n), from);
    at = to + echoed(n).length;
    return found.slice(from, to);
  });
}

/** A line is a command; words apart by single spaces, `""` an empty one. */
const SCRIPT = `
PING|PING a|PING a b|ping ""|ECHO|ECHO a b|FOO|foo a b|FLUSHALL FOO|FLUSHALL SYNC x|FLUSHDB ASYNC|FLUSHALL
GET|GET a|GET a b|SET a|SET a b|SET a c NX|SET n c NX|SET a c XX|SET x c XX|SET a b NX XX|SET a b GET|SET z 1 GET|SET z 2 NX GET|SET zz 2 XX GET
SET a b EX|SET a b EX 0|SET a b EX x|SET a b PX -1|SET a b EX 10 PX 10|SET a b KEEPTTL EX 5|SET a b EX 5 KEEPTTL|SET a b EX 9223372036854775807|SET a b FOO|SET a b EX 10 NX GET
TTL a|SET a b EX 100|TTL a|SET a c|TTL a|SET a b PX 100000|TTL a|SET a c KEEPTTL|TTL a|SET a d XX KEEPTTL|TTL a|INCR a|GET a|SET a 5 EX 100|INCR a|TTL a|APPEND a 7|GET a|TTL a|PERSIST a|PERSIST a|TTL a|PTTL a|TTL none|PTTL none|PERSIST none
EXPIRE a|EXPIRE a x|EXPIRE a 10|EXPIRE a 20 NX|EXPIRE a 20 XX|EXPIRE a 10 GT|EXPIRE a 10 LT|TTL a|EXPIRE a 30 gt|TTL a|EXPIRE none 10|EXPIRE a 10 FOO|EXPIRE a 10 NX XX|EXPIRE a 10 GT LT|EXPIRE a 10 NX GT|EXPIRE a 9223372036854775807|EXPIRE a -9223372036854775807|PEXPIRE a 9223372036854775807|PEXPIRE a 100000|TTL a|PERSIST a|EXPIRE a 10 GT|TTL a|EXPIRE a 10 LT|TTL a|EXPIRE a 0|GET a|EXPIRE a -1|SET a 1|PEXPIRE a -5|EXISTS a
MSET|MSET a|MSET a b c|MSET a 1 b 2 a 3|MGET|MGET a b none a|STRLEN|STRLEN a|STRLEN none|APPEND|APPEND s abc|APPEND s ""|APPEND s def|GET s|STRLEN s|APPEND e ""|EXISTS e|GET e
SET i 10|INCR i|DECR i|INCRBY i 5|DECRBY i 7|INCRBY i x|INCRBY i|DECRBY i 1.5|DECRBY i -9223372036854775808|SET i 9223372036854775800|INCRBY i 7|INCRBY i 1|INCR i|DECRBY i -1|SET i -9223372036854775800|DECRBY i 8|DECR i|DECRBY i 1|INCRBY new 3|DECR new2|SET i abc|INCR i|INCR|DECR a b|SET i ""|INCR i|SET i 01|INCR i
RPUSH|RPUSH l|RPUSH l a|RPUSH l b c|LPUSH l z y|LRANGE l 0 -1|LLEN l|LLEN none|LLEN|LPOP l|RPOP l|LPOP l 2|RPOP l 5|LPOP l|EXISTS l|LPOP none 2|RPOP none|LPOP l x|LPOP l -1|RPOP l 1 2|RPUSH l a|LPOP l 0|LRANGE l 0|LRANGE l a 1|LRANGE l 0 x|LRANGE none 0 1
GET l|INCR l|APPEND l x|STRLEN l|SET l v GET|RPUSH s x|LPUSH s x|LPOP s|RPOP s 3|LLEN s|LRANGE s 0 1|MGET l s|TYPE l|TYPE s|TYPE none|TYPE|SET l now-a-text|TYPE l
DEL|DEL a none a|UNLINK b|UNLINK|EXISTS a b s s|EXISTS|DBSIZE|DBSIZE x|KEYS|SELECT|SELECT 0|SELECT x|SELECT 99|SELECT -1
MULTI|MULTI|SET m 1|GET m|INCR m|LPUSH m x|FOO|EXEC|EXEC|DISCARD|MULTI|DISCARD|MULTI|EXEC|MULTI|SET m 1|INCR m|LPUSH m x|GET m|LRANGE none 0 -1|MGET m none|EXEC|MULTI|GET|EXEC|MULTI x|MULTI|SET m|DISCARD|MULTI|PING|ECHO hi|SELECT 0|EXEC|GET m|MULTI|SET m 5|RESET|GET m|EXEC|DISCARD x|EXEC x|MULTI|SET m 6|EXEC x|EXEC|GET m
CLIENT|CLIENT FOO|CLIENT SETNAME|CLIENT GETNAME|CLIENT SETNAME me|CLIENT GETNAME|CLIENT GETNAME x|CLIENT SETNAME ""|CLIENT GETNAME|CLIENT ID x|CLIENT INFO x|CLIENT NO-EVICT|CLIENT NO-EVICT on|CLIENT NO-EVICT foo|CLIENT LIST FOO|CLIENT LIST TYPE foo|CLIENT LIST TYPE pubsub|CLIENT LIST ID x
HELLO 4|HELLO x|HELLO 2 FOO|HELLO 2 SETNAME|HELLO 2 AUTH default|HELLO 2 AUTH nobody x|AUTH|AUTH x|AUTH nobody x|AUTH default x|AUTH a b c
CONFIG|CONFIG FOO|CONFIG GET|CONFIG GET save|CONFIG GET none|CONFIG SET databases 2|COMMAND FOO|COMMAND COUNT x
SCAN|SCAN x|SCAN 0 COUNT|SCAN 0 COUNT 0|SCAN 0 COUNT -1|SCAN 0 COUNT x|SCAN 0 FOO|SCAN 0 FOO 1|SCAN 0 TYPE hash|SCAN 0 MATCH none*
`;

const lines = SCRIPT.trim()
  .split(/[\n|]/)
  .map((line) => line.split(" ").map((word) => (word === '""' ? "" : word)));

/** An ECHO in the middle of a transaction would be a part of it. */
function scriptFor(protocol: string): readonly (readonly (readonly string[])[])[] {
  const steps: (readonly string[])[][] = [[["HELLO", protocol]], [["FLUSHALL"]]];
  let isMulti = false;
  for (const words of lines) {
    const step = steps.at(-1);
    if (isMulti && step !== undefined) step.push(words);
    else steps.push([words]);
    if (words.join(" ") === "MULTI") isMulti = true;
    if (/^(EXEC|DISCARD|RESET)$/.test(words.join(" "))) isMulti = false;
    // RESET puts the protocol back.
    if (words[0] === "RESET") steps.push([["HELLO", protocol]]);
  }
  return steps;
}

/** Numbers that belong to a server: its version, the connection. */
const plain = (words: readonly string[], reply: string): string =>
  words[0] === "HELLO" && words.length === 2
    ? reply.replace(/\$6\r\n7\.0\.\d+/, "$6\r\n7.0.15").replace(/(id\r\n):\d+/, "$1:n")
    : reply;

await t.test("each command is answered as by Redis", { skip }, async (t) => {
  const [redis, { port }] = await Promise.all([startRedis(t), startBridge(t)]);
  for (const protocol of ["2", "3"]) {
    const script = scriptFor(protocol);
    const texts = script.map((step) => step.map((words) => command(...words)).join(""));
    const [expected, found] = [await askAll(t, redis, texts), await askAll(t, port, texts)];
    script.forEach((step, n) => {
      const [words = []] = step;
      const name = step.map((it) => it.join(" ")).join(" | ");
      t.equal(
        plain(words, found[n] ?? ""),
        plain(words, expected[n] ?? "-"),
        `${protocol}: ${name}`,
      );
    });
  }
});

const PATTERNS = [
  ...["*", "a*", "*a", "*a*b*", "?", "??", "a?c", "[a-c]*", "[^a-c]*", "[c-a]x", "\\*", "a\\"],
  ...["[", "[a", "[]a]", "[^", "a[b-", "**a", "", "*\\*", "[\\]]", "h[ae]llo", "a*b*c*d"],
];
const NAMES = [
  ...["", "a", "b", "ab", "abc", "axc", "*", "a\\", "hello", "hallo", "hxllo", "bx", "]", "-", "^"],
  ...["[", "[a", "a*b*c*d", "aXbYcZd", "aaaaab", "cx", "*a*"],
];

await t.test("patterns mean what they mean in Redis", { skip }, async (t) => {
  const [redis, { port }] = await Promise.all([startRedis(t), startBridge(t)]);
  const texts = [
    command("MSET", ...NAMES.flatMap((name) => [name, "1"])),
    ...PATTERNS.flatMap((pattern) => [
      command("KEYS", pattern),
      command("SCAN", "0", "MATCH", pattern, "COUNT", "1000"),
    ]),
  ];
  const [expected, found] = [await askAll(t, redis, texts), await askAll(t, port, texts)];
  const sorted = (reply: string | undefined): readonly string[] =>
    (reply ?? "").split("\r\n").sort();
  texts.forEach((text, n) => {
    t.same(sorted(found[n]), sorted(expected[n]), JSON.stringify(text.slice(0, 60)));
  });
  t.ok(
    expected.some((reply) => reply.includes("hallo")),
    "some match",
  );
});

await t.test(
  "a thousand commands in one write, plain and in a transaction",
  { skip },
  async (t) => {
    const [redis, { port }] = await Promise.all([startRedis(t), startBridge(t)]);
    const commands = Array.from({ length: 1000 }, (_, n) => {
      const kinds = [
        ["SET", `k${n % 50}`, `v${n}`],
        ["RPUSH", `l${n % 7}`, `e${n}`, `f${n}`],
        ["INCR", `n${n % 3}`],
        ["LPOP", `l${n % 5}`],
        ["LRANGE", `l${n % 7}`, "-3", "-1"],
        ["GET", `l${n % 7}`],
      ];
      return command(...(kinds[n % kinds.length] ?? []));
    }).join("");
    const texts = [commands, command("MULTI") + commands + command("EXEC"), command("DBSIZE")];
    const [expected, found] = [await askAll(t, redis, texts), await askAll(t, port, texts)];
    t.ok((expected[1] ?? "").length > 10_000, "it is answered");
    t.same(found, expected, "alike");
  },
);
