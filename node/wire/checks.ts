/**
 * Checks of decoded JSON, built like the types that they check: a field added to a frame's type fails to compile until it is checked.
 * A check returns null, or where the value is wrong (`view.page.gen.id`). Fields that a type does not name are ignored.
 */
export interface Check<Value> {
  (value: unknown): string | null;
  /** Never set: it lets the compiler compare what checks stand for. */
  readonly checked?: Value;
}

/** Longest text for people in a frame. */
export const TEXT_LENGTH_MAX = 1_024;

/** Name of a host, VM, service or path: at most 64 characters. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const RANDOM_ID = /^[0-9a-f]{32}$/;
const HERE = "";

const when = (holds: boolean): string | null => (holds ? null : HERE);

/** 0 or more, whole, exact in a double. */
export const count: Check<number> = (value) =>
  when(Number.isSafeInteger(value) && Number(value) >= 0);
export const positive: Check<number> = (value) =>
  when(Number.isSafeInteger(value) && Number(value) > 0);
export const uint32: Check<number> = (value) =>
  when(Number.isSafeInteger(value) && Number(value) >>> 0 === value);
export const uint16: Check<number> = (value) =>
  when(uint32(value) === null && Number(value) <= 0xffff);
export const flag: Check<boolean> = (value) => when(typeof value === "boolean");
export const name: Check<string> = (value) => when(typeof value === "string" && NAME.test(value));
export const randomId: Check<string> = (value) =>
  when(typeof value === "string" && RANDOM_ID.test(value));
export const text: Check<string> = (value) =>
  when(typeof value === "string" && value.length <= TEXT_LENGTH_MAX);
export const finite: Check<number> = (value) =>
  when(typeof value === "number" && Number.isFinite(value));

export function oneOf<const Word extends string>(...words: readonly Word[]): Check<Word> {
  const known: readonly string[] = words;
  return (value) => when(typeof value === "string" && known.includes(value));
}

export function orNull<Value>(check: Check<Value>): Check<Value | null> {
  return (value) => (value === null ? null : check(value));
}

export function listOf<Value>(check: Check<Value>, lengthMax: number): Check<readonly Value[]> {
  return (value) => {
    if (!Array.isArray(value) || value.length > lengthMax) return HERE;
    for (let index = 0; index < value.length; index += 1) {
      const wrong = check(value[index]);
      if (wrong !== null) return join(String(index), wrong);
    }
    return null;
  };
}

export function pairOf<Left, Right>(
  left: Check<Left>,
  right: Check<Right>,
): Check<readonly [Left, Right]> {
  return (value) => {
    if (!Array.isArray(value) || value.length !== 2) return HERE;
    return left(value[0]) ?? right(value[1]);
  };
}

export type Checks<Value> = { readonly [Key in keyof Value]-?: Check<Value[Key]> };

export function shape<Value extends object>(checks: Checks<Value>): Check<Value> {
  const fields = Object.entries(checks) as readonly (readonly [string, Check<unknown>])[];
  return (value) => {
    if (!isRecord(value)) return HERE;
    for (const [field, check] of fields) {
      const wrong = Object.hasOwn(value, field) ? check(value[field]) : HERE;
      if (wrong !== null) return join(field, wrong);
    }
    return null;
  };
}

type Kinds<Union extends { readonly kind: string }> = {
  readonly [Kind in Union["kind"]]: Checks<Omit<Extract<Union, { readonly kind: Kind }>, "kind">>;
};

/** A union told apart by `kind`. */
export function variants<Union extends { readonly kind: string }>(
  kinds: Kinds<Union>,
): Check<Union> {
  const entries = Object.entries(kinds) as readonly (readonly [string, Checks<object>])[];
  const checks = new Map(entries.map(([kind, fields]) => [kind, shape<object>(fields)]));
  return (value) => {
    if (!isRecord(value) || typeof value["kind"] !== "string") return "kind";
    const check = checks.get(value["kind"]);
    return check === undefined ? "kind" : check(value);
  };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function join(field: string, rest: string): string {
  return rest === HERE ? field : `${field}.${rest}`;
}
