/**
 * What each toxic does to the bytes of one direction of one connection, as Toxiproxy 2.12.0 does it (docs/toxiproxy.md says what differs). A stage is given
 * chunks and the end, and gives them on when it likes.
 */
export interface Chunk {
  readonly data: Buffer;
  /** When it was read, moved on by every delay that it has sat out. Unit: milliseconds of `performance.now()`. */
  readonly at: number;
}

export interface Sink {
  take(chunk: Chunk): void;
  /** No more data; behind the last stage the connection is closed. */
  finish(): void;
}

export interface Stage extends Sink {
  /** Bytes that wait here. */
  readonly held: number;
  /** Gives on at once what it holds, the end excepted: another stage takes its place. */
  flush(): void;
}

/** Whole numbers by name. */
export type Attributes = Readonly<Record<string, number>>;

interface ToxicKind {
  /** Names of its attributes, as they are shown. */
  readonly attributes: readonly string[];
  /** @param of value of an attribute */
  readonly stage: (next: Sink, of: (name: string) => number) => Stage;
}

const KINDS = {
  bandwidth: { attributes: ["rate"], stage: (next, of) => paced(next, bandwidth(of("rate"))) },
  latency: {
    attributes: ["latency", "jitter"],
    stage: (next, of) => paced(next, latency(of("latency"), of("jitter"))),
  },
  reset_peer: {
    attributes: ["timeout"],
    stage: (next, of) => swallowing(next, "first", of("timeout")),
  },
  slow_close: { attributes: ["delay"], stage: (next, of) => slowClose(next, of("delay")) },
  timeout: {
    attributes: ["timeout"],
    stage: (next, of) => swallowing(next, "quiet", of("timeout")),
  },
} as const satisfies Record<string, ToxicKind>;

export type ToxicType = keyof typeof KINDS;

/** Null for a word that names no toxic. */
export function kindOf(
  word: string,
): { readonly type: ToxicType; readonly kind: ToxicKind } | null {
  return isType(word) ? { type: word, kind: KINDS[word] } : null;
}

function isType(word: string): word is ToxicType {
  return Object.hasOwn(KINDS, word);
}

export function createStage(type: ToxicType, attributes: Attributes, next: Sink): Stage {
  return KINDS[type].stage(next, (name) => attributes[name] ?? 0);
}

const nothing = (): void => undefined;

export function passing(next: Sink): Stage {
  return {
    held: 0,
    take: (chunk) => next.take(chunk),
    finish: () => next.finish(),
    flush: nothing,
  };
}

/** When the first chunk leaves, how much of it, and its new `at`. Asked when its turn has come, and again for what is left. */
type Pace = (
  first: Chunk,
  now: number,
) => { readonly waitMs: number; readonly bytes: number; readonly at: number };

/** Chunks leave in their order, the end behind the last one. */
function paced(next: Sink, pace: Pace): Stage {
  const waiting: Chunk[] = [];
  let held = 0;
  let isFinished = false;
  let timer: NodeJS.Timeout | undefined;

  function leave(first: Chunk, bytes: number, at: number): void {
    timer = undefined;
    const rest = first.data.subarray(bytes);
    waiting.splice(0, 1, ...(rest.length > 0 ? [{ data: rest, at: first.at }] : []));
    held -= bytes;
    next.take({ data: first.data.subarray(0, bytes), at });
  }

  function goOn(): void {
    while (timer === undefined) {
      const [first] = waiting;
      if (first === undefined) {
        if (isFinished) next.finish();
        return;
      }
      const { waitMs, bytes, at } = pace(first, performance.now());
      if (waitMs <= 0) leave(first, bytes, at);
      else if (Number.isFinite(waitMs)) {
        timer = setTimeout(() => {
          leave(first, bytes, at);
          goOn();
        }, waitMs);
      } else return;
    }
  }

  return {
    get held() {
      return held;
    },
    take(chunk) {
      held += chunk.data.length;
      if (waiting.push(chunk) === 1) goOn();
    },
    finish() {
      isFinished = true;
      goOn();
    },
    flush() {
      clearTimeout(timer);
      timer = undefined;
      held = 0;
      for (const chunk of waiting.splice(0)) next.take(chunk);
    },
  };
}

/** Uniform around the latency, in whole milliseconds. */
function latency(latencyMs: number, jitterMs: number): Pace {
  return ({ data, at }, now) => {
    const drawn = jitterMs > 0 ? Math.floor(Math.random() * 2 * jitterMs) - jitterMs : 0;
    const due = at + latencyMs + drawn;
    return { waitMs: due - now, bytes: data.length, at: due };
  };
}

/** `rate` in kilobytes a second, that is bytes a millisecond; 0: nothing leaves. A chunk leaves in pieces of 100 ms. */
function bandwidth(rate: number): Pace {
  let freeAt = 0;
  return ({ data, at }, now) => {
    if (rate <= 0) return { waitMs: Number.POSITIVE_INFINITY, bytes: 0, at };
    const bytes = Math.min(data.length, rate * 100);
    freeAt = Math.max(freeAt, at) + bytes / rate;
    return { waitMs: freeAt - now, bytes, at };
  };
}

/** Data vanishes. `quiet` closes when nothing came for `ms` (0: never), or at the end; `first` closes `ms` after the first chunk or the end. */
function swallowing(next: Sink, since: "quiet" | "first", ms: number): Stage {
  let timer: NodeJS.Timeout | undefined;
  const start = (): void => {
    if (since === "quiet") clearTimeout(timer);
    if (since === "quiet" || timer === undefined) timer = setTimeout(() => next.finish(), ms);
  };
  const isTimed = since === "first" || ms > 0;
  if (since === "quiet" && isTimed) start();
  return {
    held: 0,
    take: isTimed ? start : nothing,
    finish: since === "first" ? start : () => next.finish(),
    flush: () => clearTimeout(timer),
  };
}

function slowClose(next: Sink, ms: number): Stage {
  let timer: NodeJS.Timeout | undefined;
  return {
    ...passing(next),
    finish() {
      timer = setTimeout(() => next.finish(), ms);
    },
    flush: () => clearTimeout(timer),
  };
}
