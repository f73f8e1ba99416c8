/**
 * Goal: `check` and `audit` give recorded evidence the verdict that it deserves, say so to scripts and people, and change nothing.
 * Method: the built command as a process of its own; the examples of docs/record.md, a simulated run, disks built byte by byte.
 */
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import t from "tap";
import { openDiskFile } from "../../harness/check/disk-image.ts";
import { auditCommand } from "../../harness/cli/audit-command.ts";
import { checkerRows } from "../bench/checker.ts";
import { buildDisk, dataOffset, PAGE_OFFSETS } from "../check/disk-builder.ts";
import { storedPath } from "../check/stored.ts";

const BIN = join(process.cwd(), "harness/cli/bin.js");
const cwd = realpathSync(mkdtempSync(join(tmpdir(), "faultline-evidence-")));
t.teardown(() => rmSync(cwd, { recursive: true, force: true }));

async function faultline(
  ...args: readonly string[]
): Promise<{ status: number | undefined; out: string; err: string }> {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  const options = { cwd, env, extendEnv: false, reject: false, stdin: "ignore" } as const;
  const limits = { timeout: 60_000, stripFinalNewline: false } as const;
  const run = await execa(process.execPath, [BIN, ...args], { ...options, ...limits });
  return { status: run.exitCode, out: run.stdout, err: run.stderr };
}

const parsed = (text: string): Record<string, unknown> => {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error("expected an object");
  return { ...value };
};

/** Fenced histories of the section on other programs, in their order. */
function documentedHistories(): readonly string[] {
  const docs = readFileSync("docs/record.md", "utf8");
  const section = /### Histories of another program\n([\s\S]*?)\n### /.exec(docs)?.[1] ?? "";
  return [...section.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
}

await t.test(
  "the documented histories are whole and get the verdict they are said to get",
  async (t) => {
    const [register = "", list = ""] = documentedHistories();
    const table: readonly (readonly [string, string, number, RegExp])[] = [
      ["register", register, 0, /every key has a valid order/],
      ["late effect", register.replace(/"value":"2"\}\n$/, '"value":"4"}\n'), 0, /valid order/],
      ["stale read", register.replace(/"value":"2"\}\n$/, '"value":"1"}\n'), 1, /overwritten/],
      ["list", list, 1, /it lacks what was appended before/],
      ["whole list", list.replace(/\["a"\]\}\n$/, '["a","b"]}\n'), 0, /valid order/],
    ];
    for (const [name, text, expected, why] of table) {
      writeFileSync(join(cwd, "mine.ndjson"), text);
      const { status, out, err } = await faultline("check", "mine.ndjson", "--json");
      t.equal(status, expected, `${name}: ${out}`);
      t.equal(err, "", name);
      t.match(parsed(out), { schema: 1, checks: [{ name: "linearizability", why }] }, name);
      t.match(parsed(out), { notJudged: ["durability"] }, name);
    }
    t.equal(table.filter(([, text]) => text.length < 500).length, 0, "each was found");
    t.end();
  },
);

await t.test("a history is judged in plain text of 80 columns, its verdict first", async (t) => {
  const { status, out } = await faultline(
    "check",
    storedPath("linearizability/bad-stale-read.ndjson"),
  );
  t.equal(status, 1);
  t.match(out, /^FAIL {2}/);
  t.match(out, /\n {2}operations {4}3 ok, 0 fail, 0 info \(n = 3\)\n/);
  t.ok(
    out
      .split("\n")
      .slice(1)
      .every((line) => line.length <= 80),
    "80 columns",
  );
  const kept = await faultline("check", storedPath("durability/good-all-kept.ndjson"));
  t.match(kept, { status: 0, out: /pass +durability: / });
  const lost = await faultline("check", storedPath("durability/bad-element-missing.ndjson"));
  t.match(lost, { status: 1, out: /fail +durability: / });
  t.end();
});

await t.test("a long history is judged, in little memory", async (t) => {
  const rows = await checkerRows({ share: 0.1, seeds: [1] });
  t.equal(rows.length, 2);
  for (const { what, found, missed } of rows) {
    t.match(found, /[1-9]\d* pass, 0 unknown/, `${what}: ${found}`);
    // How long it takes is the bench's business: here the machine may be busy with anything.
    const rest = missed.filter((why) => !why.startsWith("max by") && !why.startsWith("p50 by"));
    t.same(rest, [], `${what}: ${found}`);
  }
  t.end();
});

