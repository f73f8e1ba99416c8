import type { ProcessFile } from "../ports/process-file.ts";
import type { ControlHandlers } from "./control-server.ts";
import type { Self } from "./greeted-server.ts";
import type { Reporter } from "./reporter.ts";

/** What every role is started with. The control channel is bound already: no second process of this name runs. */
export interface RoleOptions<File extends ProcessFile> {
  readonly file: File;
  readonly self: Self;
  readonly reporter: Reporter;
  /** Ends the process; for errors that no call stack leads to. */
  readonly fatal: (error: unknown) => void;
}

/** A role that runs, as the control channel sees it. */
export interface RunningRole
  extends Pick<ControlHandlers, "quiesce" | "release" | "operate" | "status"> {
  /** Says what was not reported yet; the process ends next. */
  farewell(): void;
}
