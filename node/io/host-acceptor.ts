/** The side of a quorum service or switch that hosts dial: one numbered connection a dial, frames parsed, nonsense ends its connection. */
import type { HostId } from "../core/identity.ts";
import type { Endpoint } from "../ports/process-file.ts";
import { FRAME_BYTES_MAX } from "../wire/envelope.ts";
import { type Parsed, refuse } from "../wire/parsed.ts";
import { listenGreeted, type Self } from "./greeted-server.ts";
import type { Link } from "./link.ts";
import type { Reporter } from "./reporter.ts";

export interface HostAcceptorOptions<Frame> {
  readonly endpoint: Endpoint;
  readonly self: Self;
  readonly reporter: Reporter;
  parse(data: Uint8Array): Parsed<Frame>;
  /** A newer connection of a host leaves older ones as they are: they end by themselves. */
  up(conn: number, host: HostId): void;
  down(conn: number): void;
  frame(conn: number, frame: Frame): void;
}

export interface HostAcceptor {
  /** Dropped when that connection is gone. */
  send(conn: number, bytes: Uint8Array): void;
}

/** @throws EndProcess addressTaken when the address cannot be bound */
export async function acceptHosts<Frame>(
  options: HostAcceptorOptions<Frame>,
): Promise<HostAcceptor> {
  const { endpoint, self, reporter } = options;
  const links = new Map<number, Link>();
  let lastConn = 0;
  await listenGreeted({
    endpoint,
    self,
    kind: "binary",
    frameBytesMax: FRAME_BYTES_MAX,
    admit: ({ role }) => (role === "host" ? { ok: true, value: null } : refuse("wrong role")),
    greeted({ name }, createOn) {
      lastConn += 1;
      const conn = lastConn;
      const link = createOn({
        message(data) {
          const parsed = options.parse(data);
          if (parsed.ok) return options.frame(conn, parsed.value);
          reporter.mark(`bad frame of host ${name}: ${parsed.why}`);
          return link.close();
        },
        closed() {
          links.delete(conn);
          options.down(conn);
        },
      });
      links.set(conn, link);
      options.up(conn, name);
    },
    refused: (why) => reporter.mark(`refused: ${why}`),
  });
  return { send: (conn, bytes) => links.get(conn)?.send(bytes) };
}
