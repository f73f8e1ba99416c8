import { type Proxy as LinkProxy, type Toxic, Toxiproxy } from "toxiproxy-node-client";
import { invariant } from "../../node/core/invariant.ts";
import type { Endpoint } from "../../node/ports/process-file.ts";
import type { CutKind, Direction, LinkDelay } from "../rig/rig.ts";
import { ProxyHttp } from "./proxy-http.ts";

/** One proxied channel. */
export interface ProxyLink {
  /** Unique on the server: lower case letters, digits, `-` (the client does not encode names). */
  readonly name: string;
  /** Where the proxy listens, for the dialler. */
  readonly listen: Endpoint;
  /** The listener's own address. */
  readonly upstream: Endpoint;
}

/**
 * What can be done to the links of one run. Every call throws HarnessError PROXY_FAILED when the server does not do it in time; it may
 * then be repeated. Calls for one link must not overlap; calls for different links may.
 */
export interface ProxyLinks {
  /** Removes what a dead run left on a server that outlived it: proxies whose names begin so. */
  sweep(prefix: string): Promise<void>;
  /** Makes all links in one call. `delayMs` on every link, each way; nothing passes a link before its delay is there. */
  create(links: readonly ProxyLink[], delayMs: number): Promise<void>;
  /**
   * `refuse` is always for both directions: connections are closed, new ones refused. `blackhole`: bytes vanish, but the end of a stream still
   * passes, so a process that dies behind it is noticed. `jam`: bytes queue, and an end behind them waits too. Under the last two new
   * connections are accepted and dead. Idempotent; another kind replaces the first.
   */
  cut(name: string, kind: CutKind, direction: Direction): Promise<void>;
  /** After `blackhole` the server closes the link's connections; after `jam` all queued bytes arrive. Idempotent. */
  mend(name: string): Promise<void>;
  /** One-way delays in place of what was there. 0: none. Bytes that are under way may overtake a shortened delay's end, never each other. */
  delay(name: string, forward: LinkDelay, backward: LinkDelay): Promise<void>;
  /** Removes all links of this run, and nothing else. */
  remove(): Promise<void>;
}

type Stream = "upstream" | "downstream";

interface LinkState {
  readonly proxy: LinkProxy;
  isEnabled: boolean;
  /** By name; what the server is known to have. */
  readonly toxics: Map<string, Toxic<unknown>>;
}

/** The toxic of each kind. `timeout` 0 drops and never closes; `bandwidth` 0 never sends. */
const CUT_TOXIC = {
  blackhole: { type: "timeout", attributes: { timeout: 0 } },
  jam: { type: "bandwidth", attributes: { rate: 0 } },
} as const;

const STREAMS = {
  forward: ["upstream"],
  backward: ["downstream"],
  both: ["upstream", "downstream"],
} as const satisfies Record<Direction, readonly Stream[]>;

/** The only place that knows Toxiproxy's words and units. `url`: the server's API. */
export function createProxyLinks(url: string): ProxyLinks {
  const server = connect(url);
  const states = new Map<string, LinkState>();
  const stateOf = (name: string): LinkState => {
    const state = states.get(name);
    invariant(state !== undefined, "a link is created before it is used");
    return state;
  };
  return {
    async sweep(prefix) {
      const known = Object.values(await server.getAll());
      const left = known.filter(({ name }) => name.startsWith(prefix));
      await Promise.all(left.map((proxy) => proxy.remove()));
    },
    async create(links, delayMs) {
      const isEnabled = delayMs === 0;
      const made = await server.populate(links.map((link) => bodyOf(link, isEnabled)));
      for (const { name } of links) {
        const proxy = made[name];
        invariant(proxy !== undefined, "a populated proxy is in the answer");
        states.set(name, { proxy, isEnabled, toxics: new Map() });
      }
      if (isEnabled) return;
      await Promise.all(
        links.map(async ({ name }) => {
          const state = stateOf(name);
          const by = { latencyMs: delayMs, jitterMs: 0 };
          await setDelay(state, "upstream", by);
          await setDelay(state, "downstream", by);
          await enable(state, true);
        }),
      );
    },
    async cut(name, kind, direction) {
      const state = stateOf(name);
      if (kind === "refuse") {
        await enable(state, false);
        await keepCuts(state, new Set());
        return;
      }
      const streams = STREAMS[direction];
      await Promise.all(streams.map((stream) => addCut(state, kind, stream)));
      await keepCuts(state, new Set(streams.map((stream) => cutName(kind, stream))));
      await enable(state, true);
    },
    async mend(name) {
      const state = stateOf(name);
      await keepCuts(state, new Set());
      await enable(state, true);
    },
    async delay(name, forward, backward) {
      const state = stateOf(name);
      await setDelay(state, "upstream", forward);
      await setDelay(state, "downstream", backward);
    },
    async remove() {
      await Promise.all([...states.values()].map(({ proxy }) => proxy.remove()));
      states.clear();
    },
  };
}

