/** The commands and their options. What a command does is loaded when it is called: `--help` waits for no bed and no library. */
import { Argument, Command, CommanderError, Option } from "@commander-js/extra-typings";
import { PROFILES } from "../../chaos/swarm/profiles.ts";
import { TRACE_LEGEND } from "../../reports/trace/legend.ts";
import { addClusterCommands } from "./cluster-program.ts";
import { reportFailure, UsageError } from "./failure.ts";
import { addPlanCommands } from "./plan-program.ts";
import { type Shell, STATUS } from "./shell.ts";
import { parseJobs, parseLines, parseMinutes, parseSeed, parseSeeds, parseSpan } from "./values.ts";

const EXIT_HELP = `
Exit status:
  0 pass   1 fail   2 unknown   3 broken (the rig failed, not the system)
  4 wrong usage   130 interrupted`;

const RUN_HELP = `
A run leaves a folder with its plan, history, events, verdict and logs
(docs/record.md); its path is the last line printed.

Examples:
  faultline run level2/kill-active
  faultline run level2/kill-active --bed sim --seeds 1..200
  faultline run ./my-scenario.yaml --seed 7 --json
${EXIT_HELP}`;

const SIM_HELP = `
A seed is a plan: equal seeds of one commit are equal runs, to the byte. Only
seeds that do not pass leave a record; each is printed with the command that
repeats it. Profiles: docs/simulation.md.

Examples:
  faultline sim --seeds 1..500
  faultline sim --seeds 1..20000 --keep-going --minutes 60
  faultline sim --seeds 1..20000 --keep-going --resume
${EXIT_HELP}`;

const CHECK_HELP = `
A history is one JSON object a line: reads, writes, compare-and-set, lists; of
any program (docs/record.md). A run's folder is judged again from its record
alone, and compared with the verdict that it holds.

Examples:
  faultline check my-history.ndjson
  faultline check .faultline/runs/latest --json
${EXIT_HELP}`;

const AUDIT_HELP = `
Reads only. Blocks that differ are known (a side admits it: dirty map, intent
log, a copy that holds nothing) or silent (both claim agreement: a failure).
A missing or damaged disk is unknown, disks of two clusters are broken.

Example:
  faultline audit .faultline/runs/latest/disks/a.disk \\
                  .faultline/runs/latest/disks/b.disk
${EXIT_HELP}`;

const TRACE_HELP = `
${TRACE_LEGEND}

On a terminal a text that does not fit ends in …, elsewhere every text is whole.
Filters may be joined; an event about nobody in particular passes --host. Of
--around a number is that of a row (first column), 1500ms an instant, and a word
what the first such event says: fault, heal, violation, alert, split-brain.
The exit status says whether the record could be read, whatever its verdict.

Examples:
  faultline trace .faultline/runs/latest
  faultline trace .faultline/runs/latest --around violation --lines 20
  faultline trace .faultline/runs/latest --host b --history | less -S
  faultline trace .faultline/runs/latest --link 'a>b/alink0' --json

Exit status:
  0 done   3 the record is damaged   4 wrong usage`;

/** Runs one command line, without the program's own name. Returns the exit status. */
export async function runProgram(
  argv: readonly string[],
  version: string,
  shell: Shell,
): Promise<number> {
  let status: number = STATUS.done;
  const end = (result: number): void => {
    status = result;
  };
  const program = buildProgram(version, shell, end);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return status;
  } catch (error: unknown) {
    // Help and version end a command line too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? STATUS.done : STATUS.usage;
    return reportFailure(error, shell);
  }
}

