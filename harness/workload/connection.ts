/**
 * One TCP connection to the guest that comes back by itself. Commands are pipelined; answers come in order. An unanswered command ends
 * at its deadline, while the connection stays: sessions are quiet during a takeover, and a takeover may be longer than the deadline.
 */
import { connect, type Socket } from "node:net";
import { createReplyDecoder, encodeCommand, type Reply, type ReplyDecoder } from "./resp.ts";

export interface Target {
  /** Numeric address. */
  readonly address: string;
  readonly port: number;
}

export type Answer =
  | { readonly kind: "reply"; readonly reply: Reply }
  /** The command may have been carried out, or may still be. */
  | { readonly kind: "lost"; readonly error: string };

export interface Connection {
  isOpen(): boolean;
  /** @param done called once, after the return. A connection that is not open answers `lost` */
  send(words: readonly string[], done: (answer: Answer) => void): void;
  /** Ends it for good; what is under way is lost at once. */
  close(): void;
}

export interface ConnectionEvents {
  /** At each success to connect. */
  opened?(): void;
}

const DEADLINE_MS = 2_000;
const RECONNECT_MS = 5;
/** Silence for so long with commands unanswered: the other side is gone without a word. Twice the deadline. */
const SILENCE_MAX_MS = 4_000;
/** A connection to this machine is there within a millisecond or never. */
const CONNECT_MAX_MS = 500;
/** How often deadlines are looked at. */
const WATCH_EVERY_MS = 10;

interface Waiting {
  /** Null after the deadline: the answer still comes first in the stream. */
  done: ((answer: Answer) => void) | null;
  readonly sentAt: number;
}

/** A socket, from the attempt to connect until it is closed. */
interface Line {
  readonly socket: Socket;
  readonly decoder: ReplyDecoder;
  readonly waiting: Waiting[];
  /** Of the front of `waiting`, so many are past their deadline. */
  expired: number;
  isOpen: boolean;
  /** Last sign of the other side. Unit: milliseconds. */
  heardAt: number;
  outgoing: string;
  error: string;
}

export function createConnection(target: Target, events: ConnectionEvents = {}): Connection {
  let line: Line | null = null;
  let reconnect: NodeJS.Timeout | null = null;
  let isClosed = false;

  function dial(): void {
    reconnect = null;
    const own = openLine(target);
    line = own;
    own.socket.once("connect", () => {
      own.isOpen = true;
      own.heardAt = performance.now();
      events.opened?.();
    });
    own.socket.once("close", () => {
      loseAll(own);
      if (isClosed) return;
      line = null;
      reconnect = setTimeout(dial, RECONNECT_MS);
    });
  }

  const watch = setInterval(() => {
    if (line !== null) watchOver(line);
  }, WATCH_EVERY_MS);
  dial();
  return {
    isOpen: () => line?.isOpen ?? false,
    send(words, done) {
      if (line === null || !line.isOpen) {
        queueMicrotask(() => done({ kind: "lost", error: "NOT_CONNECTED" }));
        return;
      }
      line.waiting.push({ done, sentAt: performance.now() });
      enqueue(line, encodeCommand(words));
    },
    close() {
      isClosed = true;
      clearInterval(watch);
      if (reconnect !== null) clearTimeout(reconnect);
      if (line === null) return;
      line.socket.destroy();
      loseAll(line);
    },
  };
}

function openLine({ address, port }: Target): Line {
  const socket = connect({ host: address, port, noDelay: true });
  const own: Line = {
    socket,
    decoder: createReplyDecoder(),
    waiting: [],
    expired: 0,
    isOpen: false,
    heardAt: performance.now(),
    outgoing: "",
    error: "CLOSED",
  };
  socket.on("data", (chunk) => take(own, chunk));
  socket.once("end", () => {
    own.isOpen = false;
  });
  socket.once("error", (error: NodeJS.ErrnoException) => {
    own.error = error.code ?? error.message;
  });
  return own;
}

/** One system call for all commands of one turn of the event loop. */
function enqueue(line: Line, text: string): void {
  if (line.outgoing === "") {
    queueMicrotask(() => {
      const { outgoing } = line;
      line.outgoing = "";
      line.socket.write(outgoing, "latin1");
    });
  }
  line.outgoing += text;
}

function take(line: Line, chunk: Uint8Array): void {
  line.heardAt = performance.now();
  const replies = line.decoder.push(chunk);
  if (!replies.ok) {
    giveUp(line, `BAD_REPLY: ${replies.why}`);
    return;
  }
  for (const reply of replies.value) {
    const waiting = line.waiting.shift();
    if (waiting === undefined) {
      giveUp(line, "BAD_REPLY: an answer to no command");
      return;
    }
    if (line.expired > 0) line.expired -= 1;
    waiting.done?.({ kind: "reply", reply });
  }
}

function watchOver(line: Line): void {
  const now = performance.now();
  if (!line.isOpen) {
    if (now - line.heardAt > CONNECT_MAX_MS) giveUp(line, "SILENT");
    return;
  }
  for (let index = line.expired; index < line.waiting.length; index += 1) {
    const waiting = line.waiting[index];
    if (waiting === undefined || now - waiting.sentAt < DEADLINE_MS) break;
    line.expired += 1;
    end(waiting, "TIMEOUT");
  }
  const [first] = line.waiting;
  if (first !== undefined && now - Math.max(first.sentAt, line.heardAt) > SILENCE_MAX_MS) {
    giveUp(line, "SILENT");
  }
}

function giveUp(line: Line, error: string): void {
  line.error = error;
  line.isOpen = false;
  line.socket.destroy();
}

function loseAll(line: Line): void {
  line.isOpen = false;
  const lost = line.waiting.splice(0);
  for (const waiting of lost) end(waiting, line.error);
}

function end(waiting: Waiting, error: string): void {
  const { done } = waiting;
  waiting.done = null;
  done?.({ kind: "lost", error });
}
