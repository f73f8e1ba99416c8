/**
 * A host's connections: paths to its peers, quorum services, switches. Each has one connection at a time, known by a number that is new for every
 * connection of this process. What arrives is parsed here; a frame that is none of ours ends its connection.
 */

import type { PeerFrame } from "../core/pair/frames.ts";
import type { QuorumAnswer, QuorumFrame, QuorumRequest } from "../core/quorum/messages.ts";
import type { FromSwitch, ToSwitch } from "../core/switch/frames.ts";
import type { Endpoint, HostFile } from "../ports/process-file.ts";
import { FRAME_BYTES_MAX } from "../wire/envelope.ts";
import type { Hello } from "../wire/hello.ts";
import { type Parsed, refuse } from "../wire/parsed.ts";
import { encodePeerFrame, parsePeerFrame } from "../wire/peer.ts";
import { encodeQuorumRequest, parseQuorumAnswer } from "../wire/quorum.ts";
import { encodeToSwitch, parseFromSwitch } from "../wire/switch.ts";
import { startDialler } from "./dialler.ts";
import { type GreetedServer, listenGreeted, type Self } from "./greeted-server.ts";
import type { Link, LinkHandlers } from "./link.ts";
import type { Reporter } from "./reporter.ts";

/** What a connection is for: a path by peer and path, a service or switch by its id. */
export type Place =
  | { readonly kind: "path"; readonly peer: string; readonly id: string }
  | { readonly kind: "service"; readonly id: string }
  | { readonly kind: "switch"; readonly id: string };

export type ArrivedFrame =
  | { readonly kind: "path"; readonly frame: PeerFrame }
  | { readonly kind: "service"; readonly frame: QuorumFrame<QuorumAnswer> }
  | { readonly kind: "switch"; readonly frame: FromSwitch };

export interface LinkEvents {
  up(place: Place, conn: number): void;
  down(place: Place, conn: number): void;
  refused(place: Place): void;
  frame(place: Place, conn: number, arrived: ArrivedFrame): void;
}

export interface HostLinks {
  /** @throws EndProcess addressTaken when a path's address cannot be bound */
  listen(): Promise<void>;
  dial(): void;
  /** Dropped unless `conn` is this place's connection. */
  sendPeer(place: Place, conn: number, frame: PeerFrame): void;
  sendService(place: Place, conn: number, frame: QuorumFrame<QuorumRequest>): void;
  sendSwitch(place: Place, conn: number, frame: ToSwitch): void;
  /** What was sent in this turn leaves now; without it, at the end of the turn. */
  flush(): void;
  close(place: Place, conn: number): void;
  /** Nothing more is read from the switches: clients' data waits there. */
  pauseSwitches(): void;
  resumeSwitches(): void;
}

export interface HostLinksOptions {
  readonly file: HostFile;
  readonly self: Self;
  readonly reporter: Reporter;
  readonly events: LinkEvents;
}

export function createHostLinks(options: HostLinksOptions): HostLinks {
  const { file, self, reporter, events } = options;
  const connections = createConnections(reporter, events);
  return {
    async listen() {
      for (const endpoint of distinct(file.paths.map(({ listen }) => listen))) {
        await listenAt(endpoint, options, connections);
      }
    },
    dial() {
      for (const { place, endpoint, from, peer } of dialled(file)) {
        startDialler({
          endpoint,
          from,
          self,
          peer,
          frameBytesMax: FRAME_BYTES_MAX,
          redialMs: file.timing.redial,
          greeted: (createOn) => connections.attach(place, createOn),
          refused: () => events.refused(place),
          foreign: (why) => reporter.mark(`answer on ${keyOf(place)}: ${why}`),
        });
      }
    },
    sendPeer: (place, conn, frame) => {
      connections.find(place, conn)?.send(encodePeerFrame(frame));
    },
    sendService: (place, conn, frame) => {
      connections.find(place, conn)?.send(encodeQuorumRequest(frame));
    },
    sendSwitch: (place, conn, frame) => {
      const link = connections.find(place, conn);
      if (link !== null) for (const bytes of encodeToSwitch(frame)) link.send(bytes);
    },
    flush: () => connections.flush(),
    close: (place, conn) => connections.find(place, conn)?.close(),
    pauseSwitches: () => connections.setSwitches("paused"),
    resumeSwitches: () => connections.setSwitches("reading"),
  };
}

interface Connections {
  /** Replaces an older connection of the same place. */
  attach(place: Place, createOn: (handlers: LinkHandlers) => Link): void;
  /** Null unless `conn` is this place's connection. */
  find(place: Place, conn: number): Link | null;
  flush(): void;
  setSwitches(state: "paused" | "reading"): void;
}

interface Connection {
  readonly place: Place;
  readonly conn: number;
  readonly link: Link;
}