function buildProgram(version: string, shell: Shell, end: (status: number) => void): Command {
  const program = new Command("faultline");
  program
    .description("Breaks a pair of fault-tolerant hosts and measures from outside what happened.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .addHelpText("after", EXIT_HELP)
    .showHelpAfterError("(faultline --help lists commands; faultline <command> --help its options)")
    .configureOutput({
      writeOut: shell.out,
      writeErr: shell.err,
      getOutHelpWidth: () => shell.outScreen.width,
      getErrHelpWidth: () => shell.errScreen.width,
    })
    .exitOverride();
  // Settings are handed down only to commands that are made by their parent.
  addRun(program, shell, end);
  addSim(program, shell, end);
  addList(program, shell, end);
  addDoctor(program, shell, end);
  addCheck(program, shell, end);
  addAudit(program, shell, end);
  addTrace(program, shell, end);
  addPlanCommands(program, shell, end);
  addClusterCommands(program, shell, end);
  addSuite(program, shell, end);
  addCompletion(program, shell);
  return program;
}

type End = (status: number) => void;

function addRun(program: Command, shell: Shell, end: End): void {
  program
    .command("run")
    .description("Run a scenario and print its verdict.")
    .argument("<scenario>", "name of a scenario (faultline list), or path of a YAML file")
    .option("--seed <n>", "draws the plan and the clients' choices (default: drawn)", parseSeed)
    .option("--seeds <first..last>", "run each of these seeds and print a summary", parseSeeds)
    .option("--jobs <n>", "of --seeds in sim, so many at a time (default: all cores)", parseJobs)
    .addOption(
      new Option("--bed <bed>", "where to run (default: the scenario's first)").choices([
        "sim",
        "local",
      ] as const),
    )
    .addOption(
      new Option("--workload <load>", "in place of the scenario's own").choices([
        "reference",
        "probe",
        "short",
      ] as const),
    )
    .option("--boot-ms <ms>", "models a guest that boots so much longer", parseSpan, 0)
    .option("--plan <file>", "take what was drawn from this plan.json of an earlier run")
    .option("--host-command <command>", "program in place of the built host (bed local)")
    .option("--keep", "after a failure leave the cluster up, and say how to look", false)
    .option("--out <dir>", "folder for run folders, which go to <dir>/runs/", ".faultline")
    .option("--json", "print one JSON document on stdout and nothing else", false)
    .addHelpText("after", RUN_HELP)
    .action(async (scenario, options) => {
      const { runCommand } = await import("./run-command.ts");
      end(await runCommand(scenario, options, shell));
    });
}

function addSim(program: Command, shell: Shell, end: End): void {
  program
    .command("sim")
    .description("Run seeds of random plans in simulated time until one fails.")
    .requiredOption("--seeds <first..last>", "each draws a plan of its own", parseSeeds)
    .addOption(
      new Option("--profile <profile>", "mixture of faults")
        .choices(PROFILES)
        .default("everything"),
    )
    .option("--jobs <n>", "so many at a time (default: all cores)", parseJobs)
    .option("--minutes <n>", "begin no seed after so long (default: no limit)", parseMinutes)
    .option("--keep-going", "go on after a seed that did not pass", false)
    .option("--resume", "go on where the same command of this commit was stopped", false)
    .option("--require-marks", "without every listed rare branch the verdict is unknown", false)
    .option("--out <dir>", "folder for the records of seeds that do not pass", ".faultline")
    .option("--json", "print one JSON document on stdout and nothing else", false)
    .addHelpText("after", SIM_HELP)
    .action(async (options) => {
      const { simCommand } = await import("./sim-command.ts");
      end(await simCommand(options, shell));
    });
}

function addSuite(program: Command, shell: Shell, end: End): void {
  program
    .command("suite")
    .description("Run your own tap files and list the records that they leave.")
    .argument("[files...]", "tap files (default: what tap finds)")
    .option("--out <dir>", "folder for run folders, which go to <dir>/runs/", ".faultline")
    .addHelpText("after", "\nHow to write one: docs/writing-a-suite.md")
    .action(async (files, options) => {
      const { suiteCommand } = await import("./suite-command.ts");
      end(await suiteCommand(files, options, shell));
    });
}

function addCompletion(program: Command, shell: Shell): void {
  program
    .command("completion")
    .description("Print what makes a shell complete this program's commands.")
    .addArgument(new Argument("<shell>").choices(["bash", "zsh"] as const))
    .addHelpText("after", '\nExample, in ~/.bashrc:\n  eval "$(npx faultline completion bash)"')
    .action(async (name) => {
      const { completionFor } = await import("./completion.ts");
      const { scenarioNames } = await import("../../chaos/plan/catalogue.ts");
      const { describeFaults } = await import("../../chaos/faults/registry.ts");
      const faults = ["list", ...describeFaults().map(({ fault }) => fault)];
      const words = { run: scenarioNames(), fault: faults, completion: ["bash", "zsh"] };
      shell.out(completionFor(name, program, words));
    });
}

function addList(program: Command, shell: Shell, end: End): void {
  program
    .command("list")
    .description("List scenarios and faults.")
    .option("--json", "print one JSON document on stdout and nothing else", false)
    .action(async (options) => {
      const { listCommand } = await import("./list-command.ts");
      end(listCommand(options, shell));
    });
}

function addDoctor(program: Command, shell: Shell, end: End): void {
  program
    .command("doctor")
    .description("Look whether this machine can run everything, and say what to do if not.")
    .option("--out <dir>", "folder for run folders, which must be writable", ".faultline")
    .option("--json", "print one JSON document on stdout and nothing else", false)
    .action(async (options) => {
      const { doctorCommand } = await import("./doctor-command.ts");
      end(await doctorCommand(options, shell));
    });
}

function addCheck(program: Command, shell: Shell, end: End): void {
  program
    .command("check")
    .description("Judge a recorded history, or a run's folder again.")
    .argument("<path>", "history.ndjson of any program, or a run's folder")
    .option("--budget-ms <ms>", "for all keys of a history together", parseSpan, 30_000)
    .option("--json", "print one JSON document on stdout and nothing else", false)
    .addHelpText("after", CHECK_HELP)
    .action(async (path, options) => {
      const { checkCommand } = await import("./check-command.ts");
      end(checkCommand(path, options, shell));
    });
}

function addAudit(program: Command, shell: Shell, end: End): void {
  program
    .command("audit")
    .description("Compare the disks of two hosts block by block, whatever state they are in.")
    .argument("[disk]", "disk file of one host (default: those of the running cluster)")
    .argument("[disk]", "disk file of the other")
    .option("--cluster <name>", "which one (default: the only one that runs)")
    .option("--out <dir>", "folder of clusters and run folders", ".faultline")
    .option("--json", "print one JSON document on stdout and nothing else", false)
    .addHelpText("after", AUDIT_HELP)
    .action(async (left, right, options) => {
      if (left === undefined) {
        const { clusterAudit } = await import("./cluster-commands.ts");
        end(await clusterAudit(options, shell));
        return;
      }
      if (right === undefined) {
        throw new UsageError("one disk cannot be compared", "Name the disk of the other host too.");
      }
      const { auditCommand } = await import("./audit-command.ts");
      end(auditCommand([left, right], options, shell));
    });
}

function addTrace(program: Command, shell: Shell, end: End): void {
  program
    .command("trace")
    .description("Print what happened in a run, one line an event.")
    .argument("<run>", "a run's folder, also of a run that was cut off")
    .option("--host <name>", "only what concerns this host, quorum service or switch")
    .option("--link <id>", "only what concerns this link: a>b/alink0")
    .option("--vm <name>", "only what concerns this VM, and its states in the columns")
    .option("--block <volume/lba>", "only what names this block: 0/70")
    .option("--around <event>", "only the rows around one: a number, an instant, a word")
    .option("--lines <n>", "of --around, so many before and after", parseLines, 10)
    .option("--history", "also what clients saw: failed operations, interruptions", false)
    .option("--all", "also what is left out because there is so much of it", false)
    .option("--wide", "whole texts, however wide the terminal is", false)
    .option("--json", "print one JSON document on stdout and nothing else", false)
    .addHelpText("after", TRACE_HELP)
    .action(async (run, options) => {
      const { traceCommand } = await import("./trace-command.ts");
      end(traceCommand(run, options, shell));
    });
}
