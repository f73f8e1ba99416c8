/** The clients of the bed in memory: a write of a new key begins at every even millisecond and ends at the next one. */
import { join } from "node:path";
import { RUN_FILES } from "../../harness/record/run-folder.ts";
import type { Micros } from "../../harness/record/types.ts";
import { openHistory } from "../../harness/record/writer.ts";
import type { Workload } from "../../harness/rig/rig.ts";

export interface FakeLoadOptions {
  readonly runDir: string;
  readonly seed: number;
  readonly now: () => Micros;
  readonly isServed: () => boolean;
  /** An acknowledged write is gone afterwards. */
  readonly losesWrite: boolean;
  /** Writes begin and end at once. */
  readonly idle: boolean;
  readonly onFinish: () => void;
}

export interface FakeLoad extends Workload {
  tick(): void;
  close(): void;
}

const PERIOD = 2_000;

export function startFakeLoad(options: FakeLoadOptions): FakeLoad {
  const { runDir, seed, now, isServed, losesWrite, idle, onFinish } = options;
  const history = openHistory(join(runDir, RUN_FILES.history));
  const acked: string[] = [];
  let lastOp = 0;
  let underWay: { readonly op: number; readonly key: string } | null = null;
  let isOver = false;
  history.write({ type: "header", schema: 1, scenario: "fake", seed });
  history.write({ type: "phase", at: now(), phase: "warm-up" });

  function begin(): void {
    lastOp += 1;
    const [op, key] = [lastOp, `p:${lastOp}`];
    const value = `v${op}`;
    const role = "probe";
    history.write({ type: "invoke", at: now(), process: op, op, f: "write", key, value, role });
    if (idle) {
      history.write({ type: "ok", at: now(), process: op, op, value: null });
      acked.push(key);
    } else underWay = { op, key };
  }

  function end(write: { readonly op: number; readonly key: string }): void {
    underWay = null;
    const { op } = write;
    if (isServed()) {
      history.write({ type: "ok", at: now(), process: op, op, value: null });
      acked.push(write.key);
    } else history.write({ type: "info", at: now(), process: op, op, error: "closed" });
  }

  function readBack(): void {
    const lost = losesWrite ? acked[10] : undefined;
    for (const key of acked) {
      lastOp += 1;
      const common = { at: now(), process: 0, op: lastOp };
      const role = "readback";
      history.write({ type: "invoke", ...common, f: "read", key, value: null, role });
      history.write({ type: "ok", ...common, value: key === lost ? null : `v${key.slice(2)}` });
    }
  }

  function close(): void {
    if (isOver) return;
    isOver = true;
    history.close();
  }

  return {
    tick() {
      if (isOver) return;
      if (underWay !== null) end(underWay);
      else if (now() % PERIOD === 0) begin();
    },
    phase(phase) {
      history.write({ type: "phase", at: now(), phase });
      return Promise.resolve();
    },
    inFlightWrites: () => (underWay === null ? 0 : 1),
    finish() {
      onFinish();
      underWay = null;
      history.write({ type: "phase", at: now(), phase: "final-reads" });
      readBack();
      history.write({ type: "phase", at: now(), phase: "end" });
      close();
      return Promise.resolve();
    },
    close,
  };
}
