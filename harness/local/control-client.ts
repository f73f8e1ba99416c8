import { WebSocket } from "ws";
import type { Endpoint } from "../../node/ports/process-file.ts";
import type { ControlEvent, ControlRequest } from "../../node/wire/control.ts";
import { encodeHello, isSameSecret, parseHello } from "../../node/wire/hello.ts";
import { HarnessError } from "../errors.ts";
import { within } from "../process/deadline.ts";
import { parseControlMessage } from "./control-messages.ts";

const ATTACH_DEADLINE_MS = 3_000;
const FRAME_BYTES_MAX = 4 * 1024 * 1024;

export interface ControlOptions {
  readonly process: string;
  readonly endpoint: Endpoint;
  readonly cluster: string;
  readonly secret: string;
  readonly onEvent: (event: ControlEvent) => void;
  /** The channel is closed, or said something that is no message (`why`); no further call follows. */
  readonly onLost: (why: string) => void;
}

/** The harness's line to one process; nothing of it goes through a proxy. */
export interface ControlClient {
  /**
   * Sends a request and waits for its `done`. Rejects with HarnessError CONTROL_LOST when the channel closes first or `withinMs` pass.
   */
  ask(request: Asked, withinMs: number): Promise<Readonly<Record<string, unknown>>>;
  /** Idempotent. `onLost` is not called. */
  close(): void;
}

type WithoutId<Request> = Request extends unknown ? Omit<Request, "id"> : never;
/** A request before it was numbered. */
export type Asked = WithoutId<ControlRequest>;

interface Waiting {
  readonly resolve: (fields: Readonly<Record<string, unknown>>) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Attaches to a process that said it is ready. Its events since its start follow at once, then new ones.
 *
 * @throws HarnessError CONTROL_LOST when it does not answer the hello in time, or refuses it
 */
export async function attachControl(options: ControlOptions): Promise<ControlClient> {
  const deadline = performance.now() + ATTACH_DEADLINE_MS;
  for (;;) {
    try {
      return await attachOnce(options);
    } catch (error: unknown) {
      const isTurnedAway = error instanceof HarnessError && error.cause instanceof TurnedAway;
      if (!isTurnedAway || performance.now() > deadline) throw error;
    }
  }
}

/** The server's time for a hello was over before this process came to send it, or a crowd came in between: it is dialled again. */
class TurnedAway extends Error {
  override readonly name = "TurnedAway";
}

async function attachOnce(options: ControlOptions): Promise<ControlClient> {
  const { address, port } = options.endpoint;
  const socket = new WebSocket(`ws://${address}:${port}/`, {
    perMessageDeflate: false,
    maxPayload: FRAME_BYTES_MAX,
    handshakeTimeout: ATTACH_DEADLINE_MS,
    // Loopback: masking guards proxies of the open web, and costs most of a message's time.
    generateMask: (mask) => mask.fill(0),
  });
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let isClosing = false;
  let lostWhy: string | null = null;
  const lose = (why: string): void => {
    if (lostWhy !== null) return;
    lostWhy = why;
    for (const { reject } of waiting.values()) reject(lost(options.process, why));
    waiting.clear();
    socket.terminate();
    if (!isClosing) options.onLost(why);
  };
  const take = (text: string): void => {
    const message = parseControlMessage(text);
    if (!message.ok) {
      lose(message.why);
    } else if (message.value.kind === "event") {
      options.onEvent(message.value);
    } else {
      waiting.get(message.value.id)?.resolve(message.value.fields);
      waiting.delete(message.value.id);
    }
  };
  await greet(socket, options, take);
  socket.on("error", (error) => lose(error.message));
  socket.on("close", (code) => lose(`closed with ${code}`));
  if (socket.readyState !== WebSocket.OPEN) lose("closed after the hello");
  return {
    ask(request, withinMs) {
      if (lostWhy !== null) return Promise.reject(lost(options.process, lostWhy));
      lastId += 1;
      const id = lastId;
      const answer = new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
        waiting.set(id, { resolve, reject });
      });
      socket.send(JSON.stringify({ ...request, id }));
      const late = (): Error => {
        waiting.delete(id);
        return lost(options.process, `no answer to "${request.kind}" within ${withinMs} ms`);
      };
      return within(answer, withinMs, late);
    },
    close() {
      isClosing = true;
      lose("closed by the harness");
    },
  };
}

/** Exchanges hellos; messages after the server's are taken in the order of their arrival, none is missed. */
async function greet(
  socket: WebSocket,
  options: ControlOptions,
  take: (text: string) => void,
): Promise<void> {
  const greeted = new Promise<void>((resolve, reject) => {
    let isGreeted = false;
    const { cluster, secret } = options;
    const own = { cluster, role: "harness", name: "harness", path: null, secret } as const;
    socket.on("open", () => socket.send(encodeHello(own)));
    socket.on("message", (data: Buffer) => {
      const text = data.toString();
      if (isGreeted) return take(text);
      const hello = parseHello(text);
      if (!hello.ok) return reject(new Error(hello.why));
      if (hello.value.cluster !== cluster || !isSameSecret(hello.value.secret, secret)) {
        return reject(new Error("it belongs to another run"));
      }
      isGreeted = true;
      return resolve();
    });
    socket.once("error", reject);
    let isOpen = false;
    socket.once("open", () => {
      isOpen = true;
    });
    socket.once("close", (code) => {
      const why = `closed with ${code} before the hello`;
      reject(isOpen ? new TurnedAway(why) : new Error(why));
    });
  });
  const late = (): Error => new Error(`no hello within ${ATTACH_DEADLINE_MS} ms`);
  try {
    await within(greeted, ATTACH_DEADLINE_MS, late);
  } catch (cause: unknown) {
    // Without a listener, an error after this one would end the harness.
    socket.on("error", () => undefined);
    socket.terminate();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw lost(options.process, why, cause);
  }
}

function lost(process: string, why: string, cause?: unknown): HarnessError {
  return new HarnessError("CONTROL_LOST", `control channel of ${process}: ${why}`, {
    hint: `Read ${process}.log and ${process}.stderr in the run folder.`,
    cause,
  });
}
