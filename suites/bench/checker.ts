/** What judging a history costs: the built command on a file, as a user runs it, the start of Node and the reading included. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateHistory, type HistoryPlan } from "../check/generated-history.ts";

/** One row of docs/measurements.md. */
export interface CheckerRow {
  readonly what: string;
  readonly found: string;
  readonly target: string;
  /** Empty: met. */
  readonly missed: readonly string[];
}

/** Ten clients on a hundred keys, and the same clients on one key with operations whose ends nobody knows. */
const MANY_KEYS: HistoryPlan = {
  seed: 1,
  keys: 100,
  operations: 100_000,
  clients: 10,
  kind: "register",
  infoShare: 0,
  values: 0,
  deleteShare: 0.05,
};
const ONE_KEY: HistoryPlan = { ...MANY_KEYS, keys: 1, operations: 2_000, infoShare: 0.01 };

const LIMITS = { manyKeysMs: 2_000, oneKeyMs: 5_000, peakMb: 500 } as const;

/** Share of the operations, and the histories of each kind; what is promised is about the whole. */
export async function checkerRows({
  share = 1,
  seeds = [1, 2, 3],
} = {}): Promise<readonly CheckerRow[]> {
  const sized = (plan: HistoryPlan): HistoryPlan => {
    return { ...plan, operations: Math.round(plan.operations * share) };
  };
  const many = seeds.flatMap((seed) => [
    { ...MANY_KEYS, seed },
    { ...MANY_KEYS, seed, values: 10, casShare: 0.2 },
  ]);
  const one = seeds.flatMap((seed): readonly HistoryPlan[] => [
    { ...ONE_KEY, seed },
    { ...ONE_KEY, seed, values: 10 },
    { ...ONE_KEY, seed, values: 10, casShare: 0.2 },
    { ...ONE_KEY, seed, kind: "list" },
  ]);
  return [
    rowOf(await judgeAll(many.map(sized)), {
      what: `check a history of ${100_000 * share} operations, 100 keys, 10 clients`,
      limitMs: LIMITS.manyKeysMs,
      isUnknownAllowed: false,
    }),
    rowOf(await judgeAll(one.map(sized)), {
      what: `check ${2_000 * share} operations on one key, 10 clients, 1 % unknown ends`,
      limitMs: LIMITS.oneKeyMs,
      isUnknownAllowed: true,
    }),
  ];
}

interface Judged {
  readonly verdict: string;
  readonly spentMs: number;
  /** Of the whole process. */
  readonly peakMb: number;
}

async function judgeAll(plans: readonly HistoryPlan[]): Promise<readonly Judged[]> {
  const folder = mkdtempSync(join(tmpdir(), "faultline-checker-"));
  try {
    const judged: Judged[] = [];
    for (const plan of plans) {
      const path = join(folder, "history.ndjson");
      const lines = generateHistory(plan).map((line) => JSON.stringify(line));
      writeFileSync(path, `${lines.join("\n")}\n`);
      judged.push(await judge(path));
    }
    return judged;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Tells the largest resident size on a descriptor of its own, in KiB, when the process ends. */
const PEAK =
  'import{writeSync}from"node:fs";process.on("exit",()=>writeSync(3,String(process.resourceUsage().maxRSS)))';

function judge(path: string): Promise<Judged> {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  const hook = `--import=data:text/javascript,${encodeURIComponent(PEAK)}`;
  const began = performance.now();
  const child = spawn(process.execPath, [hook, "harness/cli/bin.js", "check", path, "--json"], {
    env,
    stdio: ["ignore", "pipe", "inherit", "pipe"],
  });
  const said = { out: "", peak: "" };
  child.stdio[1]?.on("data", (chunk: Buffer) => {
    said.out += chunk.toString();
  });
  child.stdio[3]?.on("data", (chunk: Buffer) => {
    said.peak += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => {
      const spentMs = performance.now() - began;
      const verdict = /"verdict": "(\w+)"/.exec(said.out)?.[1] ?? "nothing";
      resolve({ verdict, spentMs, peakMb: (Number(said.peak) * 1_024) / 1_000_000 });
    });
  });
}

function rowOf(
  judged: readonly Judged[],
  aim: { readonly what: string; readonly limitMs: number; readonly isUnknownAllowed: boolean },
): CheckerRow {
  const spent = judged.map(({ spentMs }) => spentMs).sort((left, right) => left - right);
  const longest = spent.at(-1) ?? Number.POSITIVE_INFINITY;
  const median = spent[Math.ceil(spent.length / 2) - 1] ?? Number.POSITIVE_INFINITY;
  const peakMb = Math.max(...judged.map((one) => one.peakMb));
  const passed = judged.filter(({ verdict }) => verdict === "pass").length;
  const unknown = judged.filter(({ verdict }) => verdict === "unknown").length;
  const wrong = judged.length - passed - (aim.isUnknownAllowed ? unknown : 0);
  const { what, limitMs } = aim;
  return {
    what,
    found: `n = ${judged.length}: p50 ${median.toFixed(0)} ms, max ${longest.toFixed(0)} ms, at most ${peakMb.toFixed(0)} MB; ${passed} pass, ${unknown} unknown`,
    target: `max ≤ ${limitMs} ms, ≤ ${LIMITS.peakMb} MB, all pass${aim.isUnknownAllowed ? " or unknown" : ""}`,
    missed: [
      ...(longest > limitMs ? [`max by ${(longest - limitMs).toFixed(0)} ms`] : []),
      ...(peakMb <= LIMITS.peakMb ? [] : [`memory by ${(peakMb - LIMITS.peakMb).toFixed(0)} MB`]),
      ...(wrong > 0 ? [`${wrong} of ${judged.length} judged otherwise`] : []),
    ],
  };
}
