/**
 * Goal: what the pages on each use tell a reader to type works as they say.
 * Method: the commands are taken from the pages and run in their order, in an empty folder that holds the files which the pages show.
 */
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import t, { type Test } from "tap";
import { clusterFolder, findCluster } from "../../harness/cluster/cluster-file.ts";
import { eventually, openClient } from "../local/echo.ts";

const BIN = join(process.cwd(), "harness/cli/bin.js");
const cwd = realpathSync(mkdtempSync(join(tmpdir(), "faultline-documented-")));
t.teardown(() => rmSync(cwd, { recursive: true, force: true }));
t.setTimeout(600_000);

/** Each line of the fenced blocks of this language, or of none, that calls the program, its comment cut off. */
function commandsIn(page: string, of = ""): readonly string[] {
  const text = readFileSync(`docs/${page}`, "utf8");
  const fenced = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  const blocks = fenced.flatMap(([, language, block = ""]) => (language === of ? [block] : []));
  const lines = blocks.flatMap((block) => block.split("\n"));
  return lines
    .map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter((line) => line.startsWith("npx faultline"));
}

function shell(command: string) {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  const own = command.replace(/^npx faultline/, `'${process.execPath}' '${BIN}'`);
  const options = { cwd, env, extendEnv: false, reject: false, stdin: "ignore" } as const;
  return execa("sh", ["-c", `exec ${own}`], { ...options, timeout: 240_000 });
}

async function works(t: Test, command: string): Promise<void> {
  const { exitCode, stdout, stderr } = await shell(command);
  t.equal(exitCode, 0, `${command}: ${stdout.slice(0, 500)} ${stderr.slice(-500)}`);
}

await t.test("in CI", async (t) => {
  const commands = commandsIn("use-in-ci.md");
  t.ok(commands.length >= 3, commands.join("; "));
  for (const command of commands) await works(t, command);
});

await t.test("how far apart", async (t) => {
  const page = readFileSync("docs/use-distance.md", "utf8");
  const yaml = /^```yaml\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "";
  writeFileSync(join(cwd, "distance.yaml"), yaml);
  const commands = commandsIn("use-distance.md");
  t.equal(commands.length, 2);
  for (const command of commands) await works(t, command);
});

/** As the page does it with redis-cli. */
async function write(t: Test): Promise<void> {
  const [at] = findCluster(clusterFolder(join(cwd, ".faultline")), null).clients;
  const client = await openClient({ address: at?.address ?? "", port: at?.port ?? 0 });
  t.teardown(() => client.close());
  client.send("SET k v\r\n");
  t.ok(await eventually(() => client.received() === "+OK\r\n"));
}

await t.test("a cluster to break by hand", async (t) => {
  const [up = "", ...commands] = commandsIn("use-compose.md");
  t.equal(up, "npx faultline up");
  t.equal(commands.at(-1), "npx faultline down");
  const kept = shell(up);
  t.teardown(async () => {
    kept.kill("SIGINT");
    await kept;
  });
  t.ok(await eventually(() => existsSync(join(cwd, ".faultline/clusters/demo.json")), 20_000));
  await write(t);
  for (const command of commands) {
    // What goes on until Ctrl-C has a test of its own.
    if (/--watch|-f /.test(command)) continue;
    await works(t, command);
  }
  t.equal((await kept).exitCode, 0, "down has ended it");
});

await t.test("a split brain by hand", async (t) => {
  const [up = "", ...commands] = commandsIn("use-compose.md", "sh");
  t.match(up, /--peer-loss continue/);
  t.equal(commands.length, 5);
  const kept = shell(up);
  t.teardown(async () => {
    kept.kill("SIGINT");
    await kept;
  });
  t.ok(await eventually(() => existsSync(join(cwd, ".faultline/clusters/demo.json")), 20_000));
  await write(t);
  const status = async (): Promise<string> => (await shell("npx faultline status")).stdout;
  const says = async (word: RegExp): Promise<boolean> => {
    const deadline = performance.now() + 20_000;
    while (!word.test(await status())) if (performance.now() > deadline) return false;
    return true;
  };
  for (const command of commands) {
    if (command.includes("status")) t.ok(await says(/split-brain/), "both sides say so");
    if (command.includes("audit")) t.ok(await says(/duplex[\s\S]*duplex/), "whole again");
    await works(t, command);
  }
  t.equal((await kept).exitCode, 0, "down has ended it");
});
