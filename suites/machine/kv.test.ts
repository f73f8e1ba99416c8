/**
 * Goal: the key-value guest answers as Redis does, however a client's bytes arrive.
 * Method: a table of commands and replies; one stream cut at every offset; random commands beside a model, across reboots.
 */
import fc from "fast-check";
import t from "tap";
import { command, type Rig, startRig, volumeAfter } from "./rig.ts";

const WRONG_TYPE = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
const NO_INTEGER = "-ERR value is not an integer or out of range\r\n";

function startWithClient(): Rig {
  const rig = startRig();
  rig.open(1);
  return rig;
}

const REPLIES: readonly (readonly [readonly string[], string])[] = [
  [["PING"], "+PONG\r\n"],
  [["ping", "hello"], "$5\r\nhello\r\n"],
  [["PING", "a", "b"], "-ERR wrong number of arguments for 'ping' command\r\n"],
  [["ECHO", ""], "$0\r\n\r\n"],
  [["ECHO"], "-ERR wrong number of arguments for 'echo' command\r\n"],
  [["GET", "k"], "$-1\r\n"],
  [["SET", "k", "v"], "+OK\r\n"],
  [["gEt", "k"], "$1\r\nv\r\n"],
  [["SET", "k", "\x00\xff\r\n$1\r\n"], "+OK\r\n"],
  [["GET", "k"], "$8\r\n\x00\xff\r\n$1\r\n\r\n"],
  [["SET", "k", "v", "NX"], "$-1\r\n"],
  [["SET", "k", "v", "NY"], "-ERR syntax error\r\n"],
  [["SET", "k"], "-ERR wrong number of arguments for 'set' command\r\n"],
  [["GeT"], "-ERR wrong number of arguments for 'get' command\r\n"],
  [["SET", "", "empty key"], "+OK\r\n"],
  [["GET", ""], "$9\r\nempty key\r\n"],
  [["EXISTS", "k", "none", "k", ""], ":3\r\n"],
  [["EXISTS"], "-ERR wrong number of arguments for 'exists' command\r\n"],
  [["DEL", "k", "k", "none"], ":1\r\n"],
  [["DEL", "k"], ":0\r\n"],
  [["DEL"], "-ERR wrong number of arguments for 'del' command\r\n"],
  [["INCR", "n"], ":1\r\n"],
  [["INCR", "n"], ":2\r\n"],
  [["GET", "n"], "$1\r\n2\r\n"],
  [["SET", "n", "-1"], "+OK\r\n"],
  [["INCR", "n"], ":0\r\n"],
  [["SET", "n", "9223372036854775806"], "+OK\r\n"],
  [["INCR", "n"], ":9223372036854775807\r\n"],
  [["INCR", "n"], "-ERR increment or decrement would overflow\r\n"],
  [["SET", "n", "-9223372036854775808"], "+OK\r\n"],
  [["INCR", "n"], ":-9223372036854775807\r\n"],
  ...[
    "9223372036854775808",
    "-9223372036854775809",
    "1.5",
    " 1",
    "01",
    "+1",
    "-0",
    "-",
    "",
  ].flatMap((text): [string[], string][] => [
    [["SET", "n", text], "+OK\r\n"],
    [["INCR", "n"], NO_INTEGER],
  ]),
  [["INCR"], "-ERR wrong number of arguments for 'incr' command\r\n"],
  [["RPUSH", "l", "a"], ":1\r\n"],
  [["RPUSH", "l", "b", "", "d"], ":4\r\n"],
  [["RPUSH", "l"], "-ERR wrong number of arguments for 'rpush' command\r\n"],
  [["LRANGE", "l", "0", "-1"], "*4\r\n$1\r\na\r\n$1\r\nb\r\n$0\r\n\r\n$1\r\nd\r\n"],
  [["LRANGE", "l", "1", "1"], "*1\r\n$1\r\nb\r\n"],
  [["LRANGE", "l", "-100", "0"], "*1\r\n$1\r\na\r\n"],
  [["LRANGE", "l", "-1", "100"], "*1\r\n$1\r\nd\r\n"],
  [["LRANGE", "l", "4", "5"], "*0\r\n"],
  [["LRANGE", "l", "2", "1"], "*0\r\n"],
  [["LRANGE", "l", "0", "-9223372036854775808"], "*0\r\n"],
  [
    ["LRANGE", "l", "-9223372036854775808", "9223372036854775807"],
    "*4\r\n$1\r\na\r\n$1\r\nb\r\n$0\r\n\r\n$1\r\nd\r\n",
  ],
  [["LRANGE", "none", "0", "-1"], "*0\r\n"],
  [["LRANGE", "l", "x", "1"], NO_INTEGER],
  [["LRANGE", "l", "0"], "-ERR wrong number of arguments for 'lrange' command\r\n"],
  [["GET", "l"], WRONG_TYPE],
  [["INCR", "l"], WRONG_TYPE],
  [["RPUSH", "n", "x"], WRONG_TYPE],
  [["LRANGE", "n", "0", "-1"], WRONG_TYPE],
  [["SET", "l", "a list no more"], "+OK\r\n"],
  [["GET", "l"], "$14\r\na list no more\r\n"],
  [["FOO", "a", "b\r\nc"], "-ERR unknown command 'FOO', with args beginning with: 'a' 'b  c' \r\n"],
  [["foobarbaz"], "-ERR unknown command 'foobarbaz', with args beginning with: \r\n"],
];

