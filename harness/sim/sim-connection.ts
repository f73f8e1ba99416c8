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

class SimConnection implements Connection {
  readonly #world: World;
  readonly #target: SimSwitch;
  readonly #events: ConnectionEvents;
  #line: Line | null = null;
  #isClosed = false;

  constructor(world: World, target: SimSwitch, events: ConnectionEvents) {
    this.#world = world;
    this.#target = target;
    this.#events = events;
    this.#dial();
    this.#watch();
  }

  isOpen(): boolean {
    return this.#line?.isOpen ?? false;
  }

  send(words: readonly string[], done: (answer: Answer) => void): void {
    const { clock } = this.#world;
    const line = this.#line;
    if (line === null || !line.isOpen) {
      clock.after(0, () => done({ kind: "lost", error: "NOT_CONNECTED" }));
      return;
    }
    line.waiting.push({ done, sentAt: clock.now() });
    line.socket.write(Buffer.from(encodeCommand(words), "latin1"));
  }

  close(): void {
    this.#isClosed = true;
    if (this.#line !== null) this.#drop(this.#line, "CLOSED");
  }

  #dial(): void {
    if (this.#isClosed) return;
    const { clock, vm } = this.#world;
    const isCurrent = (): boolean => this.#line === line;
    const socket = this.#target.connect(vm, {
      opened: () => {
        if (!isCurrent()) return;
        line.isOpen = true;
        line.heardAt = clock.now();
        this.#events.opened?.();
      },
      data: (bytes) => {
        if (isCurrent()) this.#take(line, bytes);
      },
      closed: (error) => {
        if (isCurrent()) this.#drop(line, error);
      },
    });
    const decoder = createReplyDecoder();
    const line: Line = { socket, decoder, waiting: [], isOpen: false, heardAt: clock.now() };
    this.#line = line;
  }

  #drop(line: Line, error: string): void {
    this.#line = null;
    line.isOpen = false;
    line.socket.destroy();
    const lost = line.waiting;
    line.waiting = [];
    if (!this.#isClosed) this.#world.clock.after(RECONNECT_US, () => this.#dial());
    for (const waiting of lost) end(waiting, error);
  }

  #take(line: Line, bytes: Uint8Array): void {
    line.heardAt = this.#world.clock.now();
    const replies = line.decoder.push(bytes);
    if (!replies.ok) {
      this.#drop(line, `BAD_REPLY: ${replies.why}`);
      return;
    }
    for (const reply of replies.value) {
      const waiting = line.waiting.shift();
      if (waiting === undefined) {
        this.#drop(line, "BAD_REPLY: an answer to no command");
        return;
      }
      const { done } = waiting;
      waiting.done = null;
      done?.({ kind: "reply", reply });
    }
  }

  #watch(): void {
    if (this.#isClosed) return;
    const { clock } = this.#world;
    clock.after(WATCH_EVERY_US, () => this.#watch());
    const line = this.#line;
    const first = line?.waiting[0];
    if (line === null || first === undefined) return;
    if (clock.now() - Math.max(first.sentAt, line.heardAt) > SILENCE_MAX_US) {
      this.#drop(line, "SILENT");
      return;
    }
    for (const waiting of line.waiting) {
      if (clock.now() - waiting.sentAt < DEADLINE_US) break;
      end(waiting, "TIMEOUT");
    }
  }
}

export function createSimConnection(
  world: World,
  target: SimSwitch,
  events: ConnectionEvents = {},
): Connection {
  return new SimConnection(world, target, events);
}

function end(waiting: Waiting, error: string): void {
  const { done } = waiting;
  waiting.done = null;
  done?.({ kind: "lost", error });
}
