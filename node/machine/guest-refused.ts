export type GuestRefusedCode =
  | "GUEST_NOT_WASM"
  | "GUEST_IMPORT"
  | "GUEST_EXPORT"
  | "GUEST_MEMORY"
  | "GUEST_ABI_VERSION";

/** A program that cannot be a guest, found before it ran. */
export class GuestRefused extends Error {
  override readonly name = "GuestRefused";
  readonly code: GuestRefusedCode;
  /** What the author of the guest can do; one sentence. */
  readonly hint: string;

  constructor(
    code: GuestRefusedCode,
    message: string,
    options: { readonly hint: string; readonly cause?: unknown },
  ) {
    super(`${code}: ${message}`, { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
