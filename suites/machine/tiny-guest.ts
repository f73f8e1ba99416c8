/** Assembles guests of a few bytes, for what a real guest never does. Each part is the binary format of WebAssembly, written out. */

/** Signatures that a guest can import or export, by their place in the type section. */
const SIGNATURES = {
  "()": [0x60, 0, 0],
  "()i32": [0x60, 0, 1, 0x7f],
  "(i32)": [0x60, 1, 0x7f, 0],
  "(i32,i32)": [0x60, 2, 0x7f, 0x7f, 0],
  "(i32,i32,i32)": [0x60, 3, 0x7f, 0x7f, 0x7f, 0],
  "(i64)": [0x60, 1, 0x7e, 0],
} as const satisfies Record<string, readonly number[]>;
type Signature = keyof typeof SIGNATURES;

const EXPORTS = {
  abi_version: { signature: "()i32", body: [0x41, 1] },
  input_buffer: { signature: "()i32", body: [0x41, 0] },
  input_capacity: { signature: "()i32", body: [0x41, 16] },
  boot: { signature: "()", body: [] },
  session_open: { signature: "(i32)", body: [] },
  session_data: { signature: "(i32,i32)", body: [] },
  session_fin: { signature: "(i32)", body: [] },
  session_reset: { signature: "(i32)", body: [] },
  settled: { signature: "()", body: [] },
  tick: { signature: "()", body: [] },
} as const satisfies Record<string, { signature: Signature; body: readonly number[] }>;
export type TinyExport = keyof typeof EXPORTS;

export interface TinyImport {
  readonly module: string;
  readonly name: string;
  readonly signature: Signature;
}

export interface TinyGuest {
  /** Functions 0 and on; the exports come after them, in the order above. */
  readonly imports?: readonly TinyImport[];
  /** Instructions in place of the usual body; null: there is no such export. */
  readonly bodies?: Partial<Record<TinyExport, readonly number[] | null>>;
  readonly ownsMemory?: boolean;
}

const names = Object.keys(SIGNATURES);

export function assembleGuest({ imports = [], bodies = {}, ownsMemory }: TinyGuest): Uint8Array {
  const functions = Object.entries(EXPORTS)
    .map(([name, usual]) => {
      const body = Object.entries(bodies).find(([replaced]) => replaced === name)?.[1];
      return { name, signature: usual.signature, body: body === undefined ? usual.body : body };
    })
    .filter((it) => it.body !== null);
  const memory = [...text("env"), ...text("memory"), 2, 0, 1];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, Object.values(SIGNATURES)),
    ...section(2, [
      ...(ownsMemory === true ? [] : [memory]),
      ...imports.map((it) => [...text(it.module), ...text(it.name), 0, typeOf(it.signature)]),
    ]),
    ...section(
      3,
      functions.map(({ signature }) => [typeOf(signature)]),
    ),
    ...(ownsMemory === true ? section(5, [[0, 1]]) : []),
    ...section(
      7,
      functions.map(({ name }, index) => [...text(name), 0, ...number(imports.length + index)]),
    ),
    ...section(
      10,
      functions.map(({ body }) => {
        const code = [0, ...(body ?? []), 0x0b];
        return [...number(code.length), ...code];
      }),
    ),
  ]);
}

const typeOf = (signature: Signature): number => names.indexOf(signature);

function section(id: number, items: readonly (readonly number[])[]): readonly number[] {
  const content = [...number(items.length), ...items.flat()];
  return [id, ...number(content.length), ...content];
}

const text = (value: string): readonly number[] => [
  ...number(value.length),
  ...Buffer.from(value, "latin1"),
];

/** LEB128 of an unsigned number. */
function number(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...number(value >>> 7)];
}
