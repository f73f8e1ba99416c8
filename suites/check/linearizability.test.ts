/**
 * Goal: the linearizability checker never accepts what has no order, never rejects what has one, and is fast enough for a run's end.
 * Method: stored histories; brute force by the definition on random small ones; generated long ones of a correct store, timed.
 */
import t from "tap";
import { checkLinearizability } from "../../harness/check/linearizability.ts";
import { readHistory } from "../../harness/record/reader.ts";
import type { HistoryLine } from "../../harness/record/types.ts";
import { isLinearizable } from "./brute-force.ts";
import { generateHistory, type HistoryPlan } from "./generated-history.ts";
import { nearlyRightHistory, smallHistory } from "./small-history.ts";
import { storedIn, storedPath } from "./stored.ts";

await t.test("stored histories get the verdict in their name", (t) => {
  for (const { path, title, expected } of storedIn("linearizability")) {
    const { check } = checkLinearizability(readHistory(path).lines);
    t.equal(check.verdict, expected, `${title}: ${check.why}`);
  }
  t.end();
});

await t.test("a violation names the key and the read that shows it", (t) => {
  const whyOf = (name: string): string | undefined =>
    checkLinearizability(readHistory(storedPath(`linearizability/${name}.ndjson`)).lines)
      .violations[0]?.reason;
  t.match(whyOf("bad-stale-read"), /operation 3 .*returned "1", but .*overwritten .*operation 2/);
  t.match(whyOf("bad-phantom-read"), /returned "7", but nobody wrote it/);
  t.match(whyOf("bad-lost-append"), /returned \["b"\], but it lacks .*operation 1/);
  t.match(whyOf("bad-list-order"), /they differ at element 0/);
  t.match(whyOf("bad-only-the-search-sees"), /no order of its operations/);
  t.match(
    whyOf("bad-cas-found-what-was-gone"),
    /cas of operation 3 .*found "1", but .*overwritten .*operation 2/,
  );
  t.end();
});

await t.test("brute force agrees on 20,000 small histories", (t) => {
  const count = 10_000;
  const seen = { pass: 0, fail: 0, unknown: 0 };
  const holds = { cas: 0, append: 0, info: 0, delete: 0 };
  const wrong: string[] = [];
  for (let seed = 0; seed < count; seed += 1) {
    for (const [name, lines] of [
      ["random", smallHistory(seed)],
      ["nearly right", nearlyRightHistory(seed)],
    ] as const) {
      const { verdict } = checkLinearizability(lines).check;
      seen[verdict] += 1;
      for (const what of ["cas", "append", "info", "delete"] as const) {
        const isThere = lines.some(
          (line) => line.type === what || (line.type === "invoke" && line.f === what),
        );
        if (isThere) holds[what] += 1;
      }
      const isRight = isLinearizable(lines) ? "pass" : "fail";
      if (verdict !== isRight) wrong.push(`${name}, seed ${seed}: ${verdict}`);
    }
  }
  t.same(wrong, [], "no history is judged otherwise, none is undecided");
  t.ok(seen.pass > count / 2 && seen.fail > count / 2, "both verdicts are common");
  for (const [what, n] of Object.entries(holds)) t.ok(n > count / 4, `${what} is common`);
  t.comment(`pass ${seen.pass}, fail ${seen.fail}; with ${JSON.stringify(holds)}`);
  t.end();
});

const LONG: HistoryPlan = {
  seed: 1,
  keys: 100,
  operations: 100_000,
  clients: 10,
  kind: "register",
  infoShare: 0,
  values: 0,
  deleteShare: 0.05,
};
const ONE_KEY: HistoryPlan = { ...LONG, keys: 1, operations: 2_000, infoShare: 0.01 };

/** Three times the aim on an idle machine, because suites run side by side. */
const SLACK = 3;

await t.test("100 keys of 1,000 operations by 10 clients are judged in 2 s", (t) => {
  const cas = { ...LONG, values: 10, casShare: 0.2 };
  for (const plan of [LONG, { ...LONG, values: 10 }, { ...LONG, infoShare: 0.01 }, cas]) {
    const { verdict, spentMs } = timed(plan);
    t.equal(verdict, "pass", describe(plan));
    t.ok(spentMs <= SLACK * 2_000, `${spentMs} ms are within ${SLACK} × 2,000 ms`);
    t.comment(`${describe(plan)}: ${spentMs} ms`);
  }
  t.end();
});

await t.test(
  "2,000 operations on one key with 1 % unknown ends are judged in 5 s or unknown",
  (t) => {
    const plans = [1, 2, 3].flatMap((seed): readonly HistoryPlan[] => [
      { ...ONE_KEY, seed },
      { ...ONE_KEY, seed, values: 10 },
      { ...ONE_KEY, seed, values: 10, casShare: 0.3 },
      { ...ONE_KEY, seed, kind: "list" },
    ]);
    for (const plan of plans) {
      const { verdict, spentMs } = timed(plan);
      t.not(verdict, "fail", describe(plan));
      t.ok(spentMs <= SLACK * 5_000, `${spentMs} ms are within ${SLACK} × 5,000 ms`);
      t.comment(`${describe(plan)}: ${verdict} after ${spentMs} ms`);
    }
    t.end();
  },
);

await t.test("one wrong read among 2,000 operations is found", (t) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const lines = generateHistory({ ...ONE_KEY, seed });
    const { check } = checkLinearizability(withStaleRead(lines));
    t.equal(check.verdict, "fail", check.why);
  }
  t.end();
});

await t.test("a key over its budget is unknown and named", (t) => {
  const lines = readHistory(storedPath("linearizability/bad-only-the-search-sees.ndjson")).lines;
  const { check } = checkLinearizability(lines, { statesMax: 1 });
  t.equal(check.verdict, "unknown");
  t.match(check.why, /key "x": the budget of 1 configurations for one key was spent after 1/);
  let clock = 0;
  const late = checkLinearizability(lines, {
    budgetMs: 5,
    now: () => {
      clock += 10;
      return clock;
    },
  });
  t.equal(late.check.verdict, "unknown");
  t.match(late.check.why, /key "x": the budget of 5 ms for all keys was spent before its turn/);
  t.end();
});

await t.test("a malformed history is refused by its operation's number", (t) => {
  const end: HistoryLine = { type: "ok", at: 5, process: 1, op: 9, value: null };
  t.throws(() => checkLinearizability([end]), { code: "BAD_RECORD", message: /operation 9/ });
  t.end();
});

function timed(plan: HistoryPlan): { readonly verdict: string; readonly spentMs: number } {
  const lines = generateHistory(plan);
  const start = performance.now();
  const { check } = checkLinearizability(lines);
  return { verdict: check.verdict, spentMs: Math.round(performance.now() - start) };
}

function describe(plan: HistoryPlan): string {
  const values = plan.values === 0 ? "unique values" : `${plan.values} values`;
  const info = `${plan.infoShare * 100} % info`;
  return `${plan.kind}, ${plan.keys} keys, ${plan.operations} operations, ${values}, ${info}, seed ${plan.seed}`;
}

/** The last read that saw a value returns the first value that was ever read instead. */
function withStaleRead(lines: readonly HistoryLine[]): readonly HistoryLine[] {
  const reads = lines.flatMap((line, index) =>
    line.type === "ok" && typeof line.value === "string" ? [{ line, index }] : [],
  );
  const first = reads[0];
  const last = reads.at(-1);
  if (first === undefined || last === undefined) throw new Error("the history holds no reads");
  return lines.map((line, index) =>
    index === last.index ? { ...last.line, value: first.line.value } : line,
  );
}