await t.test("each command is answered in the words of Redis", async (t) => {
  const rig = startWithClient();
  for (const [words, reply] of REPLIES) {
    t.equal(rig.ask(1, command(...words)), reply, JSON.stringify(words.join(" ")));
  }
});

await t.test("a line of words is a command too, and an empty line is none", async (t) => {
  const rig = startWithClient();
  t.equal(rig.ask(1, "SET  k\tv \r\n"), "+OK\r\n");
  t.equal(rig.ask(1, "\r\n\n*0\r\n*-1\r\nget k\n"), "$1\r\nv\r\n");
});

const PIPELINE = [
  command("SET", "key", "\r\n$5\r\n"),
  "\r\nPING\r\n",
  command("RPUSH", "list", "one", "", "three"),
  command("LRANGE", "list", "0", "-1"),
  "*0\r\n",
  command("INCR", "counter"),
  command("GET", "key"),
  command("BOO", "far"),
  command("DEL", "key", "list", "counter"),
].join("");
const BYTES = PIPELINE.split("");
const ANSWER = startWithClient().ask(1, PIPELINE);

await t.test("a pipeline is answered alike wherever it is cut", async (t) => {
  t.equal(ANSWER.length > 100, true, "the pipeline is answered");
  const rig = startWithClient();
  for (let cut = 1; cut < PIPELINE.length; cut += 1) {
    const found = rig.ask(1, PIPELINE.slice(0, cut)) + rig.ask(1, PIPELINE.slice(cut));
    if (found !== ANSWER) t.equal(found, ANSWER, `cut at ${cut}`);
  }
  const single = BYTES.map((byte) => rig.ask(1, byte)).join("");
  t.equal(single, ANSWER, "byte by byte");
  const parts = BYTES.map((byte) => [1, byte] as const);
  t.equal(rig.sent(rig.feed(parts), 1), ANSWER, "byte by byte in one entry");
});

await t.test("unfinished commands of many sessions do not mix", async (t) => {
  const rig = startRig();
  const sessions = Array.from({ length: 200 }, (_, index) => 1000 + index * 3);
  for (const session of sessions) rig.open(session);
  const text = (session: number): string => command("SET", `k${session}`, `v${session}`);
  rig.feed(sessions.map((session) => [session, text(session).slice(0, session % 20)]));
  const done = rig.feed(sessions.map((session) => [session, text(session).slice(session % 20)]));
  t.ok(
    sessions.every((session) => rig.sent(done, session) === "+OK\r\n"),
    "each is answered",
  );
  const read = rig.feed(sessions.map((session) => [session, command("GET", `k${session}`)]));
  t.ok(
    sessions.every((session) => rig.sent(read, session).endsWith(`\r\nv${session}\r\n`)),
    "each finds its own value",
  );
});

await t.test(
  "a session beyond the guest's table is turned away, and room comes back",
  async (t) => {
    const rig = startRig();
    let session = 0;
    do {
      session += 1;
      rig.open(session);
    } while (rig.last().outputs.every(({ what }) => what !== "reset") && session < 2000);
    t.ok(session > 128, "at least 128 sessions are taken");
    t.equal(rig.ask(session - 1, "PING\r\n"), "+PONG\r\n", "the others live");
    rig.enter({ kind: "session", session: 1, what: "fin" });
    t.match(rig.last().outputs, [{ session: 1, what: "fin" }], "a client that closes is closed");
    rig.enter({ kind: "session", session: 2, what: "reset" });
    for (const next of [5001, 5002]) {
      rig.open(next);
      t.equal(rig.ask(next, "PING\r\n"), "+PONG\r\n", "a place is free again");
    }
  },
);

