/** One proxy: it listens, dials its upstream for every connection, and has the toxics of both directions. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Chain } from "./chain.ts";
import { ApiError, type Stream, type Toxic } from "./toxic.ts";

/** Addresses are `host:port`; port 0 listens on a free one. */
export interface ProxySettings {
  readonly listen: string;
  readonly upstream: string;
  readonly enabled: boolean;
}

const STREAMS = ["upstream", "downstream"] as const;

export class LinkProxy {
  readonly name: string;
  #listen: string;
  #upstream: string;
  #server: Server | null = null;
  readonly #toxics: Record<Stream, Toxic[]> = { upstream: [], downstream: [] };
  readonly #chains: Record<Stream, Set<Chain>> = { upstream: new Set(), downstream: new Set() };
  readonly #sockets = new Set<Socket>();

  constructor(name: string, { listen, upstream }: Omit<ProxySettings, "enabled">) {
    this.name = name;
    this.#listen = listen;
    this.#upstream = upstream;
  }

  /** As the API shows it. */
  view(): ProxySettings & { readonly name: string; readonly toxics: readonly Toxic[] } {
    const [listen, upstream, enabled] = [this.#listen, this.#upstream, this.#server !== null];
    return { name: this.name, listen, upstream, enabled, toxics: this.toxics() };
  }

  toxics(): readonly Toxic[] {
    return STREAMS.flatMap((stream) => this.#toxics[stream]);
  }

  isAt({ listen, upstream }: Omit<ProxySettings, "enabled">): boolean {
    const [own, other] = [endpointOf(this.#listen), endpointOf(listen)];
    return own.host === other.host && own.port === other.port && upstream === this.#upstream;
  }

  /** Connections live on only if neither address changes. @throws ApiError 500 when it cannot listen */
  async update(by: ProxySettings): Promise<void> {
    if (!this.isAt(by)) {
      await this.stop();
      this.#listen = by.listen;
      this.#upstream = by.upstream;
    }
    if (by.enabled) await this.start();
    else await this.stop();
  }

  /** Idempotent. @throws ApiError 500 when it cannot listen */
  async start(): Promise<void> {
    if (this.#server !== null) return;
    const { host, port } = endpointOf(this.#listen);
    // A half that is ended stays open until its chain has passed on the end.
    const options = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true };
    const server = createServer(options, (client) => this.#accept(client));
    try {
      await once(server.listen({ host, port, exclusive: true }), "listening");
    } catch (error: unknown) {
      const why = error instanceof Error ? error.message : String(error);
      throw new ApiError(500, `listen tcp ${this.#listen}: ${why}`);
    }
    const address = server.address();
    if (address !== null && typeof address === "object") this.#listen = `${host}:${address.port}`;
    this.#server = server;
  }

  /** Ends the listener and every connection. Idempotent. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = once(server.close(), "close");
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** @throws ApiError 404 */
  toxic(name: string): Toxic {
    const found = this.toxics().find((toxic) => toxic.name === name);
    if (found === undefined) throw new ApiError(404, "toxic not found");
    return found;
  }

  /** @throws ApiError 409 */
  addToxic(toxic: Toxic): void {
    if (this.toxics().some(({ name }) => name === toxic.name)) {
      throw new ApiError(409, "toxic already exists");
    }
    this.#toxics[toxic.stream].push(toxic);
    for (const chain of this.#chains[toxic.stream]) chain.add(toxic);
  }

  /** Tells the connections that it was changed. */
  refresh(toxic: Toxic): void {
    for (const chain of this.#chains[toxic.stream]) chain.update(toxic);
  }

  removeToxic(toxic: Toxic): void {
    const list = this.#toxics[toxic.stream];
    list.splice(list.indexOf(toxic), 1);
    for (const chain of this.#chains[toxic.stream]) chain.remove(toxic);
  }

  #accept(client: Socket): void {
    const upstream = connect({ ...endpointOf(this.#upstream), allowHalfOpen: true, noDelay: true });
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      // It is followed by the close.
      socket.on("error", () => undefined);
      socket.once("close", () => this.#sockets.delete(socket));
    }
    const giveUp = (): void => void client.destroy();
    upstream.once("close", giveUp);
    upstream.once("connect", () => {
      upstream.off("close", giveUp);
      if (client.destroyed) upstream.destroy();
      else this.#join(client, upstream);
    });
  }

  #join(client: Socket, upstream: Socket): void {
    // As in Toxiproxy: for a connection that begins under the toxic, whoever closes it first.
    const isReset = this.toxics().some(({ type }) => type === "reset_peer");
    const close = (socket: Socket): void => {
      if (isReset) socket.resetAndDestroy();
      else socket.destroySoon();
    };
    const begin = (stream: Stream, source: Socket, target: Socket): void => {
      const chain = new Chain(source, target, close);
      for (const toxic of this.#toxics[stream]) chain.add(toxic);
      this.#chains[stream].add(chain);
      target.once("close", () => this.#chains[stream].delete(chain));
    };
    begin("upstream", client, upstream);
    begin("downstream", upstream, client);
    client.resume();
  }
}

/** @throws ApiError 500 for what is no `host:port` */
function endpointOf(address: string): { readonly host: string; readonly port: number } {
  const [, host = "", digits] = /^\[?(.*?)\]?:(\d{1,5})$/.exec(address) ?? [];
  if (digits === undefined) throw new ApiError(500, `address ${address}: expected host:port`);
  const known: Readonly<Record<string, string>> = { "": "0.0.0.0", localhost: "127.0.0.1" };
  return { host: known[host] ?? host, port: Number(digits) };
}
