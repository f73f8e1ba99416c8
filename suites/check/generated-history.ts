/** Histories of an imagined store that is correct: every operation takes effect at one instant between its begin and its end. */
import type { HistoryLine } from "../../harness/record/types.ts";

export interface HistoryPlan {
  readonly seed: number;
  readonly keys: number;
  readonly operations: number;
  readonly clients: number;
  readonly kind: "register" | "list";
  /** Share of operations whose end is never learnt. */
  readonly infoShare: number;
  /** Values are drawn from so many; 0: every value is new. */
  readonly values: number;
  /** Share of deletes. */
  readonly deleteShare: number;
  /** Share of compare-and-set, of registers alone. Default 0. */
  readonly casShare?: number;
}

export type Draw = () => number;

/** mulberry32: enough for tests, and the same on every machine. */
export function drawsFrom(seed: number): Draw {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Planned {
  readonly op: number;
  readonly process: number;
  readonly key: string;
  readonly f: "read" | "write" | "cas" | "append" | "list" | "delete";
  readonly value: string | null;
  readonly expected: string | null;
  readonly begin: number;
  readonly effect: number;
  readonly end: number;
  readonly isInfo: boolean;
}

/** Of a cas that found another value. */
const REFUSED = Symbol("refused");

export function generateHistory(plan: HistoryPlan): readonly HistoryLine[] {
  const draw = drawsFrom(plan.seed);
  const planned = planOperations(plan, draw);
  const results = runStore(planned);
  const body = planned.flatMap((step): readonly HistoryLine[] => {
    const common = { process: step.process, op: step.op };
    const { f, key, value, expected } = step;
    const invoke = {
      type: "invoke",
      at: step.begin,
      ...common,
      f,
      key,
      value,
      role: "load",
    } as const;
    const result = results.get(step.op) ?? null;
    return [
      f === "cas" ? { ...invoke, expected } : invoke,
      step.isInfo
        ? { type: "info", at: step.end, ...common, error: "timeout" }
        : result === REFUSED
          ? { type: "fail", at: step.end, ...common, error: "another value was there" }
          : { type: "ok", at: step.end, ...common, value: result },
    ];
  });
  body.sort((left, right) => timeOf(left) - timeOf(right));
  return [{ type: "header", schema: 1, scenario: "generated", seed: plan.seed }, ...body];
}

function planOperations(plan: HistoryPlan, draw: Draw): readonly Planned[] {
  const planned: Planned[] = [];
  const clocks = Array.from({ length: plan.clients }, () => Math.floor(draw() * 1_000));
  // An `info` ends its process: its client goes on under a number of its own.
  const processes = Array.from({ length: plan.clients }, (_, client) => client);
  let fresh = plan.clients;
  for (let op = 0; op < plan.operations; op += 1) {
    const client = op % plan.clients;
    const begin = (clocks[client] ?? 0) + 1 + Math.floor(draw() * 200);
    const effect = begin + Math.floor(draw() * 1_000);
    const isInfo = draw() < plan.infoShare;
    const end = effect + 1 + Math.floor(draw() * 1_000);
    const chance = draw();
    const isWrite = chance < 0.5;
    const isDelete = chance > 1 - plan.deleteShare;
    const casFrom = 1 - plan.deleteShare - (plan.casShare ?? 0);
    const isCas = chance > casFrom && !isDelete;
    const [write, read] =
      plan.kind === "register" ? (["write", "read"] as const) : (["append", "list"] as const);
    const value = plan.values === 0 ? `v${op}` : `v${Math.floor(draw() * plan.values)}`;
    const expected = isCas ? `v${Math.floor(draw() * (plan.values || op))}` : null;
    planned.push({
      op,
      process: processes[client] ?? 0,
      key: `k${Math.floor(draw() * plan.keys)}`,
      f: isDelete ? "delete" : isCas ? "cas" : isWrite ? write : read,
      value: (isWrite || isCas) && !isDelete ? value : null,
      expected,
      begin,
      // A crashed operation takes effect soon, much later or never.
      effect: isInfo ? effect + Math.floor(draw() * draw() * 50_000) : effect,
      end,
      isInfo,
    });
    clocks[client] = end;
    if (isInfo) {
      processes[client] = fresh;
      fresh += 1;
    }
  }
  return planned;
}

function runStore(
  planned: readonly Planned[],
): ReadonlyMap<number, string | null | string[] | typeof REFUSED> {
  const results = new Map<number, string | null | string[] | typeof REFUSED>();
  const registers = new Map<string, string | null>();
  const lists = new Map<string, readonly string[]>();
  const byEffect = [...planned].sort((a, b) => a.effect - b.effect || a.op - b.op);
  for (const step of byEffect) {
    const list = lists.get(step.key) ?? [];
    const isRefused = step.f === "cas" && (registers.get(step.key) ?? null) !== step.expected;
    if (isRefused) results.set(step.op, REFUSED);
    else if (step.f === "write" || step.f === "cas") registers.set(step.key, step.value);
    if (step.f === "append") lists.set(step.key, [...list, step.value ?? ""]);
    if (step.f === "delete") {
      registers.delete(step.key);
      lists.delete(step.key);
    }
    if (step.f === "read") results.set(step.op, registers.get(step.key) ?? null);
    if (step.f === "list") results.set(step.op, [...list]);
  }
  return results;
}

export function timeOf(line: HistoryLine): number {
  return line.type === "header" ? 0 : line.at;
}
