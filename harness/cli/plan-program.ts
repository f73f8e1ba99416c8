/** The commands that take the plan of a recorded run, and their options. */
import type { Command } from "@commander-js/extra-typings";
import type { Shell } from "./shell.ts";
import { parseLines, parseSeconds, parseTimes } from "./values.ts";

type End = (status: number) => void;

const REPLAY_HELP = `
Bed sim: the plan is run again with a record of its own, and events.ndjson and
history.ndjson are compared with the stored ones: identical, or the first line
that differs. Where the stored commit is another one a difference is no finding.
With --until the run stops after the step in which that event came, and how the
hosts stand there is printed; nothing is recorded.
Bed local: the plan is run --times times, and k of n runs come to the stored
verdict with the same failing checks.

Examples:
  faultline replay .faultline/runs/latest
  faultline replay .faultline/runs/latest --until 120 --lines 30
  faultline replay .faultline/runs/latest --until 1500ms
  faultline replay ./runs/20261125T080301_743Z-level2-kill-active-7 --times 20

Exit status:
  0 the same: identical (sim), every run came to the stored verdict (local)
  1 not the same   2 not the same, but of another commit   3 broken
  4 wrong usage   130 interrupted
  A plan without a record beside it: as faultline run.`;

const SHRINK_HELP = `
Only for runs of bed sim that failed, of the program that failed. Steps are left
out, then simplified, then the cluster, the load and the time are made smaller,
as long as the same checks fail and the same rule is broken. Writes into
<run>/shrunk/: plan.json, the same as plan.yaml, and scenario.yaml for a
regression suite, which was run to see that it fails.

Examples:
  faultline shrink .faultline/runs/latest
  faultline shrink .faultline/runs/latest --seconds 300 --json

Exit status:
  0 done   3 the record is damaged   4 wrong usage, or it fails no more
  130 interrupted: what was reached is written`;

const OUT = [
  "--out <dir>",
  "folder for run folders, which go to <dir>/runs/",
  ".faultline",
] as const;
const JSON_ONLY = ["--json", "print one JSON document on stdout and nothing else", false] as const;

export function addPlanCommands(program: Command, shell: Shell, end: End): void {
  addReplay(program, shell, end);
  addShrink(program, shell, end);
}

function addReplay(program: Command, shell: Shell, end: End): void {
  program
    .command("replay")
    .description("Run the plan of a recorded run again, and compare.")
    .argument("<run>", "a run's folder, or a plan file")
    .option("--until <event>", "stop there: number of an event, or an instant (sim)")
    .option("--lines <n>", "of --until, so many rows of the trace before it", parseLines, 20)
    .option("--times <n>", "so many runs (local; default: 5)", parseTimes)
    .option("--host-command <command>", "program in place of the built host (local)")
    .option(...OUT)
    .option(...JSON_ONLY)
    .addHelpText("after", REPLAY_HELP)
    .action(async (run, options) => {
      const { replayCommand } = await import("./replay-command.ts");
      end(await replayCommand(run, options, shell));
    });
}

function addShrink(program: Command, shell: Shell, end: End): void {
  program
    .command("shrink")
    .description("Reduce the plan of a failed run to a few steps that still fail.")
    .argument("<run>", "folder of a simulated run that failed")
    .option("--seconds <n>", "begin no run after so long", parseSeconds, 60)
    .option(...JSON_ONLY)
    .addHelpText("after", SHRINK_HELP)
    .action(async (run, options) => {
      const { shrinkCommand } = await import("./shrink-command.ts");
      end(await shrinkCommand(run, options, shell));
    });
}
