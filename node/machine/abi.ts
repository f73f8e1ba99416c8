/** The border between machine and guest, version 1; docs/guest-abi.md is its description for authors of guests. */
import { GuestRefused } from "./guest-refused.ts";

export const ABI_VERSION = 1;

/** All that a guest can reach. Whatever is not here would be an input that is in no entry. */
export const IMPORTS = {
  faultline: [
    "block_read",
    "block_write",
    "block_count",
    "flush",
    "send",
    "close",
    "reset",
    "now",
    "random",
    "set_timer",
    "console",
  ],
  env: ["memory", "abort"],
} as const;

const EXPORTS = [
  "abi_version",
  "input_buffer",
  "input_capacity",
  "boot",
  "session_open",
  "session_data",
  "session_fin",
  "session_reset",
] as const;

const OPTIONAL_EXPORTS = ["tick", "settled"] as const;

type GuestFunction = (...values: readonly number[]) => unknown;
export type GuestExports = Readonly<
  Record<(typeof EXPORTS)[number], GuestFunction> &
    Record<(typeof OPTIONAL_EXPORTS)[number], GuestFunction | null>
>;

/**
 * Compiles a guest and checks what it asks for and what it offers; nothing of it runs yet.
 *
 * @throws GuestRefused GUEST_NOT_WASM, GUEST_IMPORT, GUEST_EXPORT or GUEST_MEMORY
 */
export function compileGuest(wasm: Uint8Array): WebAssembly.Module {
  const module = compile(wasm);
  const imports = WebAssembly.Module.imports(module);
  for (const { module: from, name, kind } of imports) {
    const isMemory = from === "env" && name === "memory";
    if (isAllowed(from, name) && kind === (isMemory ? "memory" : "function")) continue;
    throw new GuestRefused("GUEST_IMPORT", `the guest imports the ${kind} ${from}.${name}`, {
      hint: "Import only what docs/guest-abi.md lists: anything else could differ between two hosts.",
    });
  }
  if (!imports.some(({ kind }) => kind === "memory")) {
    throw new GuestRefused("GUEST_MEMORY", "the guest brings its own memory", {
      hint: "Import it as env.memory (AssemblyScript: --importMemory), so that the host sets its size.",
    });
  }
  const offered = WebAssembly.Module.exports(module).filter(({ kind }) => kind === "function");
  for (const name of EXPORTS) {
    if (offered.some((it) => it.name === name)) continue;
    throw new GuestRefused("GUEST_EXPORT", `the guest exports no function ${name}`, {
      hint: "Export every function that docs/guest-abi.md does not call optional.",
    });
  }
  return module;
}

/** Exports of an instance whose module passed `compileGuest`. */
export function exportsOf(instance: WebAssembly.Instance): GuestExports {
  const required = (name: (typeof EXPORTS)[number]): GuestFunction => {
    const found = instance.exports[name];
    if (isGuestFunction(found)) return found;
    throw new GuestRefused("GUEST_EXPORT", `the guest exports no function ${name}`, {
      hint: "Export every function that docs/guest-abi.md does not call optional.",
    });
  };
  const optional = (name: (typeof OPTIONAL_EXPORTS)[number]): GuestFunction | null => {
    const found = instance.exports[name];
    return isGuestFunction(found) ? found : null;
  };
  return {
    abi_version: required("abi_version"),
    input_buffer: required("input_buffer"),
    input_capacity: required("input_capacity"),
    boot: required("boot"),
    session_open: required("session_open"),
    session_data: required("session_data"),
    session_fin: required("session_fin"),
    session_reset: required("session_reset"),
    tick: optional("tick"),
    settled: optional("settled"),
  };
}

function compile(wasm: Uint8Array): WebAssembly.Module {
  try {
    return new WebAssembly.Module(wasm);
  } catch (cause) {
    throw new GuestRefused("GUEST_NOT_WASM", "the guest is no valid WebAssembly module", {
      hint: "Give the path of a compiled .wasm file.",
      cause,
    });
  }
}

const isAllowed = (from: string, name: string): boolean =>
  Object.entries(IMPORTS).some(
    ([module, names]) => module === from && names.some((allowed) => allowed === name),
  );

const isGuestFunction = (value: unknown): value is GuestFunction => typeof value === "function";
