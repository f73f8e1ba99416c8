/** A toxic, and how it is read from what a caller sends. */
import * as v from "valibot";
import { type Attributes, kindOf, type ToxicType } from "./stages.ts";

export type Stream = "upstream" | "downstream";

export interface Toxic {
  readonly name: string;
  readonly type: ToxicType;
  readonly stream: Stream;
  /** Share of the connections that it acts on. */
  toxicity: number;
  attributes: Attributes;
}

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** @throws ApiError 400 with the first thing that is wrong */
export function parse<Schema extends v.GenericSchema>(schema: Schema, body: unknown) {
  const parsed = v.safeParse(schema, body);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new ApiError(400, `bad request body: ${v.getDotPath(issue) ?? "body"}: ${issue.message}`);
}

const attributes = v.nullish(v.record(v.string(), v.unknown()), {});
const change = v.object({ attributes, toxicity: v.optional(v.number()) });
const addition = v.object({
  name: v.optional(v.string(), ""),
  type: v.optional(v.string(), ""),
  stream: v.optional(v.string(), "downstream"),
  toxicity: v.optional(v.number(), 1),
  attributes,
});

/** @throws ApiError 400 */
export function readToxic(body: unknown): Toxic {
  const { name, type, stream, toxicity, attributes: given } = parse(addition, body);
  if (stream !== "upstream" && stream !== "downstream") {
    throw new ApiError(400, "stream was invalid, can be either upstream or downstream");
  }
  const known = kindOf(type);
  if (known === null) throw new ApiError(400, "invalid toxic type");
  return {
    name: name === "" ? `${type}_${stream}` : name,
    type: known.type,
    stream,
    toxicity,
    attributes: readAttributes(known.type, given, {}),
  };
}

/** What is not named stays as it is. @throws ApiError 400; then nothing is changed */
export function changeToxic(toxic: Toxic, body: unknown): void {
  const given = parse(change, body);
  toxic.attributes = readAttributes(toxic.type, given.attributes, toxic.attributes);
  toxic.toxicity = given.toxicity ?? toxic.toxicity;
}

/** Names that the type does not have are ignored. */
function readAttributes(
  type: ToxicType,
  given: Readonly<Record<string, unknown>>,
  before: Attributes,
): Attributes {
  const whole = v.pipe(v.number(), v.safeInteger());
  return Object.fromEntries(
    (kindOf(type)?.kind.attributes ?? []).map((name) => [
      name,
      parse(whole, given[name] ?? before[name] ?? 0),
    ]),
  );
}
