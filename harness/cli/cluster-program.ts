/** The commands around a cluster that is kept running, and their options. */
import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { Shell } from "./shell.ts";
import { parseDuration, parseSpan } from "./values.ts";

type End = (status: number) => void;

const FAULT_HELP = `
Targets: active, standby, random, a host, a quorum service, a link (a>b/alink0),
all links of a host, between-sites, all. Without --for a fault lasts until it
is healed.

Examples:
  faultline fault kill-host --on active
  faultline fault blackhole-link --on 'a>b/alink0' --for 3s
  faultline fault delay-link --on between-sites --latency 5 --jitter 1`;

export function addClusterCommands(program: Command, shell: Shell, end: End): void {
  addUp(program, shell, end);
  addStatus(program, shell, end);
  addFault(program, shell, end);
  addHeal(program, shell, end);
  addLogs(program, shell, end);
  addResolve(program, shell, end);
  addForceBoot(program, shell, end);
  addDown(program, shell, end);
}

const OUT = ["--out <dir>", "folder of clusters and run folders", ".faultline"] as const;
const CLUSTER = ["--cluster <name>", "which one (default: the only one that runs)"] as const;
const JSON_ONLY = ["--json", "print one JSON document on stdout and nothing else", false] as const;

function addUp(program: Command, shell: Shell, end: End): void {
  program
    .command("up")
    .description("Start a cluster and keep it until Ctrl-C: use it, break it, look at it.")
    .option("--name <name>", "by which other commands find it", "demo")
    .addOption(
      new Option("--level <n>", "protection").choices(["2"] as const).default("2" as const),
    )
    .addOption(
      new Option("--quorum <n>", "quorum services")
        .choices(["one", "two", "none"] as const)
        .default("one" as const),
    )
    .addOption(
      new Option("--sites <n>", "switches, one a site")
        .choices(["one", "two"] as const)
        .default("one" as const),
    )
    .addOption(
      new Option("--preferred <host>", "runs the VM first")
        .choices(["a", "b"] as const)
        .default("a" as const),
    )
    .addOption(
      new Option("--peer-loss <policy>", "with no quorum service: who goes on alone")
        .choices(["preferred", "continue"] as const)
        .default("preferred" as const),
    )
    .option(...OUT)
    .action(async (options) => {
      const { upCommand } = await import("./up-command.ts");
      end(await upCommand(options, shell));
    });
}

function addStatus(program: Command, shell: Shell, end: End): void {
  program
    .command("status")
    .description("Say how the running cluster is.")
    .option("--watch", "again and again, until Ctrl-C", false)
    .option(...CLUSTER)
    .option(...OUT)
    .option(...JSON_ONLY)
    .action(async (options) => {
      const { statusCommand } = await import("./cluster-commands.ts");
      end(await statusCommand(options, shell));
    });
}

function addFault(program: Command, shell: Shell, end: End): void {
  program
    .command("fault")
    .description("Break something of the running cluster; `fault list` says what there is.")
    .argument("<name>", "of a fault, or list")
    .option("--on <target>", "what to break")
    .option("--for <time>", "heal it after this (500ms, 3s)", parseDuration)
    .option("--way <way>", "of a link: both, out, in")
    .option("--channels <names>", "of a host's links only these: alink,mgmt,quorum,lan")
    .option("--latency <ms>", "of delay-link", parseSpan)
    .option("--jitter <ms>", "of delay-link", parseSpan)
    .option("--first <host>", "of cut-power: who returns first")
    .option("--second-after <ms>", "of cut-power: between the two returns", parseSpan)
    .option(...CLUSTER)
    .option(...OUT)
    .option(...JSON_ONLY)
    .addHelpText("after", FAULT_HELP)
    .action(async (name, options) => {
      const { faultCommand } = await import("./cluster-commands.ts");
      end(await faultCommand(name, options, shell));
    });
}

function addHeal(program: Command, shell: Shell, end: End): void {
  program
    .command("heal")
    .description("Heal a fault, or all that are active.")
    .argument("[id]", "number of the fault", parseId)
    .option(...CLUSTER)
    .option(...OUT)
    .option(...JSON_ONLY)
    .action(async (id, options) => {
      const { healCommand } = await import("./cluster-commands.ts");
      end(await healCommand(id ?? null, options, shell));
    });
}

function addLogs(program: Command, shell: Shell, end: End): void {
  program
    .command("logs")
    .description("Print the log of a process of the running cluster.")
    .argument("<process>", "a, b, q1, s1, toxiproxy")
    .option("-f, --follow", "its end, and what comes, until Ctrl-C", false)
    .option(...CLUSTER)
    .option(...OUT)
    .action(async (name, options) => {
      const { logsCommand } = await import("./cluster-commands.ts");
      end(await logsCommand(name, { ...options, json: false }, shell));
    });
}

function addResolve(program: Command, shell: Shell, end: End): void {
  program
    .command("resolve")
    .description("After a split brain: say whose copy stays; the other side's is saved first.")
    .requiredOption("--keep <host>", "whose copy stays")
    .option("--host <host>", "whom to tell (default: one that lives)")
    .option("--damaged", "also a copy that may be torn", false)
    .option(...CLUSTER)
    .option(...OUT)
    .option(...JSON_ONLY)
    .action(async ({ keep, damaged, ...options }) => {
      const { operatorCommand } = await import("./cluster-commands.ts");
      const fields = { operator: "resolve", keep, damaged };
      end(await operatorCommand(fields, options, shell));
    });
}

function addForceBoot(program: Command, shell: Shell, end: End): void {
  program
    .command("force-boot")
    .description("Boot a host's copy although nobody vouches for it: what the peer has is lost.")
    .argument("<host>")
    .option("--damaged", "also a copy that may be torn", false)
    .option(...CLUSTER)
    .option(...OUT)
    .option(...JSON_ONLY)
    .action(async (host, { damaged, ...options }) => {
      const { operatorCommand } = await import("./cluster-commands.ts");
      const fields = { operator: "force-boot", damaged };
      end(await operatorCommand(fields, { ...options, host }, shell));
    });
}

function addDown(program: Command, shell: Shell, end: End): void {
  program
    .command("down")
    .description("End the running cluster.")
    .option(...CLUSTER)
    .option(...OUT)
    .option(...JSON_ONLY)
    .action(async (options) => {
      const { downCommand } = await import("./cluster-commands.ts");
      end(await downCommand(options, shell));
    });
}

function parseId(text: string): number {
  const id = Number(text.replace(/^#/, ""));
  if (Number.isSafeInteger(id) && id > 0) return id;
  throw new InvalidArgumentError("Write the number that fault printed.");
}
