/** Every way in which the rig itself (not the system under test) can fail. */
export type HarnessErrorCode =
  | "NO_CLUSTER_NUMBER"
  | "PORT_TAKEN"
  | "PROXY_NOT_FOUND"
  | "PROXY_INSTALL_FAILED"
  | "PROXY_FAILED"
  | "PROCESS_NOT_READY"
  | "PROCESS_EXITED"
  | "CONTROL_LOST"
  | "NO_CONVERGENCE"
  | "WORKLOAD_FAILED"
  | "RUN_FOLDER"
  | "BAD_SCENARIO"
  | "BAD_RECORD"
  | "BAD_DISK"
  | "NOT_BUILT"
  | "LEFTOVERS";

/** The rig failed: the run is `broken`, which says nothing about the system under test. Match on `code`. */
export class HarnessError extends Error {
  override readonly name = "HarnessError";
  readonly code: HarnessErrorCode;
  /** What the reader can do now; one sentence in the imperative. */
  readonly hint: string;

  constructor(code: HarnessErrorCode, message: string, options: { hint: string; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
