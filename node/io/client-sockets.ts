/** A switch's TCP side: the VM's addresses towards clients, and their connections by session number. */
import { randomInt } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import type { VmId } from "../core/identity.ts";
import { unreachable } from "../core/invariant.ts";
import type { SessionId } from "../core/machine/entry.ts";
import type { SwitchEffect, SwitchEvent } from "../core/switch/contract.ts";
import { SESSIONS_OF_SITE, type SiteNumber, sessionOf } from "../core/switch/home.ts";
import type { Endpoint } from "../ports/process-file.ts";
import { codeOf, EndProcess } from "./end-process.ts";

type WithoutNow<Event> = Event extends unknown ? Omit<Event, "nowUs"> : never;
/** An event before the driver has read the clock for it. */
export type SwitchInput = WithoutNow<SwitchEvent>;

export type ClientEffect = Extract<SwitchEffect, { readonly session: SessionId }>;

/** Sessions of one start are numbered in a row from a random begin, so that another start of the switch hardly meets one of them. */
const BEGIN_STEP = 2 ** 12;
const BEGINS = SESSIONS_OF_SITE / BEGIN_STEP;

/** A burst of clients is not to wait for the kernel's second try. */
const BACKLOG = 4_096;

export interface ClientSockets {
  /** @throws EndProcess addressTaken when the address cannot be bound */
  listen(vm: VmId, endpoint: Endpoint): Promise<void>;
  perform(effect: ClientEffect): void;
  /** Nothing more is read, and newcomers are reset. */
  stopIntake(): void;
  /** The way back. */
  resumeIntake(): void;
}

export function createClientSockets(
  site: SiteNumber,
  dispatch: (input: SwitchInput) => void,
): ClientSockets {
  const sockets = new Map<SessionId, Socket>();
  /** Those that the switch does not read now. */
  const paused = new Set<SessionId>();
  let next = randomInt(BEGINS) * BEGIN_STEP;
  let isStopped = false;

  function accept(vm: VmId, socket: Socket): void {
    // Its cause is seen as the close that follows.
    socket.on("error", () => undefined);
    if (isStopped) return void socket.resetAndDestroy();
    const session = sessionOf(site, next);
    next = (next + 1) % SESSIONS_OF_SITE;
    sockets.set(session, socket);
    socket.on("data", (bytes: Buffer) => dispatch({ kind: "client-data", session, bytes }));
    socket.on("end", () => dispatch({ kind: "client-fin", session }));
    socket.once("close", () => {
      paused.delete(session);
      // False when the switch reset it.
      if (!sockets.delete(session)) return;
      const isComplete = socket.readableEnded && socket.writableFinished;
      if (!isComplete) dispatch({ kind: "client-gone", session });
    });
    dispatch({ kind: "client-accepted", vm, session });
  }

  return {
    async listen(vm, endpoint) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        accept(vm, socket),
      );
      await bind(server, endpoint);
    },
    perform(effect) {
      const { session } = effect;
      const socket = sockets.get(session);
      if (socket === undefined) return;
      switch (effect.kind) {
        case "write-client":
          return void socket.write(effect.bytes, (error) => {
            if (error == null) dispatch({ kind: "client-drained", session, upTo: effect.upTo });
          });
        case "end-client":
          return void socket.end(() => {
            if (socket.writableFinished) {
              dispatch({ kind: "client-drained", session, upTo: effect.upTo });
            }
          });
        case "reset-client":
          sockets.delete(session);
          return void socket.resetAndDestroy();
        case "pause-client":
          paused.add(session);
          return void socket.pause();
        case "resume-client":
          paused.delete(session);
          return isStopped ? undefined : void socket.resume();
        default:
          return unreachable(effect);
      }
    },
    stopIntake() {
      isStopped = true;
      for (const socket of sockets.values()) socket.pause();
    },
    resumeIntake() {
      isStopped = false;
      for (const [session, socket] of sockets) if (!paused.has(session)) socket.resume();
    },
  };
}

function bind(server: Server, { address, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const message = `cannot bind ${address}:${port}: ${codeOf(error)}`;
      reject(new EndProcess("addressTaken", message, error));
    });
    server.listen({ host: address, port, backlog: BACKLOG }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}
