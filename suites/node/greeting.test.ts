/**
 * Goal: nobody who does not know the run's secret gets a word in, or keeps those out who do.
 * Method: a server and diallers in this process; strangers speak to it over raw sockets, WebSockets and in crowds.
 */
import { connect, type Socket } from "node:net";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { type Dialler, startDialler } from "../../node/io/dialler.ts";
import { type GreetedServer, listenGreeted, type Self } from "../../node/io/greeted-server.ts";
import type { Link } from "../../node/io/link.ts";
import type { Endpoint } from "../../node/ports/process-file.ts";
import { encodeHello, HELLO_BYTES_MAX, HELLO_WITHIN_MS } from "../../node/wire/hello.ts";
import { refuse } from "../../node/wire/parsed.ts";
import { freeEndpoint, within } from "./small-cluster.ts";

const SECRET = "00112233445566778899aabbccddeeff";
const SERVER: Self = { cluster: "c-1", role: "switch", name: "s1", secret: SECRET };
const HOST: Self = { cluster: "c-1", role: "host", name: "a", secret: SECRET };
const FRAME_BYTES_MAX = 66_048;

interface Listening {
  readonly endpoint: Endpoint;
  readonly refused: string[];
  readonly messages: number[];
  readonly greeted: string[];
  readonly server: GreetedServer;
}

async function listening(t: Test, self = SERVER): Promise<Listening> {
  const endpoint = await freeEndpoint();
  const refused: string[] = [];
  const messages: number[] = [];
  const greeted: string[] = [];
  const server = await listenGreeted({
    endpoint,
    self,
    kind: "binary",
    frameBytesMax: FRAME_BYTES_MAX,
    admit: ({ role }) => (role === "host" ? { ok: true, value: null } : refuse("wrong role")),
    greeted({ name }, createOn) {
      greeted.push(name);
      const link = createOn({
        message(data) {
          messages.push(data.length);
          link.send(data);
        },
        closed: () => greeted.push(`${name} left`),
      });
    },
    refused: (why) => refused.push(why),
  });
  t.teardown(() => server.close());
  return { endpoint, refused, messages, greeted, server };
}

interface Dialled {
  readonly dialler: Dialler;
  readonly link: Promise<Link>;
  readonly echoed: Promise<number>;
  readonly refusals: () => number;
  readonly foreign: Promise<string>;
  readonly connections: () => number;
}

function dialled(t: Test, endpoint: Endpoint): Dialled {
  let refusals = 0;
  let connections = 0;
  let onLink: (link: Link) => void = () => undefined;
  let onEcho: (length: number) => void = () => undefined;
  let onForeign: (why: string) => void = () => undefined;
  const link = new Promise<Link>((resolve) => {
    onLink = resolve;
  });
  const echoed = new Promise<number>((resolve) => {
    onEcho = resolve;
  });
  const foreign = new Promise<string>((resolve) => {
    onForeign = resolve;
  });
  const dialler = startDialler({
    endpoint,
    from: null,
    self: HOST,
    peer: { role: "switch", name: "s1", path: null },
    frameBytesMax: FRAME_BYTES_MAX,
    redialMs: 20,
    greeted(createOn) {
      connections += 1;
      onLink(createOn({ message: (data) => onEcho(data.length), closed: () => undefined }));
    },
    refused() {
      refusals += 1;
    },
    foreign: (why) => onForeign(why),
  });
  t.teardown(() => dialler.close());
  return {
    dialler,
    link,
    echoed,
    refusals: () => refusals,
    foreign,
    connections: () => connections,
  };
}

/** What a stranger hears until he is dropped. */
function strangerHears(endpoint: Endpoint, first: string | Uint8Array | null): Promise<string> {
  const heard = new Promise<string>((resolve) => {
    const socket = new WebSocket(`ws://${endpoint.address}:${endpoint.port}/`);
    let text = "";
    socket.on("error", () => undefined);
    socket.on("open", () => {
      if (first !== null) socket.send(first);
    });
    socket.on("message", (data: Buffer) => {
      text += data.toString();
    });
    socket.on("close", () => resolve(text));
  });
  return within(heard, "end of the stranger's connection");
}

/** A raw client: what came back until the end. */
function rawHears(endpoint: Endpoint, text: string): Promise<string> {
  const heard = new Promise<string>((resolve) => {
    const socket = connect({ host: endpoint.address, port: endpoint.port });
    let answer = "";
    socket.on("error", () => undefined);
    socket.on("connect", () => socket.write(text));
    socket.on("data", (data) => {
      answer += data.toString();
    });
    socket.on("close", () => resolve(answer));
  });
  return within(heard, "end of the raw connection");
}

await t.test("who knows the secret is greeted, and its frames come back", async (t) => {
  const { endpoint, greeted, messages } = await listening(t);
  const { link, echoed } = dialled(t, endpoint);
  (await within(link, "a link")).send(new Uint8Array(7));
  t.equal(await within(echoed, "an echo"), 7);
  t.strictSame(greeted, ["a"]);
  t.strictSame(messages, [7]);
});

const hello = (changes: object): string => {
  const { cluster, role, name, secret } = HOST;
  const base: unknown = JSON.parse(encodeHello({ cluster, role, name, path: null, secret }));
  return JSON.stringify(Object.assign({}, base, changes));
};

