/** What a command may use of the process that it runs in. Read once in `main.ts`, handed on from there. */
import type { Screen } from "../../reports/screen.ts";

export interface Shell {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Root of the installed package: where `package.json` is. */
  readonly packageRoot: string;
  /** For results. Text ends with `\n`. */
  readonly out: (text: string) => void;
  /** For progress and errors. Text ends with `\n`. */
  readonly err: (text: string) => void;
  readonly outScreen: Screen;
  readonly errScreen: Screen;
  /** Aborted by Ctrl-C. The end of stdin is no wish to stop: nobody reads it. */
  readonly signal: AbortSignal;
}

/** Exit status of a command; those of a verdict stand in `EXIT_STATUS`. */
export const STATUS = { done: 0, crashed: 3, usage: 4, interrupted: 130 } as const;
