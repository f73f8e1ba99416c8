/** One direction of one connection: from a socket through the toxics of its stream to the other socket. */
import type { Socket } from "node:net";
import { type Chunk, createStage, passing, type Sink, type Stage } from "./stages.ts";
import type { Toxic } from "./toxic.ts";

/** Above it nothing more is read: the rest waits in the kernel, then at the sender. With a delay in the chain it is what Toxiproxy holds. Unit: bytes. */
const HELD_MAX = { plain: 64 * 1_024, delayed: 32 * 1_024 * 1_024 };

/** A toxic's place in the chain; the first place has none, and lets everything pass. */
class Place implements Sink {
  readonly toxic: Toxic | null;
  next: Sink;
  /** The end has come to here. */
  isEnded = false;
  stage: Stage;

  constructor(toxic: Toxic | null, next: Sink) {
    this.toxic = toxic;
    this.next = next;
    this.stage = this.#begin();
  }

  take(chunk: Chunk): void {
    this.stage.take(chunk);
  }

  finish(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.stage.finish();
  }

  /** With the toxic's attributes of now, and its dice rolled anew, as Toxiproxy does it. */
  restart(): void {
    this.stage.flush();
    this.stage = this.#begin();
    if (this.isEnded) this.stage.finish();
  }

  #begin(): Stage {
    const { toxic } = this;
    const next: Sink = {
      take: (chunk) => this.next.take(chunk),
      finish: () => this.next.finish(),
    };
    const isActive = toxic !== null && Math.random() < toxic.toxicity;
    return isActive ? createStage(toxic.type, toxic.attributes, next) : passing(next);
  }
}

export class Chain {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #first: Place;
  readonly #writer: Sink;
  readonly #places: Place[];
  #isOver = false;

  /** @param close ends the target once everything written is out: the whole connection, for no half of one outlives the other */
  constructor(source: Socket, target: Socket, close: (socket: Socket) => void) {
    this.#source = source;
    this.#target = target;
    this.#writer = {
      take: ({ data }) => {
        if (!this.#isOver && !target.destroyed) target.write(data);
      },
      finish: () => {
        if (this.#isOver) return;
        this.#isOver = true;
        close(target);
      },
    };
    this.#first = new Place(null, this.#writer);
    this.#places = [this.#first];
    source.on("data", (data: Buffer) => {
      this.#first.take({ data, at: performance.now() });
      this.#balance();
    });
    source.once("end", () => this.#first.finish());
    source.once("close", () => this.#first.finish());
    target.on("drain", () => this.#balance());
  }

  /** It acts on what comes from now on. */
  add(toxic: Toxic): void {
    const last = this.#places.at(-1) ?? this.#first;
    const place = new Place(toxic, this.#writer);
    this.#places.push(place);
    last.next = place;
    last.restart();
    this.#balance();
  }

  /** Its attributes are others. */
  update(toxic: Toxic): void {
    this.#places.find((place) => place.toxic === toxic)?.restart();
    this.#balance();
  }

  remove(toxic: Toxic): void {
    const at = this.#places.findIndex((place) => place.toxic === toxic);
    const [place, before] = [this.#places[at], this.#places[at - 1]];
    if (place === undefined || before === undefined) return;
    place.stage.flush();
    this.#places.splice(at, 1);
    before.next = place.next;
    // Behind bytes that were dropped nothing makes sense: a removed `timeout` closes.
    if (toxic.type === "timeout" || place.isEnded) place.next.finish();
    else before.restart();
    this.#balance();
  }

  #balance(): void {
    const isDelayed = this.#places.some(({ toxic }) => toxic?.type === "latency");
    const inStages = this.#places.reduce((sum, { stage }) => sum + stage.held, 0);
    const isFull =
      inStages + this.#target.writableLength > HELD_MAX[isDelayed ? "delayed" : "plain"];
    if (isFull) this.#source.pause();
    else if (this.#source.isPaused()) this.#source.resume();
  }
}