await t.test(
  "what cannot be decided is unknown and named, what is no history is refused",
  async (t) => {
    const slow = storedPath("linearizability/bad-only-the-search-sees.ndjson");
    const { status, out } = await faultline("check", slow, "--budget-ms", "0");
    t.equal(status, 2);
    t.match(out.replace(/\s+/g, " "), /key "x": the budget of 0 ms for all keys was spent/);
    writeFileSync(join(cwd, "empty.ndjson"), "");
    writeFileSync(
      join(cwd, "bad.ndjson"),
      '{"type":"header","schema":1,"scenario":"s","seed":0}\n{}\n',
    );
    const table: readonly (readonly [string, readonly string[], number, RegExp])[] = [
      ["an empty file", ["check", "empty.ndjson"], 3, /\[BAD_RECORD\]: .*empty\.ndjson:1: /],
      ["a bad line", ["check", "bad.ndjson"], 3, /\[BAD_RECORD\]: .*bad\.ndjson:2: .*\nhint: /],
      ["no file", ["check", "none.ndjson"], 4, /\[USAGE\]: there is no none\.ndjson\nhint: /],
      ["a folder of nothing", ["check", "."], 4, /\[USAGE\]: .*without plan\.json\nhint: /],
      ["no argument", ["check"], 4, /missing required argument/],
      ["a third disk", ["audit", "a", "b", "c"], 4, /too many arguments/],
    ];
    for (const [what, args, expected, why] of table) {
      const refused = await faultline(...args);
      t.equal(refused.status, expected, what);
      t.match(refused.err, why, what);
      t.equal(refused.out, "", what);
    }
    t.end();
  },
);

