/** What a line of a record may look like: hand-written, because histories have hundreds of thousands of lines. */
import {
  type HistoryEvent,
  type HistoryLine,
  type HistoryPhase,
  type OperationName,
  RECORD_SCHEMA,
  type RunEvent,
} from "./types.ts";

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string };

type Fields = Readonly<Record<string, unknown>>;
type Role = Extract<HistoryEvent, { type: "invoke" }>["role"];

const OPERATIONS = {
  read: true,
  write: true,
  cas: true,
  append: true,
  list: true,
  delete: true,
  ping: true,
} as const satisfies Record<OperationName, true>;

const ROLES = { probe: true, load: true, readback: true } as const satisfies Record<Role, true>;

const PHASES = {
  "warm-up": true,
  calm: true,
  fault: true,
  "final-reads": true,
  end: true,
} as const satisfies Record<HistoryPhase["phase"], true>;

export function parseHistoryLine(value: unknown): Parsed<HistoryLine> {
  if (!isFields(value)) return wrong("expected an object");
  const type = value["type"];
  if (type === "header") return parseHeader(value);
  const at = value["at"];
  if (!isCount(at)) return wrong('"at" must be an integer, 0 or more (microseconds)');
  switch (type) {
    case "phase": {
      const phase = value["phase"];
      if (!isOneOf(PHASES, phase)) return wrong(`"phase" must be one of ${names(PHASES)}`);
      return right({ type, at, phase });
    }
    case "lag": {
      const lagUs = value["lagUs"];
      if (!isCount(lagUs)) return wrong('"lagUs" must be an integer, 0 or more (microseconds)');
      return right({ type, at, lagUs });
    }
    case "invoke":
    case "ok":
    case "fail":
    case "info":
      return parseOperation(value, type, at);
    default:
      return wrong('"type" must be one of header, phase, lag, invoke, ok, fail, info');
  }
}

export function parseEvent(value: unknown): Parsed<RunEvent> {
  if (!isFields(value)) return wrong("expected an object");
  const { at, source, what } = value;
  if (!isCount(at)) return wrong('"at" must be an integer, 0 or more (microseconds)');
  if (typeof source !== "string") return wrong('"source" must be a text');
  if (typeof what !== "string") return wrong('"what" must be a text');
  return right({ ...value, at, source, what });
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseHeader(fields: Fields): Parsed<HistoryLine> {
  const { schema, scenario, seed } = fields;
  if (schema !== RECORD_SCHEMA) {
    return wrong(`"schema" is ${JSON.stringify(schema)}, this reader knows ${RECORD_SCHEMA}`);
  }
  if (typeof scenario !== "string") return wrong('"scenario" must be a text');
  if (typeof seed !== "number") return wrong('"seed" must be a number');
  return right({ type: "header", schema, scenario, seed });
}

function parseOperation(
  fields: Fields,
  type: HistoryEvent["type"],
  at: number,
): Parsed<HistoryLine> {
  const { process, op, value, error } = fields;
  if (!isCount(process)) return wrong('"process" must be an integer, 0 or more');
  if (!isCount(op)) return wrong('"op" must be an integer, 0 or more');
  switch (type) {
    case "invoke":
      return parseInvoke(fields, { at, process, op });
    case "ok": {
      const result = value ?? null;
      if (result !== null && typeof result !== "string" && !isTexts(result)) {
        return wrong('"value" must be a text, null or an array of texts');
      }
      return right({ type, at, process, op, value: result });
    }
    case "fail":
    case "info":
      if (typeof error !== "string") return wrong('"error" must be a text');
      return right({ type, at, process, op, error });
    default:
      return unreachable(type);
  }
}

function parseInvoke(
  fields: Fields,
  common: { readonly at: number; readonly process: number; readonly op: number },
): Parsed<HistoryLine> {
  const { f, key, expected, site } = fields;
  const value = fields["value"] ?? null;
  const role = fields["role"] ?? "load";
  if (!isOneOf(OPERATIONS, f)) return wrong(`"f" must be one of ${names(OPERATIONS)}`);
  if (typeof key !== "string") return wrong('"key" must be a text');
  if (value !== null && typeof value !== "string") return wrong('"value" must be a text or null');
  if (value === null && (f === "write" || f === "append" || f === "cas")) {
    return wrong(`"value" of a ${f} must be a text`);
  }
  if (!isOneOf(ROLES, role)) return wrong(`"role" must be one of ${names(ROLES)}`);
  if (site !== undefined && typeof site !== "string") return wrong('"site" must be a text');
  const invoke = { type: "invoke", ...common, f, key, value, role } as const;
  const placed = site === undefined ? invoke : { ...invoke, site };
  if (f !== "cas") return right(placed);
  if (expected !== null && typeof expected !== "string") {
    return wrong('"expected" of a cas must be a text or null');
  }
  return right({ ...placed, expected });
}

function isOneOf<Name extends string>(table: Record<Name, true>, value: unknown): value is Name {
  return typeof value === "string" && Object.hasOwn(table, value);
}

function names(table: Readonly<Record<string, true>>): string {
  return Object.keys(table).join(", ");
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((element) => typeof element === "string");
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function right<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

function wrong(why: string): { readonly ok: false; readonly why: string } {
  return { ok: false, why };
}

function unreachable(value: never): never {
  throw new TypeError(`no such kind of line: ${String(value)}`);
}
