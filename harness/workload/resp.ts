/** RESP2, as much as a client needs. Text is latin1: one character for each byte, so any bytes pass unchanged. */
import type { Parsed } from "../record/parse.ts";

export type Reply =
  | { readonly kind: "simple"; readonly text: string }
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "integer"; readonly value: number }
  /** Null: no such key. */
  | { readonly kind: "bulk"; readonly text: string | null }
  | { readonly kind: "array"; readonly items: readonly Reply[] | null };

export interface ReplyDecoder {
  /** Replies that this chunk completes, in order. After a refusal the stream cannot be read any further. */
  push(chunk: Uint8Array): Parsed<readonly Reply[]>;
}

/** Longest bulk text that is accepted. Unit: bytes. */
const BULK_MAX = 1 << 20;
/** Longest line that is accepted: a simple text, an error, a number. Unit: bytes. */
const LINE_MAX = 1 << 16;
const ITEMS_MAX = 1 << 16;
const DEPTH_MAX = 4;

const CARRIAGE_RETURN = 13;
const LINE_FEED = 10;

/** A command as latin1 text. */
export function encodeCommand(words: readonly string[]): string {
  let text = `*${words.length}\r\n`;
  for (const word of words) text += `$${word.length}\r\n${word}\r\n`;
  return text;
}

export function createReplyDecoder(): ReplyDecoder {
  let rest: Buffer = Buffer.alloc(0);
  return {
    push(chunk) {
      rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
      const replies: Reply[] = [];
      let from = 0;
      for (;;) {
        const found = readReply(rest, from, DEPTH_MAX);
        if (found.kind === "bad") return { ok: false, why: found.why };
        if (found.kind === "more") break;
        replies.push(found.reply);
        from = found.end;
      }
      rest = rest.subarray(from);
      return { ok: true, value: replies };
    },
  };
}

type Found =
  | { readonly kind: "reply"; readonly reply: Reply; readonly end: number }
  | { readonly kind: "more" }
  | { readonly kind: "bad"; readonly why: string };

const MORE: Found = { kind: "more" };

function readReply(bytes: Buffer, from: number, depth: number): Found {
  const lineEnd = bytes.indexOf(CARRIAGE_RETURN, from);
  if (lineEnd < 0 || lineEnd + 1 >= bytes.length) {
    return bytes.length - from > LINE_MAX ? bad(`a line longer than ${LINE_MAX} bytes`) : MORE;
  }
  if (bytes[lineEnd + 1] !== LINE_FEED) return bad("a line that does not end with CR LF");
  const text = bytes.toString("latin1", from + 1, lineEnd);
  const end = lineEnd + 2;
  const type = String.fromCharCode(bytes[from] ?? 0);
  switch (type) {
    case "+":
      return { kind: "reply", reply: { kind: "simple", text }, end };
    case "-":
      return { kind: "reply", reply: { kind: "error", text }, end };
    case ":":
    case "$":
    case "*":
      break;
    default:
      return bad(`a reply of type ${JSON.stringify(type)}`);
  }
  const value = numberIn(text);
  if (value === null) return bad(`${JSON.stringify(text.slice(0, 40))} instead of a number`);
  if (type === ":") return { kind: "reply", reply: { kind: "integer", value }, end };
  if (type === "$") return readBulk(bytes, end, value);
  return readArray(bytes, end, { count: value, depth });
}

function readBulk(bytes: Buffer, from: number, size: number): Found {
  if (size === -1) return { kind: "reply", reply: { kind: "bulk", text: null }, end: from };
  if (size < 0 || size > BULK_MAX) return bad(`a text of ${size} bytes`);
  const end = from + size;
  if (bytes.length < end + 2) return MORE;
  if (bytes[end] !== CARRIAGE_RETURN || bytes[end + 1] !== LINE_FEED) {
    return bad("a text that does not end with CR LF");
  }
  return {
    kind: "reply",
    reply: { kind: "bulk", text: bytes.toString("latin1", from, end) },
    end: end + 2,
  };
}

function readArray(
  bytes: Buffer,
  from: number,
  shape: { readonly count: number; readonly depth: number },
): Found {
  const { count, depth } = shape;
  if (count === -1) return { kind: "reply", reply: { kind: "array", items: null }, end: from };
  if (count < 0 || count > ITEMS_MAX) return bad(`an array of ${count} items`);
  if (depth === 0) return bad(`arrays more than ${DEPTH_MAX} deep`);
  const items: Reply[] = [];
  let end = from;
  while (items.length < count) {
    const found = readReply(bytes, end, depth - 1);
    if (found.kind !== "reply") return found;
    items.push(found.reply);
    end = found.end;
  }
  return { kind: "reply", reply: { kind: "array", items }, end };
}

function numberIn(text: string): number | null {
  const value = Number(text);
  return /^-?\d+$/.test(text) && Number.isSafeInteger(value) ? value : null;
}

function bad(why: string): Found {
  return { kind: "bad", why };
}
