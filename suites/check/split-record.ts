/**
 * Records of a pair that parted at 100 ms: host a goes on at 100 ms, host b at 110 ms, each followed by its site's switch; the hosts meet again at
 * 300 ms; everything is read back on both sides from 400 ms on. What goes wrong is told.
 */
import type { HistoryLine, RunEvent } from "../../harness/record/types.ts";

export interface SplitWrongs {
  /** Only one host goes on alone. */
  readonly isWhole?: boolean;
  /** This host says nothing of the split. */
  readonly mute?: "a" | "b";
  /** Value that is read back on side b for a key that only side b wrote. */
  readonly onB?: string;
  /** Value that is read back on side a for a key that was written before the pair parted. */
  readonly before?: string;
  /** Side b is asked for nothing after the pair parted. */
  readonly isIdle?: boolean;
  /** Host b takes in input under the old generation after host a went on alone. */
  readonly isLate?: boolean;
  /** Host b gives its side up at this instant. Unit: microseconds. */
  readonly resolvedAt?: number;
  /** Side a is made whole 20 ms later, after another write to the key `old` by its own clients. */
  readonly isWritten?: boolean;
}

export const PARTED_AT = 100_000;
const [OLD, A, B] = ["5".repeat(32), "a".repeat(32), "b".repeat(32)];

export function splitEvents(wrongs: SplitWrongs = {}): readonly RunEvent[] {
  const page = (at: number, host: string, right: string, [gen, n]: readonly [string, number]) => ({
    at,
    source: `host ${host}`,
    what: "page",
    right,
    copy: right === "sole" ? "ahead" : "in-sync",
    gen,
    n,
    why: "t",
  });
  const announce = (at: number, name: string, host: string, gen: string) => ({
    at,
    source: `switch ${name}`,
    what: "announce",
    state: "accepted",
    host,
    boot: host,
    gen,
    n: 5,
  });
  const outputs = (
    at: number,
    host: string,
    [gen, n]: readonly [string, number],
    intake: number,
  ) => ({
    at,
    source: host === "a" ? "switch s1" : "switch s2",
    what: "outputs",
    boot: host,
    gen,
    n,
    host,
    maxIntakeAtUs: intake,
  });
  const met = (["a", "b"] as const).filter((host) => host !== wrongs.mute);
  return [
    page(10, "a", "open", [OLD, 5]),
    page(10, "b", "open", [OLD, 5]),
    announce(20, "s1", "a", OLD),
    announce(20, "s2", "a", OLD),
    page(PARTED_AT, "a", "sole", [A, 6]),
    ...(wrongs.isWhole === true ? [] : [page(110_000, "b", "sole", [B, 6])]),
    announce(150_000, "s2", "b", B),
    outputs(300_000, "a", [OLD, 5], 99_000),
    outputs(300_000, "a", [A, 6], 290_000),
    outputs(300_000, "b", [B, 6], 295_000),
    ...(wrongs.isLate === true ? [outputs(300_000, "b", [OLD, 5], 105_000)] : []),
    ...met.flatMap((host): readonly RunEvent[] => [
      { at: 300_000, source: `host ${host}`, what: "alert", code: "split-brain", detail: "D6" },
      { at: 300_000, source: `host ${host}`, what: "state", derived: "split-brain" },
    ]),
    ...(wrongs.resolvedAt === undefined ? [] : [page(wrongs.resolvedAt, "b", "ceded", [B, 6])]),
    ...(wrongs.isWritten === true ? [page(370_000, "a", "elected", ["c".repeat(32), 7])] : []),
  ];
}

export function splitHistory(wrongs: SplitWrongs = {}): readonly HistoryLine[] {
  const lines: HistoryLine[] = [{ type: "header", schema: 1, scenario: "split", seed: 1 }];
  let op = 0;
  const ask = (
    site: "s1" | "s2",
    [begin, end]: readonly [number, number | null],
    what: { f: "read" | "write"; key: string; value: string | null; role?: "load" | "readback" },
  ): void => {
    op += 1;
    const { f, key, value, role = "load" } = what;
    const common = { process: op, op };
    const written = f === "write" ? value : null;
    lines.push({ type: "invoke", at: begin, ...common, f, key, value: written, role, site });
    if (end === null) lines.push({ type: "info", at: begin + 5_000, ...common, error: "timeout" });
    else lines.push({ type: "ok", at: end, ...common, value: f === "read" ? value : null });
  };
  const write = (value: string, key: string) => ({ f: "write", key, value }) as const;
  const read = (value: string | null, key: string) => ({ f: "read", key, value }) as const;
  const look = (value: string | null, key: string) =>
    ({ f: "read", key, value, role: "readback" }) as const;
  // Before: one history, whichever address was used.
  ask("s1", [50_000, 51_000], write("1", "old"));
  ask("s2", [52_000, 53_000], read("1", "old"));
  // Under way when the pair parts: done on a's side, and it has reached b's disk.
  ask("s1", [99_000, 101_000], write("1", "half"));
  // Sent to a by way of b's switch, and never answered.
  ask("s2", [120_000, null], write("1", "lost"));
  // Afterwards: both sides write the same key, and each reads its own.
  ask("s1", [200_000, 201_000], write("a", "both"));
  if (wrongs.isIdle !== true) {
    ask("s2", [200_000, 201_000], write("b", "both"));
    ask("s2", [202_000, 203_000], read("b", "both"));
    ask("s2", [210_000, 211_000], write("2", "onB"));
  }
  ask("s1", [202_000, 203_000], read("a", "both"));
  ask("s1", [210_000, 211_000], write("2", "onA"));
  if (wrongs.isWritten === true) ask("s1", [355_000, 356_000], write("3", "old"));
  // Read back on each side.
  const old = wrongs.isWritten === true ? "3" : "1";
  ask("s1", [400_000, 401_000], look(wrongs.before ?? old, "old"));
  ask("s1", [402_000, 403_000], look("1", "half"));
  ask("s1", [404_000, 405_000], look("a", "both"));
  ask("s1", [406_000, 407_000], look("2", "onA"));
  ask("s1", [408_000, 409_000], look(null, "onB"));
  // A host that gave its side up before that holds the other side's copy.
  const isJoined = wrongs.resolvedAt !== undefined;
  ask("s2", [400_000, 401_000], look(isJoined ? old : "1", "old"));
  ask("s2", [402_000, 403_000], look("1", "half"));
  if (wrongs.isIdle !== true) {
    ask("s2", [404_000, 405_000], look(isJoined ? "a" : "b", "both"));
    ask("s2", [406_000, 407_000], look(wrongs.onB ?? (isJoined ? null : "2"), "onB"));
  }
  ask("s2", [408_000, 409_000], look(isJoined ? "2" : null, "onA"));
  const at = (line: HistoryLine): number => (line.type === "header" ? -1 : line.at);
  return lines.sort((left, right) => at(left) - at(right));
}