await t.test("what breaks the protocol is named, and its session closed after it", async (t) => {
  const breaks: readonly (readonly [string, RegExp])[] = [
    ["*x\r\n", /^-ERR Protocol error: invalid multibulk length\r\n$/],
    ["*2000000\r\n", /^-ERR Protocol error: invalid multibulk length\r\n$/],
    ["*1\r\n:1\r\n", /^-ERR Protocol error: expected '\$', got ':'\r\n$/],
    ["*1\r\n$-1\r\n", /^-ERR Protocol error: invalid bulk length\r\n$/],
    ["*1\r\n$1x\r\n", /^-ERR Protocol error: invalid bulk length\r\n$/],
    [`*1\r\n$${2 ** 29 + 1}\r\n`, /^-ERR Protocol error: invalid bulk length\r\n$/],
    [`*2\r\n$${1 << 17}\r\n${"x".repeat(1 << 17)}\r\n:`, /^-ERR Protocol error: expected '\$'/],
    ["x".repeat(1 << 16), /^-ERR Protocol error: too big inline request\r\n$/],
  ];
  for (const [text, reply] of breaks) {
    for (const size of [text.length, 1000]) {
      const rig = startWithClient();
      let found = rig.ask(1, "PING\r\n");
      for (let at = 0; at < text.length; at += size) found += rig.ask(1, text.slice(at, at + size));
      t.match(found.slice("+PONG\r\n".length), reply, JSON.stringify(text.slice(0, 20)));
      t.equal(rig.outputs.at(-1)?.what, "fin", "its session is closed");
      t.equal(rig.ask(1, "PING\r\n"), "", "and hears nothing more");
      rig.enter({ kind: "session", session: 1, what: "fin" });
      rig.open(2);
      t.equal(rig.ask(2, "PING\r\n"), "+PONG\r\n", "other sessions live");
    }
  }
});

await t.test("a command that is too long is answered, and its session goes on", async (t) => {
  const long = (bytes: number): string => "x".repeat(bytes);
  const many = Array.from({ length: 9000 }, () => "e");
  const cases: readonly (readonly [string, RegExp])[] = [
    [command("SET", "k", long(1 << 16)), /^-ERR value is longer than 32768 bytes\r\n$/],
    [command("SET", "k", long(1_000_000)), /^-ERR value is longer than 32768 bytes\r\n$/],
    [command(long(70_000), "k", long(70_000), ""), /^-ERR value is longer than 32768 bytes\r\n$/],
    [command("MSET", "a", long(30_000), "b", long(30_000), "c", long(9_000)), /^-ERR command is/],
    [command("MSET", ...Array.from({ length: 8000 }, () => "abcdef")), /^-ERR command is longer/],
    [command("RPUSH", "l", ...many), /^-ERR command has more than 8192 arguments\r\n$/],
  ];
  for (const [text, reply] of cases) {
    for (const size of [text.length, 1000, 4096 + 7]) {
      const rig = startWithClient();
      const stream = `PING\r\n${text}${command("SET", "after", "1")}GET after\r\n`;
      let found = "";
      for (let at = 0; at < stream.length; at += size) {
        found += rig.ask(1, stream.slice(at, at + size));
      }
      const [, middle = ""] = /^\+PONG\r\n(.*)\+OK\r\n\$1\r\n1\r\n$/s.exec(found) ?? [];
      t.match(middle, reply, `${text.slice(0, 20)} in pieces of ${size}`);
      t.equal(rig.ask(1, command("EXISTS", "k", "a", "l", "abcdef")), ":0\r\n", "nothing changed");
    }
  }
  const rig = startWithClient();
  const [big] = cases[1] ?? [""];
  const text = `MULTI\r\nSET a 1\r\n${big}EXEC\r\nEXISTS a\r\n`;
  t.match(rig.ask(1, text), /-EXECABORT [^\n]*\r\n:0\r\n$/, "its transaction is none");
});

await t.test("keys to 512 bytes and values to 32 KiB are kept, longer ones refused", async (t) => {
  const rig = startWithClient();
  const [key, value] = ["k".repeat(512), "v".repeat(32768)];
  t.equal(rig.ask(1, command("SET", key, value)), "+OK\r\n");
  t.equal(rig.ask(1, command("GET", key)), `$32768\r\n${value}\r\n`);
  t.match(rig.ask(1, command("SET", `${key}k`, "v")), /^-ERR /);
  t.match(rig.ask(1, command("SET", "k", `${value}v`)), /^-ERR /);
  t.match(rig.ask(1, command("RPUSH", "l", `${value}v`)), /^-ERR /);
  t.equal(rig.ask(1, command("EXISTS", `${key}k`, "k", "l")), ":0\r\n");
});

