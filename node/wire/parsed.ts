/** Outcome of reading what somebody else wrote: it is never an exception. `why` is for people. */
export type Parsed<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly why: string };

export const refuse = (why: string): { readonly ok: false; readonly why: string } => ({
  ok: false,
  why,
});
