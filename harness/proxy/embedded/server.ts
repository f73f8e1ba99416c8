/** The REST API of Toxiproxy, as toxiproxy-node-client uses it (docs/toxiproxy.md). */
import { createServer, type IncomingMessage, type Server } from "node:http";
import * as v from "valibot";
import { LinkProxy, type ProxySettings } from "./link-proxy.ts";
import { ApiError, changeToxic, parse, readToxic } from "./toxic.ts";

/** Begins with the release whose behaviour it follows. */
export const EMBEDDED_VERSION = "2.12.0-embedded";
/** Most bytes of a call: a mesh of 500 links takes 80 KiB. */
const BODY_MAX = 4 * 1_024 * 1_024;

interface Answer {
  readonly status: number;
  /** Undefined: no body. */
  readonly body?: unknown;
}

interface Call {
  readonly method: string;
  /** Decoded. */
  readonly parts: readonly string[];
  /** @throws ApiError 400 for what is no JSON */
  readonly body: () => unknown;
}

type Proxies = Map<string, LinkProxy>;

export function createEmbeddedServer(): Server {
  const proxies: Proxies = new Map();
  // One after the other: a call that listens or closes ends before the next one begins.
  let last: Promise<unknown> = Promise.resolve();
  return createServer((request, response) => {
    const text = readText(request);
    const turn = last.then(async () => answerTo(proxies, request, await text));
    last = turn.then(
      ({ status, body }) => {
        response.writeHead(
          status,
          body === undefined ? {} : { "content-type": "application/json" },
        );
        response.end(body === undefined ? "" : `${JSON.stringify(body)}\n`);
      },
      () => response.destroy(),
    );
  });
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= BODY_MAX) chunks.push(chunk);
  }
  return size > BODY_MAX ? "too long" : Buffer.concat(chunks).toString("utf8");
}

async function answerTo(proxies: Proxies, request: IncomingMessage, text: string): Promise<Answer> {
  const { method = "GET", url = "/", headers } = request;
  try {
    if (headers["user-agent"]?.startsWith("Mozilla/") === true) {
      throw new ApiError(403, "User agent not allowed");
    }
    const parts = new URL(url, "http://localhost").pathname.slice(1).split("/");
    const body = (): unknown => parse(v.pipe(v.string(), v.parseJson()), text);
    return await route(proxies, { method, parts: parts.map(decodeURIComponent), body });
  } catch (error: unknown) {
    const status = error instanceof ApiError ? error.status : 500;
    const why = error instanceof Error ? error.message : String(error);
    return { status, body: { error: why, status } };
  }
}

function route(proxies: Proxies, call: Call): Answer | Promise<Answer> {
  const [root, name, toxics, toxic, ...more] = call.parts;
  const isKnown = more.length === 0 && (toxics === undefined || toxics === "toxics");
  if (isKnown && root === "proxies" && name !== undefined) {
    const proxy = proxies.get(name);
    if (proxy === undefined) throw new ApiError(404, "proxy not found");
    if (toxics === undefined) return onProxy(proxies, proxy, call);
    return toxic === undefined ? onToxics(proxy, call) : onToxic(proxy, toxic, call);
  }
  switch (`${call.method} ${call.parts.join("/")}`) {
    case "GET version":
      return { status: 200, body: { version: EMBEDDED_VERSION } };
    case "GET proxies":
      return {
        status: 200,
        body: Object.fromEntries([...proxies].map(([it, p]) => [it, p.view()])),
      };
    case "POST proxies":
      return createOne(proxies, readProxy(call.body(), ""));
    case "POST populate":
      return populate(proxies, parse(v.array(v.unknown()), call.body()));
    case "POST reset":
      return reset(proxies);
    default:
      throw new ApiError(404, "404 page not found");
  }
}

const proxySchema = v.object({
  name: v.optional(v.string(), ""),
  listen: v.optional(v.string(), ""),
  upstream: v.optional(v.string(), ""),
  enabled: v.optional(v.boolean(), true),
});
/** What is not named stays as it is. */
const changeOf = (now: ProxySettings) =>
  v.object({
    listen: v.optional(v.string(), now.listen),
    upstream: v.optional(v.string(), now.upstream),
    enabled: v.optional(v.boolean(), now.enabled),
  });
type NewProxy = v.InferOutput<typeof proxySchema>;

function readProxy(body: unknown, where: string): NewProxy {
  const given = parse(proxySchema, body);
  for (const field of ["name", "upstream"] as const) {
    if (given[field] === "") throw new ApiError(400, `missing required field: ${field}${where}`);
  }
  return given;
}

async function createOne(proxies: Proxies, given: NewProxy): Promise<Answer> {
  if (proxies.has(given.name)) throw new ApiError(409, "proxy already exists");
  const proxy = new LinkProxy(given.name, given);
  if (given.enabled) await proxy.start();
  proxies.set(given.name, proxy);
  return { status: 201, body: proxy.view() };
}

/** In their order, up to the first one that fails. One with equal addresses is left as it is, its toxics too. */
async function populate(proxies: Proxies, list: readonly unknown[]): Promise<Answer> {
  const given = list.map((it, index) => readProxy(it, ` at proxy ${index + 1}`));
  const made: LinkProxy[] = [];
  let failure: ApiError | null = null;
  for (const wanted of given) {
    const known = proxies.get(wanted.name);
    const isKept = known?.isAt(wanted) === true;
    const proxy = isKept ? known : new LinkProxy(wanted.name, wanted);
    try {
      if (!isKept) await known?.stop();
      if (!isKept && wanted.enabled) await proxy.start();
    } catch (error: unknown) {
      failure = error instanceof ApiError ? error : new ApiError(500, String(error));
      break;
    }
    proxies.set(wanted.name, proxy);
    made.push(proxy);
  }
  const views = made.map((proxy) => proxy.view());
  if (failure === null) return { status: 201, body: { proxies: views } };
  const { status, message } = failure;
  return { status, body: { error: message, status, proxies: views } };
}

async function reset(proxies: Proxies): Promise<Answer> {
  for (const proxy of proxies.values()) {
    await proxy.start();
    for (const toxic of proxy.toxics()) proxy.removeToxic(toxic);
  }
  return { status: 204 };
}

async function onProxy(proxies: Proxies, proxy: LinkProxy, call: Call): Promise<Answer> {
  if (call.method === "DELETE") {
    await proxy.stop();
    proxies.delete(proxy.name);
    return { status: 204 };
  }
  if (isChange(call)) {
    const { listen, upstream, enabled } = proxy.view();
    await proxy.update(parse(changeOf({ listen, upstream, enabled }), call.body()));
  }
  return { status: 200, body: proxy.view() };
}

function onToxics(proxy: LinkProxy, call: Call): Answer {
  if (call.method === "GET") return { status: 200, body: proxy.toxics() };
  if (call.method !== "POST") throw new ApiError(405, "method not allowed");
  const toxic = readToxic(call.body());
  proxy.addToxic(toxic);
  return { status: 200, body: toxic };
}

function onToxic(proxy: LinkProxy, name: string, call: Call): Answer {
  const toxic = proxy.toxic(name);
  if (call.method === "DELETE") {
    proxy.removeToxic(toxic);
    return { status: 204 };
  }
  if (isChange(call)) {
    changeToxic(toxic, call.body());
    proxy.refresh(toxic);
  }
  return { status: 200, body: toxic };
}

/** @throws ApiError 405 for what is neither this nor a look */
function isChange({ method }: Call): boolean {
  if (method === "GET") return false;
  if (method === "POST" || method === "PATCH") return true;
  throw new ApiError(405, "method not allowed");
}
