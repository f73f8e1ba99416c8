/** A record of a pair whose host b is killed at 1000 ms, whose A-link is cut at 2000 ms, and in which a rule breaks: every column has something to show. */
import type { HistoryLine, RunEvent } from "../../harness/record/types.ts";
import type { Recorded } from "../../reports/trace/recorded.ts";

const OLD = "3072".padEnd(32, "0");
const NEW = "294e".padEnd(32, "0");
const BOOT = "5701".padEnd(32, "0");
const REBOOT = "17dc".padEnd(32, "0");

type Said = Readonly<Record<string, unknown>>;
const event =
  (source: string) =>
  (at: number, what: string, fields: Said = {}): RunEvent => ({ ...fields, at, source, what });
const [a, b, q1, s1] = [event("host a"), event("host b"), event("quorum q1"), event("switch s1")];
const harness = event("harness");

const killed = { fault: "kill-host", target: "b", step: 1, atInjectUs: 1_000_000 };
const cut = { fault: "blackhole-link", target: "a>b/alink0", step: 2, atInjectUs: 2_000_000 };
const outputs = { boot: BOOT, gen: OLD, n: 3, host: "b", firstAtUs: 400_000, lastAtUs: 900_000 };

/** Line 5 is out of the order of the clock, as lines of different sources may be. */
export const EVENTS: readonly RunEvent[] = [
  b(10_000, "page", { right: "open", copy: "in-sync", gen: OLD, n: 3, why: "say-armed" }),
  b(10_100, "state", { derived: "duplex" }),
  a(12_000, "state", { derived: "duplex" }),
  q1(13_000, "registered", { host: "b", holder: null, gen: OLD, n: 3, from: null, vm: "vm1" }),
  b(11_000, "vm", { state: "announced", boot: BOOT, why: "runs" }),
  s1(14_000, "announce", {
    ...{ state: "accepted", host: "b", boot: BOOT, bootN: 1, gen: OLD, n: 3, via: "lan" },
    ...{ why: "first", vm: "vm1" },
  }),
  s1(500_000, "outputs", { ...outputs, maxIntakeAtUs: 890_000, vm: "vm1" }),
  s1(900_000, "outputs", { ...outputs, maxIntakeAtUs: 890_000, vm: "vm1" }),
  harness(1_003_000, "exit", { process: "b", status: null, signal: "SIGKILL", expected: true }),
  harness(1_004_000, "fault", { ...killed, state: "injected" }),
  a(1_005_000, "session", { state: "closed", verdict: "D11", why: "alink0 closed" }),
  a(1_005_000, "state", { derived: "blocked" }),
  a(1_010_000, "suspect", { why: "every path is silent" }),
  a(1_150_000, "claim", { state: "sent", from: OLD, gen: NEW }),
  q1(1_152_500, "granted", { host: "a", holder: "a", gen: NEW, n: 4, from: OLD, vm: "vm1" }),
  a(1_160_000, "page", { right: "sole", copy: "ahead", gen: NEW, n: 4, why: "granted" }),
  a(1_160_000, "state", { derived: "simplex" }),
  a(1_170_125, "vm", { state: "announced", boot: REBOOT, why: "runs" }),
  s1(1_171_000, "announce", {
    ...{ state: "accepted", host: "a", boot: REBOOT, bootN: 2, gen: NEW, n: 4, via: "lan" },
    ...{ why: "higher generation", vm: "vm1" },
  }),
  harness(1_500_000, "started", { process: "b", life: 2 }),
  b(1_501_000, "page", { right: "open", copy: "in-sync", gen: OLD, n: 3, why: "started" }),
  b(1_600_000, "state", { derived: "resync-target" }),
  a(1_601_000, "state", { derived: "resync-source" }),
  harness(2_000_500, "fault", { ...cut, state: "injected" }),
  b(2_300_000, "alert", {
    code: "bad-block",
    detail: "0/70 does not match its checksum: the target cannot become current",
  }),
  event("invariant")(2_310_000, "violation", {
    name: "no-silent-divergence",
    detail: "block 0/70 differs and nothing says so",
  }),
  harness(2_500_000, "proof", { ...cut, hasBitten: false, why: "nothing was stopped" }),
  harness(2_500_000, "fault", { ...cut, state: "healed" }),
  harness(3_000_000, "audit", {
    ...{ name: "divergence", verdict: "fail" },
    why: "9 written blocks compared: 1 differ although both sides claim agreement, the first is vm1 volume 0 block 70",
  }),
];

const invoke = (at: number, op: number, role: "probe" | "load"): HistoryLine => {
  const named = { type: "invoke", at, op, process: op, f: "write" } as const;
  return { ...named, key: `k${op}`, value: "1", role };
};
const ok = (at: number, op: number): HistoryLine => {
  return { type: "ok", at, op, process: op, value: null };
};

/** The probe is served every 10 ms, then from 990 to 1180 ms not at all; the last operation has no end. */
export const HISTORY: readonly HistoryLine[] = [
  { type: "header", schema: 1, scenario: "level2/kill-active", seed: 7 },
  { type: "phase", at: 950_000, phase: "calm" },
  ...[960_000, 970_000, 980_000, 990_000].flatMap((at, op) => [
    invoke(at - 1_000, op, "probe"),
    ok(at, op),
  ]),
  { type: "phase", at: 991_000, phase: "fault" },
  invoke(995_000, 8, "load"),
  { type: "info", at: 1_100_000, op: 8, process: 8, error: "ECONNRESET" },
  { type: "lag", at: 1_110_000, lagUs: 1_500 },
  invoke(1_179_000, 9, "probe"),
  ok(1_180_000, 9),
  invoke(1_185_000, 10, "load"),
];

export const PLAN = { schema: 1, scenario: "level2/kill-active", seed: 7, bed: "sim", level: 2 };

export const VERDICT = {
  ...PLAN,
  verdict: "fail",
  commit: "1f0c0000000000000000000000000000000000aa",
  checks: [
    { name: "durability", verdict: "pass", why: "5 of 5" },
    { name: "invariants", verdict: "fail", why: "no-silent-divergence at 2310.000 ms" },
  ],
  replay: "npx faultline run level2/kill-active --seed 7 --bed sim",
  broken: null,
};

export const RECORDED: Recorded = {
  folder: "runs/x",
  plan: PLAN,
  verdict: VERDICT,
  events: EVENTS,
  history: null,
  gaps: [],
};
