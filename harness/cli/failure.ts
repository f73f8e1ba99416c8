import { HarnessError, type HarnessErrorCode } from "../errors.ts";
import { type Shell, STATUS } from "./shell.ts";

/** What a person typed or wrote is wrong; nothing was started. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Mistakes in a file that was named on the command line, found before anything is started. */
const USAGE_CODES: ReadonlySet<HarnessErrorCode> = new Set(["BAD_SCENARIO"]);

/** Prints an error with its code and hint. Returns the exit status. */
export function reportFailure(error: unknown, shell: Pick<Shell, "err">): number {
  if (error instanceof UsageError) {
    shell.err(`error [USAGE]: ${error.message}\nhint: ${error.hint}\n`);
    return STATUS.usage;
  }
  if (error instanceof HarnessError) {
    shell.err(`error [${error.code}]: ${error.message}\nhint: ${error.hint}\n`);
    return USAGE_CODES.has(error.code) ? STATUS.usage : STATUS.crashed;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  shell.err(`error [INTERNAL]: ${text}\nhint: This is a mistake in Faultline: please report it.\n`);
  return STATUS.crashed;
}