/** What the server calls its release; a build by `go install` answers `git`. */
export async function readProxyVersion(url: string): Promise<string> {
  const text = await connect(url).getVersion();
  // The client hands out the answer's text: JSON in this release, the bare version in older ones.
  const found = /"version"\s*:\s*"([^"]+)"/.exec(text);
  return (found?.[1] ?? text).trim();
}

function connect(url: string): Toxiproxy {
  const server = new Toxiproxy(url);
  server.api = new ProxyHttp();
  return server;
}

function bodyOf(link: ProxyLink, enabled: boolean) {
  const { name, listen, upstream } = link;
  invariant(/^[a-z0-9-]+$/.test(name), "a proxy's name needs no encoding in a URL");
  return { name, listen: textOf(listen), upstream: textOf(upstream), enabled };
}

function textOf({ address, port }: Endpoint): string {
  return `${address}:${port}`;
}

async function enable(state: LinkState, enabled: boolean): Promise<void> {
  if (state.isEnabled === enabled) return;
  const { listen, upstream } = state.proxy;
  await state.proxy.update({ listen, upstream, enabled });
  state.isEnabled = enabled;
}

function cutName(kind: keyof typeof CUT_TOXIC, stream: Stream): string {
  return `cut-${kind}-${stream}`;
}

async function addCut(
  state: LinkState,
  kind: keyof typeof CUT_TOXIC,
  stream: Stream,
): Promise<void> {
  const name = cutName(kind, stream);
  if (state.toxics.has(name)) return;
  const body = { name, stream, toxicity: 1, ...CUT_TOXIC[kind] };
  state.toxics.set(name, await state.proxy.addToxic<unknown>(body));
}

/** Removes every cut but these: after the new one is there, so that nothing slips through between two kinds. */
async function keepCuts(state: LinkState, kept: ReadonlySet<string>): Promise<void> {
  const surplus = [...state.toxics].filter(([name]) => name.startsWith("cut-") && !kept.has(name));
  await Promise.all(
    surplus.map(async ([name, toxic]) => {
      await toxic.remove();
      state.toxics.delete(name);
    }),
  );
}

async function setDelay(state: LinkState, stream: Stream, by: LinkDelay): Promise<void> {
  const { latencyMs: latency, jitterMs: jitter } = by;
  invariant(Number.isSafeInteger(latency) && latency >= 0, "a delay is whole milliseconds");
  invariant(Number.isSafeInteger(jitter) && jitter >= 0, "a jitter is whole milliseconds");
  invariant(jitter <= latency, "no byte arrives before it was sent");
  const name = `delay-${stream}`;
  const toxic = state.toxics.get(name);
  const attributes = { latency, jitter };
  if (toxic === undefined && latency === 0) return;
  if (toxic === undefined) {
    const body = { name, stream, toxicity: 1, type: "latency", attributes } as const;
    state.toxics.set(name, await state.proxy.addToxic<unknown>(body));
    return;
  }
  if (latency > 0) {
    await toxic.update({ name, stream, type: toxic.type, toxicity: 1, attributes });
    return;
  }
  await toxic.remove();
  state.toxics.delete(name);
}
