/** How a host hears its links: whatever happens on one becomes an event of its core. */
import type { PeerFrame } from "../../node/core/pair/frames.ts";
import type { QuorumAnswer, QuorumFrame } from "../../node/core/quorum/messages.ts";
import type { FromSwitch } from "../../node/core/switch/frames.ts";
import type { HostInput } from "./core.ts";
import type { LinkEnd } from "./link.ts";

/** The process at this end. */
export interface Hearer {
  isAlive(): boolean;
  isPaused(): boolean;
  tell(event: HostInput): void;
}

export function pathEnd(hearer: Hearer, path: string): LinkEnd<PeerFrame> {
  return {
    isAlive: () => hearer.isAlive(),
    isPaused: () => hearer.isPaused(),
    up: (conn) => hearer.tell({ kind: "path-up", path, conn }),
    down: (conn) => hearer.tell({ kind: "path-down", path, conn }),
    refused: () => hearer.tell({ kind: "path-refused", path }),
    frame: (conn, frame) => hearer.tell({ kind: "peer-frame", path, conn, frame }),
  };
}

export function serviceEnd(hearer: Hearer, service: string): LinkEnd<QuorumFrame<QuorumAnswer>> {
  return {
    isAlive: () => hearer.isAlive(),
    isPaused: () => hearer.isPaused(),
    up: (conn) => hearer.tell({ kind: "service-up", service, conn }),
    down: (conn) => hearer.tell({ kind: "service-down", service, conn }),
    refused: () => undefined,
    frame: (conn, frame) => hearer.tell({ kind: "service-frame", service, conn, frame }),
  };
}

export function switchEnd(hearer: Hearer, name: string): LinkEnd<FromSwitch> {
  return {
    isAlive: () => hearer.isAlive(),
    isPaused: () => hearer.isPaused(),
    up: (conn) => hearer.tell({ kind: "switch-up", switch: name, conn }),
    down: (conn) => hearer.tell({ kind: "switch-down", switch: name, conn }),
    refused: () => undefined,
    frame: (conn, frame) => hearer.tell({ kind: "switch-frame", switch: name, conn, frame }),
  };
}