const STRANGERS: Readonly<Record<string, readonly [string | Uint8Array, string]>> = {
  "a wrong secret": [hello({ secret: "f".repeat(32) }), "wrong secret"],
  "a missing secret": [hello({ secret: undefined }), "wrong field secret"],
  "another cluster": [hello({ cluster: "c-2" }), "another cluster"],
  "a role that does not belong here": [hello({ role: "harness" }), "wrong role"],
  "another protocol version": [hello({ protocol: 2 }), "another protocol version"],
  "a frame first": [new Uint8Array(40), "no hello"],
  "no JSON": ["{", "no JSON"],
};

for (const [name, [first, why]] of Object.entries(STRANGERS)) {
  await t.test(`${name} is turned away without a word`, async (t) => {
    const { endpoint, refused, greeted } = await listening(t);
    t.equal(await strangerHears(endpoint, first), "");
    t.strictSame(refused, [why]);
    t.strictSame(greeted, []);
    t.notMatch(refused.join(), SECRET);
  });
}

await t.test("a silent connection is dropped after its second", async (t) => {
  const { endpoint, refused } = await listening(t);
  const startedAt = performance.now();
  await Promise.all([strangerHears(endpoint, null), rawHears(endpoint, "")]);
  t.ok(performance.now() - startedAt >= HELLO_WITHIN_MS - 50);
  t.strictSame(refused, ["no hello in time", "no hello in time"]);
});

await t.test("more than 4 KiB before the hello end the connection", async (t) => {
  const { endpoint, refused } = await listening(t);
  t.equal(await strangerHears(endpoint, "x".repeat(HELLO_BYTES_MAX)), "");
  t.strictSame(refused, ["too much before the hello"]);
  t.match(await rawHears(endpoint, `GET / HTTP/1.1\r\nx: ${"x".repeat(5_000)}`), /431|^$/);
});

await t.test("an upgrade that comes from a web page, and no upgrade, are refused", async (t) => {
  const { endpoint, greeted } = await listening(t);
  const upgrade = [
    "GET / HTTP/1.1",
    "Host: x",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  ];
  const page = [...upgrade, "Origin: http://page.invalid", "", ""].join("\r\n");
  t.match(await rawHears(endpoint, page), /^HTTP\/1\.1 403 /);
  t.match(await rawHears(endpoint, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), /^HTTP\/1\.1 426 /);
  t.strictSame(greeted, []);
});

await t.test(
  "a frame above the limit ends its connection, and the dialler comes back",
  async (t) => {
    const { endpoint, greeted } = await listening(t);
    const { link, connections } = dialled(t, endpoint);
    (await within(link, "a link")).send(new Uint8Array(FRAME_BYTES_MAX + 1));
    while (connections() < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    t.strictSame(greeted, ["a", "a left", "a"]);
  },
);

await t.test("a text message among frames ends the connection", async (t) => {
  const { endpoint, messages, greeted } = await listening(t);
  const { link, connections } = dialled(t, endpoint);
  (await within(link, "a link")).send("text");
  while (connections() < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  t.strictSame(messages, []);
  t.ok(greeted.includes("a left"));
});

await t.test("a thousand silent connections do not keep out who belongs here", async (t) => {
  const { endpoint, messages } = await listening(t);
  const early = dialled(t, endpoint);
  const link = await within(early.link, "a link");
  const crowd: Socket[] = [];
  for (let index = 0; index < 1_000; index += 1) {
    const socket = connect({ host: endpoint.address, port: endpoint.port });
    socket.on("error", () => undefined);
    crowd.push(socket);
  }
  t.teardown(() => {
    for (const socket of crowd) socket.destroy();
  });
  const startedAt = performance.now();
  const late = dialled(t, endpoint);
  await within(late.link, "a link amid the crowd");
  t.comment(`greeted ${Math.round(performance.now() - startedAt)} ms after the crowd came`);
  link.send(new Uint8Array(3));
  t.equal(await within(early.echoed, "an echo amid the crowd"), 3);
  t.strictSame(messages, [3]);
});

await t.test("a server that does not know the secret is left", async (t) => {
  const other = { ...SERVER, secret: "e".repeat(32) };
  const { endpoint } = await listening(t, other);
  const { refusals } = dialled(t, endpoint);
  // It turns the dialler away first: to the dialler that is a refusal.
  while (refusals() < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const imposter = await listening(t, { ...SERVER, name: "s2" });
  t.equal(await within(dialled(t, imposter.endpoint).foreign, "a judgement"), "somebody else");
});

await t.test("a dial that nobody takes is refused at once, and again every redial", async (t) => {
  const endpoint = await freeEndpoint();
  const startedAt = performance.now();
  const { refusals, link } = dialled(t, endpoint);
  while (refusals() < 3) await new Promise((resolve) => setTimeout(resolve, 2));
  const tookMs = performance.now() - startedAt;
  t.ok(tookMs >= 38, `three refusals take two redials: ${tookMs} ms`);
  const server = await listenGreeted({
    endpoint,
    self: SERVER,
    kind: "binary",
    frameBytesMax: FRAME_BYTES_MAX,
    admit: () => ({ ok: true, value: null }),
    greeted(_hello, createOn) {
      createOn({ message: () => undefined, closed: () => undefined });
    },
    refused: () => undefined,
  });
  t.teardown(() => server.close());
  t.ok(await within(link, "a link once somebody listens"));
});

await t.test("an address that is taken has a name", async (t) => {
  const { endpoint } = await listening(t);
  await t.rejects(
    listenGreeted({
      endpoint,
      self: SERVER,
      kind: "binary",
      frameBytesMax: FRAME_BYTES_MAX,
      admit: () => refuse("nobody"),
      greeted: () => undefined,
      refused: () => undefined,
    }),
    { message: /^cannot bind .*EADDRINUSE/ },
  );
});
