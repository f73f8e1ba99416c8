import * as v from "valibot";
import type { ControlMessage } from "../../node/wire/control.ts";
import type { Parsed } from "../record/parse.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const fields = v.record(v.string(), v.unknown());

const MessageSchema = v.variant("kind", [
  v.object({ kind: v.literal("event"), seq: count, atUs: count, what: v.string(), fields }),
  v.object({ kind: v.literal("done"), id: count, fields }),
]);

export function parseControlMessage(text: string): Parsed<ControlMessage> {
  return parseWith(MessageSchema, text);
}

/** Parses one JSON text. What it says when it cannot is for people. */
export function parseWith<Value>(
  schema: v.GenericSchema<unknown, Value>,
  text: string,
): Parsed<Value> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The text says more than the parser's error.
    return { ok: false, why: `not JSON: ${text.slice(0, 100)}` };
  }
  const parsed = v.safeParse(schema, content);
  if (parsed.success) return { ok: true, value: parsed.output };
  const [issue] = parsed.issues;
  return { ok: false, why: `${v.getDotPath(issue) ?? "message"}: ${issue.message}` };
}
