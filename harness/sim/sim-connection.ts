/**
 * A client's connection to the guest, as the workload's recorder knows it: it comes back by itself, commands are pipelined, an unanswered
 * one ends at its deadline while the connection stays. Same rules as the one over TCP, in virtual time.
 */
import type { Micros } from "../record/types.ts";
import type { Answer, Connection, ConnectionEvents } from "../workload/connection.ts";
import { createReplyDecoder, encodeCommand, type ReplyDecoder } from "../workload/resp.ts";
import type { ClientSocket, SimSwitch } from "./sim-switch.ts";
import { millis, type World } from "./world.ts";

const DEADLINE_US = millis(2_000);
const RECONNECT_US = millis(5);
/** Silence for so long with commands unanswered: the other side is gone without a word. */
const SILENCE_MAX_US = millis(4_000);
const WATCH_EVERY_US = millis(50);

interface Waiting {
  /** Null after the deadline: the answer still comes first in the stream. */
  done: ((answer: Answer) => void) | null;
  readonly sentAt: Micros;
}

interface Line {
  readonly socket: ClientSocket;
  readonly decoder: ReplyDecoder;
  waiting: Waiting[];
  isOpen: boolean;
  heardAt: Micros;
}

export function createSimConnection(
  world: World,
  target: SimSwitch,
  events: ConnectionEvents = {},
): Connection {
  const { clock } = world;
  let line: Line | null = null;
  let isClosed = false;

  function dial(): void {
    if (isClosed) return;
    const own: Line = {
      socket: target.connect(world.vm, {
        opened() {
          if (line !== own) return;
          own.isOpen = true;
          own.heardAt = clock.now();
          events.opened?.();
        },
        data: (bytes) => {
          if (line === own) take(own, bytes);
        },
        closed: (error) => {
          if (line === own) drop(own, error);
        },
      }),
      decoder: createReplyDecoder(),
      waiting: [],
      isOpen: false,
      heardAt: clock.now(),
    };
    line = own;
  }

  function drop(own: Line, error: string): void {
    line = null;
    own.isOpen = false;
    own.socket.destroy();
    const lost = own.waiting;
    own.waiting = [];
    if (!isClosed) clock.after(RECONNECT_US, dial);
    for (const waiting of lost) end(waiting, error);
  }

  function take(own: Line, bytes: Uint8Array): void {
    own.heardAt = clock.now();
    const replies = own.decoder.push(bytes);
    if (!replies.ok) {
      drop(own, `BAD_REPLY: ${replies.why}`);
      return;
    }
    for (const reply of replies.value) {
      const waiting = own.waiting.shift();
      if (waiting === undefined) {
        drop(own, "BAD_REPLY: an answer to no command");
        return;
      }
      const { done } = waiting;
      waiting.done = null;
      done?.({ kind: "reply", reply });
    }
  }

  function watch(): void {
    if (isClosed) return;
    clock.after(WATCH_EVERY_US, watch);
    const own = line;
    const first = own?.waiting[0];
    if (own === null || first === undefined) return;
    const now = clock.now();
    if (now - Math.max(first.sentAt, own.heardAt) > SILENCE_MAX_US) drop(own, "SILENT");
    else {
      for (const waiting of own.waiting) {
        if (now - waiting.sentAt < DEADLINE_US) break;
        end(waiting, "TIMEOUT");
      }
    }
  }

  dial();
  watch();
  return {
    isOpen: () => line?.isOpen ?? false,
    send(words, done) {
      const own = line;
      if (own === null || !own.isOpen) {
        clock.after(0, () => done({ kind: "lost", error: "NOT_CONNECTED" }));
        return;
      }
      own.waiting.push({ done, sentAt: clock.now() });
      own.socket.write(Buffer.from(encodeCommand(words), "latin1"));
    },
    close() {
      isClosed = true;
      if (line !== null) drop(line, "CLOSED");
    },
  };
}

function end(waiting: Waiting, error: string): void {
  const { done } = waiting;
  waiting.done = null;
  done?.({ kind: "lost", error });
}
