/**
 * Goal: the first screen says verdict, broken rule, figures and how to repeat, fits the screen, and claims nothing unproven.
 * Method: documents with recognisable numbers rendered for a plain and a coloured screen of 80 columns.
 */
import t from "tap";
import type { VerdictDocument } from "../../harness/record/types.ts";
import { type BatchResult, renderBatch, summarizeBatch } from "../../reports/batch.ts";
import { renderVerdict } from "../../reports/line.ts";
import { type Screen, wrap } from "../../reports/screen.ts";

const PLAIN: Screen = { width: 80, colour: false, isTty: false };
const COLOURED: Screen = { width: 80, colour: true, isTty: true };
const ESCAPE = "\u001b[";
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g");

const PASS: VerdictDocument = {
  schema: 1,
  verdict: "pass",
  scenario: "level2/kill-active",
  seed: 7,
  bed: "local",
  level: 2,
  proxy: "toxiproxy 2.12.0",
  commit: "1f0c0000000000000000000000000000000000aa",
  checks: [
    {
      name: "durability",
      verdict: "pass",
      why: "5120 of 6400 acknowledged writes read back: none missing or changed",
    },
    {
      name: "divergence",
      verdict: "pass",
      why: "40 written blocks compared: 31 known to differ, 0 silent",
    },
  ],
  recovery: [
    {
      fault: "kill-host",
      target: "a",
      interruptionMs: 249.5,
      measuredMs: 249.5,
      resolutionMs: 3.2,
      stages: { detectMs: 100, arbitrateMs: 10, startMs: 120, serveMs: null },
      redundantMs: null,
      otherGaps: [],
    },
  ],
  operations: { ok: 9_000, fail: 12, info: 40 },
  lost: { acknowledged: 0, oldestMs: null },
  divergence: { knownBlocks: 31, silentBlocks: 0, way: "one" },
  availability: 0.9821,
  replay: "npx faultline run level2/kill-active --seed 7 --bed local --plan runs/x/plan.json",
  broken: null,
};

await t.test("a pass shows every figure with its unit and n", (t) => {
  const text = renderVerdict(PASS, PLAIN);
  const flat = text.replace(/\s+/g, " ");
  for (const part of [
    "PASS level2/kill-active seed 7, bed local, level 2",
    "249.5 ms ± 3.2 ms, kill-host of a (n = 1)",
    "detect 100.0 ms + arbitrate 10.0 ms + guest boot (this guest) 120.0 ms + serve unknown",
    "lost 0 acknowledged writes; 5120 of 6400 acknowledged writes read back",
    "31 blocks known, 0 silent, one way; 40 written blocks compared",
    "98.21 % of the probe's writes",
    "9000 ok, 12 fail, 40 info (n = 9052)",
    "2 of 2 pass: durability, divergence",
    "toxiproxy 2.12.0",
    PASS.commit,
    PASS.replay,
  ]) {
    t.ok(flat.includes(part), part);
  }
  t.end();
});

await t.test("no line is wider than the screen, coloured or not, but for one long word", (t) => {
  for (const screen of [PLAIN, COLOURED]) {
    for (const line of renderVerdict(PASS, screen).replace(COLOURS, "").split("\n")) {
      const isOneWord = line.trim().split(" ").length === 1;
      t.ok(line.length <= 80 || isOneWord, `${line.length}: ${line}`);
    }
  }
  t.end();
});

await t.test("colours appear on a coloured screen only and change no text", (t) => {
  const [plain, coloured] = [renderVerdict(PASS, PLAIN), renderVerdict(PASS, COLOURED)];
  t.notOk(plain.includes(ESCAPE), "plain");
  t.ok(coloured.includes(`${ESCAPE}32m`), "green");
  t.equal(coloured.replace(COLOURS, ""), plain);
  t.end();
});

