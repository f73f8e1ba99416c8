/**
 * The workload's process. It is one of its own, because starting processes blocks the parent for tens of milliseconds, which would look
 * like an interruption of the guest.
 *
 * stdin takes the bed's commands, a line each: `phase calm`, `phase fault`, `finish <deadline>` (run clock, microseconds); its end means
 * that the bed is gone. stdout says, a JSON document in each line: `{"ready":true}` when the guest has answered at every site, `{"inFlightWrites":n}`,
 * `{"done":true,"operations":{"ok":n,"fail":n,"info":n}}` when the history is complete.
 *
 * Exit statuses: 0 done, asked to stop, or the bed is gone; 3 a bug; 4 bad usage.
 */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { RECORD_SCHEMA } from "../record/types.ts";
import { openHistory } from "../record/writer.ts";
import { createRecorder, type Recorder } from "./recorder.ts";
import { type RunningWorkload, startWorkload, untilAnswered } from "./workload.ts";
import { readWorkloadFile, type WorkloadFile } from "./workload-file.ts";

const BUG = 3;
const BAD_USAGE = 4;
const TELL_EVERY_MS = 50;

function refuse(why: string): never {
  process.stderr.write(`workload: ${why}\n`);
  process.exit(BAD_USAGE);
}

function fileFromArguments(): WorkloadFile {
  let path: string | undefined;
  try {
    path = parseArgs({ options: { file: { type: "string" } } }).values.file;
  } catch (error: unknown) {
    refuse(String(error));
  }
  if (path === undefined) refuse("--file <path> is missing");
  const file = readWorkloadFile(path);
  return file.ok ? file.value : refuse(file.why);
}

function tell(document: unknown, then: () => void = () => undefined): void {
  process.stdout.write(`${JSON.stringify(document)}\n`, then);
}

function tellInFlightWrites(recorder: Recorder): NodeJS.Timeout {
  let told = -1;
  return setInterval(() => {
    const inFlightWrites = recorder.inFlightWrites();
    if (inFlightWrites === told) return;
    told = inFlightWrites;
    tell({ inFlightWrites });
  }, TELL_EVERY_MS);
}

function crash(error: unknown): never {
  process.stderr.write(`workload: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(BUG);
}

async function main(): Promise<void> {
  const file = fileFromArguments();
  const now = (): number => Number(process.hrtime.bigint() / 1_000n) - file.runStartUs;
  const history = openHistory(file.historyFile);
  history.write({
    type: "header",
    schema: RECORD_SCHEMA,
    scenario: file.scenario,
    seed: file.seed,
  });
  const leave = (): void => {
    history.close();
    process.exit(0);
  };
  process.on("SIGTERM", leave);
  process.on("SIGINT", leave);
  process.stdout.on("error", leave);
  const recorder = createRecorder((line) => history.write(line), now);
  let workload: RunningWorkload | null = null;
  let isFinishing = false;

  async function finish(running: RunningWorkload, deadline: number): Promise<void> {
    await running.finish(deadline);
    clearInterval(telling);
    history.close();
    tell({ done: true, operations: recorder.counts() }, () => process.exit(0));
  }

  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const [word = "", argument = ""] = line.trim().split(/\s+/);
      const deadline = Number(argument);
      const isPhase = word === "phase" && (argument === "calm" || argument === "fault");
      const isFinish = word === "finish" && argument !== "" && Number.isSafeInteger(deadline);
      if (!isPhase && !isFinish) refuse(`no such command: ${JSON.stringify(line)}`);
      if (workload === null) refuse(`${JSON.stringify(line)} came before the guest answered`);
      if (isFinishing) refuse(`${JSON.stringify(line)} came after \`finish\``);
      if (isPhase) {
        workload.phase(argument);
        return;
      }
      isFinishing = true;
      finish(workload, deadline).catch(crash);
    })
    .on("close", leave);

  const { spec, targets } = file;
  await Promise.all(targets.map(({ target }) => untilAnswered(target)));
  workload = startWorkload({ spec, targets, recorder, now });
  tell({ ready: true });
  const telling = tellInFlightWrites(recorder);
}

process.on("uncaughtException", crash);
process.on("unhandledRejection", crash);
main().catch(crash);