await t.test("replies beyond the reply buffer come whole, each after its flush", async (t) => {
  const rig = startWithClient();
  const value = "v".repeat(30_000);
  for (let index = 0; index < 40; index += 1) rig.ask(1, command("RPUSH", "big", value));
  const range = `*40\r\n${`$30000\r\n${value}\r\n`.repeat(40)}`;
  t.ok(rig.ask(1, command("LRANGE", "big", "0", "-1")) === range, "1.2 MB in one reply");
  const twice = rig.feed([
    [1, command("SET", "a", "1") + command("LRANGE", "big", "0", "-1") + command("INCR", "a")],
  ]);
  t.ok(rig.sent(twice, 1) === `+OK\r\n${range}:2\r\n`, "between two changes");
  const [first, last] = [twice.outputs.at(0), twice.outputs.at(-1)];
  t.ok((first?.barrier ?? 0) < (last?.barrier ?? 0), "the second change has a later barrier");
  t.equal(last?.barrier, twice.flushes);

  for (let index = 0; index < 100; index += 1) rig.ask(1, command("RPUSH", "l", "e".repeat(100)));
  const elements = `$100\r\n${"e".repeat(100)}\r\n`.repeat(100);
  t.ok(rig.ask(1, command("LRANGE", "l", "0", "-1")) === `*100\r\n${elements}`);
});

const key = fc.integer({ min: 0, max: 12 }).map((n) => `k${n}`);
const value = fc.oneof(
  fc.integer({ min: -5, max: 5 }).map(String),
  fc
    .tuple(fc.constantFrom("a", "b"), fc.integer({ min: 0, max: 3000 }))
    .map(([a, n]) => a.repeat(n)),
);
const words = fc.oneof(
  fc.tuple(fc.constant("SET"), key, value),
  fc.tuple(fc.constant("GET"), key),
  fc.tuple(fc.constant("DEL"), key, key),
  fc.tuple(fc.constant("INCR"), key),
  fc.tuple(fc.constant("RPUSH"), key, value, value),
  fc.tuple(fc.constant("LRANGE"), key, fc.constant("0"), fc.constant("-1")),
);

type Model = Map<string, string | string[]>;
const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

function expected(model: Model, [name, first, ...rest]: readonly string[]): string {
  const at = first ?? "";
  const found = model.get(at);
  if (name === "SET") {
    model.set(at, rest[0] ?? "");
    return "+OK\r\n";
  }
  if (name === "DEL") return `:${[at, ...rest].filter((it) => model.delete(it)).length}\r\n`;
  if (name === "RPUSH") {
    if (typeof found === "string") return WRONG_TYPE;
    const list = [...(found ?? []), ...rest];
    model.set(at, list);
    return `:${list.length}\r\n`;
  }
  if (name === "LRANGE") {
    if (typeof found === "string") return WRONG_TYPE;
    return `*${found?.length ?? 0}\r\n${(found ?? []).map(bulk).join("")}`;
  }
  if (Array.isArray(found)) return WRONG_TYPE;
  if (name === "GET") return found === undefined ? "$-1\r\n" : bulk(found);
  if (found !== undefined && !/^(0|-?[1-9]\d*)$/.test(found)) return NO_INTEGER;
  const next = String(Number(found ?? 0) + 1);
  model.set(at, next);
  return `:${next}\r\n`;
}

await t.test(
  "random commands are answered as a model answers them, also after a boot",
  async (t) => {
    const batches = fc.array(fc.array(words, { minLength: 1, maxLength: 20 }), { maxLength: 20 });
    const property = fc.property(batches, (plan) => {
      const model: Model = new Map();
      let rig = startWithClient();
      let volume = volumeAfter([], []);
      plan.forEach((batch, turn) => {
        const answer = batch.map((it) => expected(model, it)).join("");
        if (rig.ask(1, batch.map((it) => command(...it)).join("")) !== answer) {
          throw new Error(`batch ${turn} is answered otherwise`);
        }
        if (turn % 5 !== 4) return;
        volume = volumeAfter(volume, rig.writes);
        rig = startRig({ seed: turn }, volume);
        rig.open(1);
      });
    });
    fc.assert(property, { numRuns: 150 });
    t.pass("150 plans");
  },
);