await t.test("a fail names the broken rule before any figure", (t) => {
  const why = "5120 of 6400 acknowledged writes read back: 3 lost";
  const checks = [{ name: "durability", verdict: "fail", why } as const];
  const lost = { acknowledged: 3, oldestMs: 12.5 };
  const text = renderVerdict({ ...PASS, verdict: "fail", checks, lost }, PLAIN);
  t.match(text, /^FAIL /);
  t.ok(text.indexOf("durability: 5120") < text.indexOf("interruption"), "the rule comes first");
  t.match(text, /3 acknowledged writes, the oldest 12\.5 ms before the fault/);
  t.end();
});

await t.test("what was not judged is unknown, not nothing", (t) => {
  const nothing = { checks: [], recovery: [], availability: null } as const;
  const text = renderVerdict({ ...PASS, ...nothing, verdict: "unknown" }, PLAIN);
  t.match(text, /lost +unknown: not checked/);
  t.match(text, /divergence +unknown: not checked/);
  t.match(text, /availability +unknown/);
  t.end();
});

await t.test(
  "an interruption that was seen too coarsely is unknown, with what was measured",
  (t) => {
    const [entry] = PASS.recovery;
    if (entry === undefined) throw new Error("the document has a recovery");
    const recovery = [{ ...entry, interruptionMs: null, resolutionMs: 40 }];
    const text = renderVerdict({ ...PASS, recovery }, PLAIN);
    t.match(text.replace(/\s+/g, " "), /unknown: measured 249\.5 ms ± 40\.0 ms/);
    t.end();
  },
);

await t.test("a broken run says code, message and hint", (t) => {
  const broken = { code: "PORT_TAKEN", message: "port 7001 is taken", hint: "End it." };
  const text = renderVerdict({ ...PASS, verdict: "broken", broken }, PLAIN);
  t.match(text, /^BROKEN /);
  t.match(text, /PORT_TAKEN +port 7001 is taken/);
  t.match(text, /hint +End it\./);
  t.end();
});

await t.test("the worst run decides a batch, and spans are nearest-rank percentiles", (t) => {
  const [entry] = PASS.recovery;
  if (entry === undefined) throw new Error("the document has a recovery");
  const results: readonly BatchResult[] = Array.from({ length: 20 }, (_, index) => {
    const recovery = [{ ...entry, interruptionMs: index + 1, measuredMs: index + 1 }];
    return { verdict: { ...PASS, seed: index + 1, recovery }, record: `runs/${index + 1}` };
  });
  const good = summarizeBatch(results);
  t.match(good, { verdict: "pass", n: 20, counts: { pass: 20 } });
  t.match(good.interruptionMs, { n: 20, p50: 10, p95: 19, max: 20 });
  t.equal(good.stages.serveMs.n, 0, "an unseen stage counts for nothing");
  const bad = { ...PASS, seed: 21, verdict: "unknown" } as const;
  const mixed = summarizeBatch([...results, { verdict: bad, record: "runs/21" }]);
  t.equal(mixed.verdict, "unknown");
  t.equal(summarizeBatch([]).verdict, "unknown", "nothing that ran shows nothing");
  const text = renderBatch(mixed, PLAIN);
  t.match(text, /n = 21: 0 fail, 0 broken, 1 unknown, 20 pass/);
  t.match(text, /seed 21 unknown/);
  t.match(text, /serve +0 +unknown/);
  t.end();
});

await t.test(
  "an interruption that is too coarse counts in percentiles as itself plus resolution",
  (t) => {
    const [entry] = PASS.recovery;
    if (entry === undefined) throw new Error("the document has a recovery");
    const recovery = [{ ...entry, interruptionMs: null, measuredMs: 200, resolutionMs: 40 }];
    const summary = summarizeBatch([{ verdict: { ...PASS, recovery }, record: "runs/1" }]);
    t.match(summary.interruptionMs, { n: 1, max: 240 });
    t.equal(summary.coarse, 1);
    t.end();
  },
);

await t.test("text is broken between words and never inside one", (t) => {
  t.same(wrap("aa bb cc", 5), ["aa bb", "cc"]);
  t.same(wrap("a-very-long-word b", 5), ["a-very-long-word", "b"]);
  t.same(wrap("one\ntwo", 80), ["one", "two"]);
  t.end();
});
