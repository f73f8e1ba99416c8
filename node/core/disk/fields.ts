/** Checked reading of the JSON texts on a disk. A text that does not fit is a disk's condition, so callers get a result, no exception. */

export type Fields = Readonly<Record<string, unknown>>;

export type Fit<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string };

class Unfit extends Error {}

/** Runs `parse` over the object that `json` holds; what the readers below reject becomes `why`. */
export function fit<T>(json: string, parse: (fields: Fields) => T): Fit<T> {
  try {
    const value: unknown = JSON.parse(json);
    return { ok: true, value: parse(object(value, "the text")) };
  } catch (error: unknown) {
    if (error instanceof Unfit || error instanceof SyntaxError) {
      return { ok: false, why: error.message };
    }
    throw error;
  }
}

export function object(value: unknown, what: string): Fields {
  if (!isFields(value)) throw new Unfit(`${what} is not an object`);
  return value;
}

export function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw new Unfit(`"${name}" is not a text`);
  return value;
}

/** An integer from `min` to 2^53 - 1. */
export function integer(fields: Fields, name: string, min: number): number {
  return integerOf(fields[name], name, min);
}

export function integerOf(value: unknown, name: string, min: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min) {
    throw new Unfit(`"${name}" is not an integer of ${min} or more`);
  }
  return value;
}

export function list(fields: Fields, name: string): readonly unknown[] {
  const value: unknown = fields[name];
  if (!Array.isArray(value)) throw new Unfit(`"${name}" is not an array`);
  return value;
}

export function oneOf<T extends string>(fields: Fields, name: string, words: readonly T[]): T {
  const value = fields[name];
  const found = words.find((word) => word === value);
  if (found === undefined) throw new Unfit(`"${name}" is none of ${words.join(", ")}`);
  return found;
}

/** Null stays null; a missing field does not count as null. */
export function orNull<T>(fields: Fields, name: string, parse: (value: unknown) => T): T | null {
  const value = fields[name];
  return value === null ? null : parse(value);
}

/** Ends the parse: the text is well formed and says something that does not fit. */
export function unfit(why: string): never {
  throw new Unfit(why);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