function createConnections(reporter: Reporter, events: LinkEvents): Connections {
  const connections = new Map<string, Connection>();
  let lastConn = 0;
  let isPaused = false;

  function leave(place: Place, conn: number): void {
    if (connections.get(keyOf(place))?.conn !== conn) return;
    connections.delete(keyOf(place));
    events.down(place, conn);
  }

  function take(place: Place, conn: number, data: Uint8Array): void {
    const connection = connections.get(keyOf(place));
    if (connection?.conn !== conn) return;
    const arrived = parseArrived(place, data);
    if (arrived.ok) {
      events.frame(place, conn, arrived.value);
      return;
    }
    reporter.mark(`bad frame on ${keyOf(place)}: ${arrived.why}`);
    connection.link.close();
  }

  return {
    attach(place, createOn) {
      lastConn += 1;
      const conn = lastConn;
      const link = createOn({
        message: (data) => take(place, conn, data),
        closed: () => leave(place, conn),
      });
      // A peer that dials anew knows that its old connection is gone before this host does.
      const older = connections.get(keyOf(place));
      connections.set(keyOf(place), { place, conn, link });
      if (older !== undefined) {
        older.link.close();
        events.down(place, older.conn);
      }
      if (isPaused && place.kind === "switch") link.pause();
      events.up(place, conn);
    },
    find(place, conn) {
      const connection = connections.get(keyOf(place));
      return connection?.conn === conn ? connection.link : null;
    },
    flush() {
      for (const { link } of connections.values()) link.flush();
    },
    setSwitches(state) {
      isPaused = state === "paused";
      for (const { place, link } of connections.values()) {
        if (place.kind !== "switch") continue;
        if (isPaused) link.pause();
        else link.resume();
      }
    },
  };
}

function listenAt(
  endpoint: Endpoint,
  { file, self, reporter }: HostLinksOptions,
  connections: Connections,
): Promise<GreetedServer> {
  const paths = file.paths.filter(({ listen }) => isSame(listen, endpoint));
  const isPath = ({ name, path }: Hello): boolean =>
    paths.some(({ peer, id }) => peer === name && id === path);
  return listenGreeted({
    endpoint,
    self,
    kind: "binary",
    frameBytesMax: FRAME_BYTES_MAX,
    admit: (hello) =>
      hello.role === "host" && isPath(hello)
        ? { ok: true, value: null }
        : refuse("no path of ours"),
    greeted: ({ name, path }, createOn) =>
      connections.attach({ kind: "path", peer: name, id: path ?? "" }, createOn),
    refused: (why) => reporter.mark(`refused: ${why}`),
  });
}

function keyOf(place: Place): string {
  return place.kind === "path" ? `path ${place.peer} ${place.id}` : `${place.kind} ${place.id}`;
}

function parseArrived(place: Place, data: Uint8Array): Parsed<ArrivedFrame> {
  const { kind } = place;
  switch (kind) {
    case "path":
      return arrived(parsePeerFrame(data), (frame) => ({ kind, frame }));
    case "service":
      return arrived(parseQuorumAnswer(data), (frame) => ({ kind, frame }));
    case "switch":
      return arrived(parseFromSwitch(data), (frame) => ({ kind, frame }));
    default:
      return kind satisfies never;
  }
}

function arrived<Frame>(
  parsed: Parsed<Frame>,
  wrap: (frame: Frame) => ArrivedFrame,
): Parsed<ArrivedFrame> {
  return parsed.ok ? { ok: true, value: wrap(parsed.value) } : parsed;
}

interface Dialled {
  readonly place: Place;
  readonly endpoint: Endpoint;
  readonly from: string | null;
  readonly peer: Pick<Hello, "role" | "name" | "path">;
}

function dialled({ paths, services, switches }: HostFile): readonly Dialled[] {
  return [
    ...paths.flatMap(({ id, peer, dial, from }): readonly Dialled[] => {
      if (dial === null) return [];
      const place = { kind: "path", peer, id } as const;
      return [{ place, endpoint: dial, from, peer: { role: "host", name: peer, path: id } }];
    }),
    ...services.map(
      ({ id, dial }): Dialled => ({
        place: { kind: "service", id },
        endpoint: dial,
        from: null,
        peer: { role: "quorum", name: id, path: null },
      }),
    ),
    ...switches.map(
      ({ id, dial }): Dialled => ({
        place: { kind: "switch", id },
        endpoint: dial,
        from: null,
        peer: { role: "switch", name: id, path: null },
      }),
    ),
  ];
}

function isSame(left: Endpoint | null, right: Endpoint): boolean {
  return left !== null && left.address === right.address && left.port === right.port;
}

/** Paths of several peers may share one listener. */
function distinct(endpoints: readonly (Endpoint | null)[]): readonly Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    if (endpoint !== null) found.set(`${endpoint.address} ${endpoint.port}`, endpoint);
  }
  return [...found.values()];
}
