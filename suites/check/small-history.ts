/** Small histories on one key, right and wrong ones about equally often. */
import type { HistoryLine } from "../../harness/record/types.ts";
import { drawsFrom, generateHistory, timeOf } from "./generated-history.ts";

/** Operations, spans and results drawn at random. */
export function smallHistory(seed: number): readonly HistoryLine[] {
  const draw = drawsFrom(seed);
  const below = (count: number): number => Math.floor(draw() * count);
  const isList = draw() < 0.5;
  const count = 2 + below(5);
  const values = 1 + below(4);
  const span = 4 + below(30);
  const lines: HistoryLine[] = [];
  for (let op = 0; op < count; op += 1) {
    const begin = below(span);
    const end = begin + below(8);
    const chance = draw();
    const f =
      chance < 0.45
        ? isList
          ? "list"
          : "read"
        : chance < 0.9
          ? isList
            ? "append"
            : "write"
          : "delete";
    const value = f === "append" || f === "write" ? `v${below(values)}` : null;
    const common = { process: op, op };
    const invoke = { type: "invoke", at: begin, ...common, key: "k", role: "load" } as const;
    if (f === "write" && draw() < 0.4) {
      const expected = draw() < 0.2 ? null : `v${below(values)}`;
      lines.push({ ...invoke, f: "cas", value, expected });
    } else lines.push({ ...invoke, f, value });
    const how = draw();
    if (how < 0.15) lines.push({ type: "info", at: end, ...common, error: "timeout" });
    else if (how < 0.2) lines.push({ type: "fail", at: end, ...common, error: "refused" });
    else if (how < 0.95) {
      const elements = Array.from({ length: below(3) }, () => `v${below(values)}`);
      const register = draw() < 0.3 ? null : `v${below(values)}`;
      const result = f === "list" ? elements : f === "read" ? register : null;
      lines.push({ type: "ok", at: end, ...common, value: result });
    }
  }
  return lines.sort(
    (left, right) => timeOf(left) - timeOf(right) || (left.type === "invoke" ? -1 : 1),
  );
}

/** A history of a correct store, in more than half of the cases with one result in the place of another: a mistake that is hard to see. */
export function nearlyRightHistory(seed: number): readonly HistoryLine[] {
  const draw = drawsFrom(seed);
  const isList = draw() < 0.4;
  const lines = generateHistory({
    seed,
    keys: 1,
    operations: 3 + Math.floor(draw() * 6),
    clients: 2 + Math.floor(draw() * 3),
    kind: isList ? "list" : "register",
    infoShare: draw() * 0.4,
    values: 1 + Math.floor(draw() * 3),
    deleteShare: draw() * 0.2,
    casShare: isList ? 0 : draw() * 0.4,
  });
  const results = lines.flatMap((line, index) =>
    line.type === "ok" && line.value !== null ? [{ line, index }] : [],
  );
  const changed = results[Math.floor(draw() * results.length)];
  const other = results[Math.floor(draw() * results.length)];
  if (changed === undefined || other === undefined || draw() < 0.4) return lines;
  return lines.map((line, index) =>
    index === changed.index ? { ...changed.line, value: other.line.value } : line,
  );
}
