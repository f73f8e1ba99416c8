/** Every way in which the rig itself (not the system under test) can fail, in the words of docs/errors.md, which is made from it. */
export const HARNESS_ERRORS = {
  NO_CLUSTER_NUMBER: {
    meaning: "no free address range 127.n.0.0/16 was found, or loopback has no aliases",
    todo: "end other runs; `faultline doctor` looks at loopback",
  },
  PORT_TAKEN: {
    meaning: "a port that every cluster uses is taken by another program",
    todo: "end that program",
  },
  PROXY_NOT_FOUND: {
    meaning: "`FAULTLINE_TOXIPROXY` names nothing that can be started",
    todo: "give it the path of `toxiproxy-server`, the URL of a running one, or `embedded`",
  },
  PROXY_FAILED: {
    meaning: "the proxy ended, or refused what it was asked",
    todo: "read `toxiproxy.log` in the run folder",
  },
  PROCESS_NOT_READY: {
    meaning: "a process did not say that it is ready in time",
    todo: "read its log; the machine may be overloaded",
  },
  PROCESS_EXITED: {
    meaning: "a process ended before it was ready",
    todo: "read its log; its exit status is in the message",
  },
  CONTROL_LOST: {
    meaning: "a process no longer answers on its control channel though it lives",
    todo: "read its log",
  },
  NO_CONVERGENCE: {
    meaning: "the pair was not redundant in time after its start",
    todo: "read the hosts' logs; the last alert says what they wait for",
  },
  WORKLOAD_FAILED: {
    meaning: "the clients' process ended, or got no answer from the VM",
    todo: "read `workload.stderr`",
  },
  RUN_FOLDER: {
    meaning: "the run folder cannot be made or written",
    todo: "name another one with `--out`",
  },
  BAD_SCENARIO: {
    meaning:
      "a scenario or plan file has mistakes, or names what does not exist (before a run: exit status 4)",
    todo: "compare it with [scenarios.md](scenarios.md)",
  },
  BAD_RECORD: {
    meaning:
      "a history, or a file of a run folder, does not have the form of [record.md](record.md); `check` and `trace` end with exit status 3",
    todo: "the message names file and line",
  },
  BAD_DISK: {
    meaning:
      "a disk file is missing, or cannot be read as [disk-format.md](disk-format.md) says: `audit` says `unknown`; the two do not belong together: it says `broken`",
    todo: "name the disks of two hosts of one cluster",
  },
  NO_CLUSTER: {
    meaning: "no cluster runs here, none of that name, or several and none was named",
    todo: "`faultline up` in another terminal, or `--cluster <name>`",
  },
  CLUSTER_EXISTS: {
    meaning: "a running cluster has that name already",
    todo: "`--name`, or `faultline down`",
  },
  CLUSTER_LOST: {
    meaning: "the process that keeps the cluster does not answer",
    todo: "look at the terminal in which `faultline up` runs",
  },
  NOT_BUILT: {
    meaning: "a built file is missing",
    todo: "`npm run build`",
  },
  LEFTOVERS: {
    meaning: "something of a run could not be ended",
    todo: "end it by hand: the message names it",
  },
} as const satisfies Record<string, { readonly meaning: string; readonly todo: string }>;

export type HarnessErrorCode = keyof typeof HARNESS_ERRORS;

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
