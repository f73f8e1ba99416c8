import type { ExitName } from "../wire/control.ts";

/** The process cannot go on for a reason that has a name; `main.ts` ends it with that exit status. */
export class EndProcess extends Error {
  override readonly name = "EndProcess";
  readonly exit: ExitName;

  constructor(exit: ExitName, message: string, cause?: unknown) {
    super(message, { cause });
    this.exit = exit;
  }
}

/** The `code` of a system error; of anything else its text. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
