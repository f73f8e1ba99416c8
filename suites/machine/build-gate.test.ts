/**
 * Goal: the committed guests are what their sources say, and no guest can be built that would differ between two hosts.
 * Method: run the build with `--check`; then check a folder of guests that each hold one offence.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";

function build(...flags: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [".config/build-guests.mjs", ...flags],
    { encoding: "utf8" },
  );
  return { status, output: stdout + stderr };
}

await t.test("the committed guests are what their sources give, byte for byte", async (t) => {
  const { status, output } = build("--check");
  t.equal(status, 0, output);
  t.match(output, /^ok +kv /m, "it looked at the key-value guest");
});

const OFFENCES = {
  clock: {
    says: /clock breaks the rule: imports only the guest ABI/,
    source: "export function boot(): i64 { return Date.now() as i64; }",
  },
  float: {
    says: /float breaks the rule: computes without floats/,
    source: "export function boot(at: usize): void { store<f64>(at, load<f64>(at) * 2); }",
  },
  global: {
    says: /global breaks the rule: keeps no state outside linear memory/,
    source: "let count: i32 = 0;\nexport function boot(): i32 { count += 1; return count; }",
  },
  grows: {
    says: /grows breaks the rule: never grows its memory/,
    source: "export function boot(): void { memory.grow(1); }",
  },
  stale: {
    says: /stale differs from what its sources give/,
    source: "export function boot(): void {}",
  },
  unbuilt: { says: /unbuilt is not built/, source: "export function boot(): void {}" },
  wrong: { says: /wrong does not compile/, source: "export function boot(): i32 { return none; }" },
};

await t.test("a guest that breaks a rule is named with the rule", async (t) => {
  const folder = t.testdir({ "stale.wasm": "other bytes" });
  for (const [name, { source }] of Object.entries(OFFENCES)) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "index.ts"), `${source}\n`);
  }
  const { status, output } = build("--check", folder);
  t.equal(status, 1);
  for (const { says } of Object.values(OFFENCES)) t.match(output, says);
});

await t.test("a folder without a guest has failed", async (t) => {
  t.equal(build("--check", t.testdir({})).status, 1);
});