await t.test("a run is judged again from its record alone", async (t) => {
  const args = ["level2/kill-active", "--bed", "sim", "--seed", "3", "--workload", "short"];
  await faultline("run", ...args);
  const folder = realpathSync(join(cwd, ".faultline/runs/latest"));
  const moved = join(cwd, "moved");
  cpSync(folder, moved, { recursive: true });
  rmSync(folder, { recursive: true });
  const { status, out } = await faultline("check", "moved");
  t.equal(status, 0, out);
  t.match(out, /^PASS {2}level2\/kill-active {2}seed 3[\s\S]*judged again {2}the same verdict/);
  t.ok(
    out.split("\n").every((line) => line.length <= 80),
    "80 columns",
  );
  const again = parsed((await faultline("check", "moved", "--json")).out);
  const stored = parsed(readFileSync(join(moved, "verdict.json"), "utf8"));
  const { stored: comparison, truncated: _cut, ...judged } = again;
  t.same(judged, stored);
  t.same(comparison, { isSame: true, differences: [] });

  const verdict = { ...stored, verdict: "fail", availability: 0 };
  writeFileSync(join(moved, "verdict.json"), JSON.stringify(verdict));
  const other = await faultline("check", "moved");
  t.equal(other.status, 0, "the record decides, not what was stored");
  t.match(other.out, /not the same as the stored verdict, in 2 places/);
  t.match(other.out, /verdict: stored "fail", judged "pass"/);

  const history = readFileSync(join(moved, "history.ndjson"), "utf8");
  const forged = history.replace(/("type":"ok"[^\n]*"value":)"0{6}/, '$1"9');
  writeFileSync(join(moved, "history.ndjson"), forged);
  t.not(forged, history);
  t.match(await faultline("check", "moved"), { status: 1, out: /^FAIL/ });
  rmSync(join(moved, "verdict.json"));
  t.match((await faultline("check", "moved")).out, /left no verdict to compare with/);

  const events = readFileSync(join(moved, "events.ndjson"), "utf8");
  writeFileSync(join(moved, "events.ndjson"), events.replace(/^.*"what":"audit".*\n/gm, ""));
  t.match(await faultline("check", "moved"), { status: 2, out: /run: the run was interrupted/ });
  t.end();
});

const disk = (name: string, bytes: Buffer): string => {
  writeFileSync(join(cwd, name), bytes);
  return name;
};

await t.test(
  "an audit tells for each volume what differs, who admits it, and both pages",
  async (t) => {
    const left = disk("left", buildDisk({ host: "a", written: { 0: 1, 7: 2, 70: 4 } }));
    const ahead = { right: "sole", copy: "ahead", gen: { n: 6, id: "9a", kind: "alone" } } as const;
    const written = { 0: 1, 7: 9, 70: 4, 130: 5 };
    const right = disk(
      "right",
      buildDisk({ host: "b", ...ahead, written, dirty: [7], intents: [2] }),
    );
    const { status, out } = await faultline("audit", left, right);
    t.equal(status, 0, out);
    t.match(out, /^PASS {2}left {2}right\n/);
    t.match(out, /right sole, copy ahead, alone generation 6 \(9a\), hold none/);
    t.match(out, /vm1 vol 0 +256 blocks, 4 written on either side and compared/);
    t.match(out, /known +2: 1 in a dirty map, 1 in the intent logs/);
    t.match(out, /differing +2, one way/);
    t.ok(
      out.split("\n").every((line) => line.length <= 80),
      "80 columns",
    );
    const document = parsed((await faultline("audit", left, right, "--json")).out);
    t.match(document, {
      schema: 1,
      verdict: "pass",
      divergence: { knownBlocks: 2, silentBlocks: 0, way: "one" },
      disks: [{ side: "left", host: "a" }, { vms: [{ page: { gen: { n: 6 }, hold: null } }] }],
      volumes: [{ compared: 4, known: { dirty: 1, intents: 1, void: 0 }, silent: 0, bad: [] }],
    });
    t.end();
  },
);

await t.test("a pair in split brain fails, with the blocks of each side", async (t) => {
  const alone = {
    right: "sole",
    copy: "ahead",
    hold: { kind: "split-brain", wallMs: null },
  } as const;
  const a = { host: "a", ...alone, written: { 1: 1, 2: 1 }, dirty: [1, 2] };
  const b = { host: "b", ...alone, written: { 2: 2, 3: 2, 4: 2 }, dirty: [2, 3, 4] };
  const { status, out } = await faultline(
    "audit",
    disk("a", buildDisk(a)),
    disk("b", buildDisk(b)),
  );
  t.equal(status, 1);
  t.match(out, /hold split-brain/);
  t.match(out, /differing +4, two ways/);
  t.match(
    out.replace(/\s+/g, " "),
    /split brain 2 blocks were changed on the left, 3 on the right, 1 of them on both/,
  );
  t.end();
});

await t.test("disks in any state are read, told apart and left as they are", async (t) => {
  const written = { 0: 1, 70: 2 };
  const whole = (host: string): Buffer => buildDisk({ host, written });
  const damagedAt = (offset: number, length: number): Buffer => {
    const bytes = whole("b");
    bytes.fill(0xff, offset, offset + length);
    return bytes;
  };
  const quarantined = whole("b");
  for (const offset of PAGE_OFFSETS) quarantined.fill(0, offset, offset + 8);
  const table: readonly (readonly [string, Buffer | null, number, RegExp])[] = [
    ["equal", whole("b"), 0, /differing +0\n/],
    ["blank", Buffer.alloc(8_192), 0, /blank: blank, never formatted, 8192 bytes/],
    ["empty", Buffer.alloc(0), 0, /beside a copy that holds nothing/],
    ["torn-page", damagedAt(PAGE_OFFSETS[1] + 40, 20), 0, /right none, copy blank/],
    ["both-pages-bad", quarantined, 0, /both metadata pages are bad/],
    ["truncated", whole("b").subarray(0, dataOffset(70) + 9), 1, /silent +1: block 70/],
    ["rotten", damagedAt(dataOffset(70), 1), 1, /bad +1: 0 torn/],
    ["larger", Buffer.concat([whole("b"), Buffer.alloc(9_999)]), 0, /differing +0\n/],
    ["damaged", damagedAt(40, 1), 2, /BAD_DISK +the superblock's magic/],
    ["foreign", buildDisk({ host: "b", cluster: "c-2" }), 3, /BAD_DISK +the disks belong to/],
    ["other-size", buildDisk({ host: "b", blocks: 128 }), 3, /BAD_DISK +the disks hold different/],
    ["missing", null, 2, /BAD_DISK +there is no such file[\s\S]*hint/],
  ];
  const left = disk("whole", whole("a"));
  chmodSync(join(cwd, left), 0o444);
  for (const [name, bytes, expected, said] of table) {
    if (bytes !== null) disk(name, bytes);
    const before = [left, name].map(stateOf);
    const { status, out } = auditHere([left, name], false);
    t.equal(status, expected, `${name}: ${out}`);
    t.match(out, said, name);
    t.match(out, /right open, copy in-sync/, `${name}: the whole disk is told`);
    t.same([left, name].map(stateOf), before, `${name}: bytes and times are as before`);
    const { verdict } = parsed(auditHere([name, left], true).out);
    t.equal(verdict, ["pass", "fail", "unknown", "broken"][expected], `${name}, turned round`);
  }
  t.match(await faultline("audit", "none", "missing"), { status: 4, err: /neither none nor/ });
  t.match(await faultline("audit", left, `./${left}`), { status: 4, err: /are one file/ });
  t.end();
});

/** In this process: a start of the command costs more than all audits of this table. */
function auditHere(
  paths: readonly [string, string],
  json: boolean,
): { readonly status: number; readonly out: string } {
  const screen = { width: 80, colour: false, isTty: false };
  const written: string[] = [];
  const status = auditCommand(
    paths,
    { json },
    {
      env: {},
      cwd,
      packageRoot: process.cwd(),
      out: (text) => written.push(text),
      err: (text) => written.push(text),
      outScreen: screen,
      errScreen: screen,
      signal: new AbortController().signal,
    },
  );
  return { status, out: written.join("") };
}

function stateOf(name: string): unknown {
  const path = join(cwd, name);
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (stat === undefined) return null;
  return [stat.mtimeNs, stat.ctimeNs, stat.size, readFileSync(path).toString("base64")];
}

await t.test("a disk is opened for reading alone", { skip: process.platform !== "linux" }, (t) => {
  const path = join(cwd, disk("opened", buildDisk({ host: "a" })));
  const file = openDiskFile(path);
  t.teardown(() => file.close());
  const open = readdirSync("/proc/self/fd").filter((fd) => linkOf(fd) === path);
  t.equal(open.length, 1);
  const info = readFileSync(`/proc/self/fdinfo/${open[0]}`, "utf8");
  const flags = Number.parseInt(/flags:\s+([0-7]+)/.exec(info)?.[1] ?? "7", 8);
  t.equal(flags & 3, 0, "O_RDONLY");
  t.end();
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The one that listed the folder is closed by now.
    return "";
  }
}
